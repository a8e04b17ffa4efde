"""The spend table: a claim reserves its price, a release cancels the reservation, each in one transaction with the job."""

import time
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from dropreel.adapters.items import attribute_value
from dropreel.adapters.job_table import job_updates, key_of
from dropreel.adapters.transactions import MAX_TRIES, transact
from dropreel.domain.fingerprints import Picture
from dropreel.domain.job import Job
from dropreel.domain.spending import NotReserved, SpendLimit

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

MAX_RELEASE_TRIES = 30
"""Tries of a release. They take at most 30 of the function's 100 seconds: without it the reservation would stay for no charge."""


class Ledger:
    """The only writer of the spend table: one item a day (UTC), `reserved_cents` is what may have been charged on it."""

    def __init__(
        self,
        client: "DynamoDBClient",
        jobs_table: str,
        spend_table: str,
        limit: SpendLimit,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.client = client
        self.jobs_table = jobs_table
        self.spend_table = spend_table
        self.limit = limit
        self.sleep = sleep

    def reserve(self, before: Job, claimed: Job, picture: Picture | None = None) -> Job | NotReserved:
        """Save a claim and reserve its price on its day, both or neither. Return the job with its new version.

        `picture` is given at a job's first claim: a copy claims only a picture that no other job has claimed. An upload
        always claims, unless it is the original of a copy that has claimed already: S3's events come in any order.
        """
        updates = job_updates(self.jobs_table, before, claimed)
        answers = [NotReserved.CHANGED] * len(updates)
        if picture is not None:
            updates.append(self._claim_picture(picture, claimed.job_id))
            answers.append(NotReserved.DUPLICATE)
        updates.append(self._spend(_day(claimed), claimed.cost_cents, self.limit.cents))
        answers.append(NotReserved.NO_ROOM)
        failed = transact(self.client, updates, self.sleep, MAX_TRIES)
        return replace(claimed, version=claimed.version + 1) if failed is None else answers[failed]

    def release(self, before: Job, after: Job) -> Job | None:
        """Save a transition of a claimed job and release its reservation, both or neither: the provider charged nothing.

        None: the job was changed meanwhile, and nothing was released.
        """
        updates = job_updates(self.jobs_table, before, after)
        updates.append(self._spend(_day(before), -before.cost_cents, None))
        failed = transact(self.client, updates, self.sleep, MAX_RELEASE_TRIES)
        return replace(after, version=after.version + 1) if failed is None else None

    def claimed_by(self, picture: Picture) -> str | None:
        """Return the id of the last job that claimed a picture, or None."""
        key = key_of(picture.item_key, "picture")
        answer = self.client.get_item(TableName=self.jobs_table, Key=key, ConsistentRead=True)
        return answer["Item"]["claimed_by"]["S"] if "Item" in answer else None

    def reserved_cents(self, day: str) -> int:
        """Return what may have been charged on a day, in US cents."""
        answer = self.client.get_item(TableName=self.spend_table, Key={"day": {"S": day}}, ConsistentRead=True)
        return int(answer.get("Item", {}).get("reserved_cents", {"N": "0"})["N"])

    def _claim_picture(self, picture: Picture, job_id: str) -> dict[str, Any]:
        """Return the update of a picture's row: `claimed_by`, and of the copy that claimed it `copied_at`."""
        update: dict[str, Any] = {
            "TableName": self.jobs_table,
            "Key": key_of(picture.item_key, "picture"),
            "UpdateExpression": "SET claimed_by = :job ADD version :one",
            "ExpressionAttributeValues": {
                ":job": {"S": job_id},
                ":one": {"N": "1"},
                ":modified_at": attribute_value(picture.modified_at),
            },
        }
        if picture.is_copy:
            update["UpdateExpression"] = "SET claimed_by = :job, copied_at = :modified_at ADD version :one"
            update["ConditionExpression"] = "attribute_not_exists(claimed_by) OR claimed_by = :job"
        else:
            original = "attribute_not_exists(copied_at) OR copied_at < :modified_at"
            update["ConditionExpression"] = f"{original} OR claimed_by = :job"
        return update

    def _spend(self, day: str, cents: int, limit: int | None) -> dict[str, Any]:
        """Return the update of a day's item. With a limit, in cents, the condition is that `cents` fit below it."""
        update: dict[str, Any] = {
            "TableName": self.spend_table,
            "Key": {"day": {"S": day}},
            "UpdateExpression": "ADD reserved_cents :cents, version :one",
            "ExpressionAttributeValues": {":cents": {"N": str(cents)}, ":one": {"N": "1"}},
        }
        if limit is not None:
            room = limit - cents
            fits = "reserved_cents <= :room"
            update["ConditionExpression"] = f"attribute_not_exists(reserved_cents) OR {fits}" if room >= 0 else fits
            update["ExpressionAttributeValues"][":room"] = {"N": str(room)}
        return update


def _day(job: Job) -> str:
    if job.reserved_day is None:
        raise ValueError(f"job {job.job_id} has no reservation")
    return job.reserved_day
