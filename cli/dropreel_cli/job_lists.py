"""Lists of jobs, by the job table's indexes: none of them reads the whole table."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

from dropreel.adapters.items import attribute_value, values_of
from dropreel.adapters.job_table import (
    BY_DAY_INDEX,
    BY_KEY_INDEX,
    JOB_ROW,
    WAITING_INDEX,
    JobTable,
    generation_key,
    job_of,
    key_of,
)
from dropreel.domain.days import day_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from mypy_boto3_dynamodb import DynamoDBClient

    from dropreel.domain.job import Job

_BATCH = 100
"""The most items that one BatchGetItem of DynamoDB returns."""
_FIRST_DAY = date(2026, 1, 1)
"""No job is older than Dropreel: a list since the year 1 does not ask for each day."""
_MAX_ID_BYTES = 2000
"""The longest generation id that can be a part of a key, in bytes of UTF-8."""


@dataclass(frozen=True)
class JobLists:
    """Reads lists of jobs and of their submissions. Raises botocore's ClientError on a fault of DynamoDB."""

    client: DynamoDBClient
    table: str

    def jobs_since(self, since: datetime, until: datetime) -> Iterator[Job]:
        """Yield the jobs that were created in a span of time, the newest first, 100 jobs a read."""
        day = until.astimezone(UTC)
        while day.date() >= max(since.astimezone(UTC).date(), _FIRST_DAY):
            keys = self._keys(BY_DAY_INDEX, "listed", f"job#{day_of(day)}", newest_first=True)
            for item in self._items(keys):
                job = job_of(item)
                if since <= job.created_at <= until:
                    yield job
            day -= timedelta(days=1)

    def jobs_of_key(self, image_key: str) -> Iterator[Job]:
        """Yield the jobs of an image's key, in whatever bucket, the newest first."""
        return map(job_of, self._items(self._keys(BY_KEY_INDEX, "image_key", image_key, newest_first=True)))

    def jobs_of_ids(self, job_ids: Iterable[str]) -> Iterator[Job]:
        """Yield the jobs with these ids that exist, in the order of the ids."""
        return map(job_of, self._items(key_of(job_id, JOB_ROW) for job_id in job_ids))

    def ids_of_day(self, day: str) -> Iterator[str]:
        """Yield the ids of the jobs that were created on a day (UTC, `2026-11-12`), the newest first, without a read of the jobs."""
        for key in self._keys(BY_DAY_INDEX, "listed", f"job#{day}", newest_first=True):
            yield key["job_id"]["S"]

    def waiting(self, what: str) -> Iterator[tuple[str, str]]:
        """Yield when the jobs that wait for something (`Job.waits_for`) were created, and their ids, the newest first."""
        for page in self._pages(WAITING_INDEX, "waiting", what, newest_first=True):
            yield from ((item["created_at"]["S"], item["job_id"]["S"]) for item in page["Items"])

    def newest_waiting(self, what: str, limit: int) -> list[str]:
        """Return the ids of the newest jobs that wait for something, by one query."""
        return self._newest(WAITING_INDEX, "waiting", what, limit)

    def newest_of_day(self, day: str, limit: int) -> list[str]:
        """Return the ids of the newest jobs that were created on a day (UTC, `2026-11-12`), by one query."""
        return self._newest(BY_DAY_INDEX, "listed", f"job#{day}", limit)

    def count_waiting(self, what: str, created_until: datetime) -> int:
        """Return how many jobs wait for something and were created until a time, without a read of the jobs."""
        return sum(1 for _ in JobTable(self.client, self.table).waiting(what, created_until))

    def holders_of(self, generation_ids: Iterable[str]) -> dict[str, str]:
        """Return the id of the job that holds a generation, for each generation that a job holds."""
        by_row = {
            generation_key(each)["job_id"]["S"]: each for each in generation_ids if len(each.encode()) <= _MAX_ID_BYTES
        }
        found = self._items(generation_key(each) for each in by_row.values())
        return {by_row[item["job_id"]]: item["claimed_by"] for item in found}

    def submissions_of_day(self, day: str) -> Iterator[dict[str, Any]]:
        """Yield the rows of the submissions that are or were reserved on a day (UTC, `2026-11-12`), the oldest first."""
        return self._items(self._keys(BY_DAY_INDEX, "listed", f"attempt#{day}", newest_first=False))

    def _keys(self, index: str, attribute: str, value: str, *, newest_first: bool) -> Iterator[dict[str, Any]]:
        for page in self._pages(index, attribute, value, newest_first=newest_first):
            yield from ({"job_id": item["job_id"], "row": item["row"]} for item in page["Items"])

    def _pages(self, index: str, attribute: str, value: str, *, newest_first: bool) -> Iterator[Any]:
        arguments = self._query(index, attribute, value, newest_first=newest_first)
        return iter(self.client.get_paginator("query").paginate(**arguments))

    def _newest(self, index: str, attribute: str, value: str, limit: int) -> list[str]:
        page = self.client.query(**self._query(index, attribute, value, newest_first=True), Limit=limit)
        return [item["job_id"]["S"] for item in page["Items"]]

    def _query(self, index: str, attribute: str, value: str, *, newest_first: bool) -> Any:
        return {
            "TableName": self.table,
            "IndexName": index,
            "KeyConditionExpression": "#attribute = :value",
            "ExpressionAttributeNames": {"#attribute": attribute},
            "ExpressionAttributeValues": {":value": attribute_value(value)},
            "ScanIndexForward": not newest_first,
        }

    def _items(self, keys: Iterable[Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
        """Yield the values of the rows with these keys, in their order; a row that is gone is left out."""
        batch: list[Mapping[str, Any]] = []
        for key in keys:
            batch.append(key)
            if len(batch) == _BATCH:
                yield from self._read(batch)
                batch = []
        yield from self._read(batch)

    def _read(self, keys: list[Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
        found: dict[tuple[str, str], dict[str, Any]] = {}
        unique = list({(key["job_id"]["S"], key["row"]["S"]): key for key in keys}.values())
        left: Any = {self.table: {"Keys": unique, "ConsistentRead": True}} if unique else {}
        while left:
            answer = self.client.batch_get_item(RequestItems=left)
            for item in answer["Responses"].get(self.table, []):
                found[item["job_id"]["S"], item["row"]["S"]] = values_of(item)
            left = answer.get("UnprocessedKeys")
        for key in keys:
            if (values := found.get((key["job_id"]["S"], key["row"]["S"]))) is not None:
                yield values
