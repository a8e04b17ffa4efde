"""The job table: a job, each of its submissions and its generation, a row each.

| `job_id` | `row` | what it is |
|---|---|---|
| the job's id | `job` | the job as it stands |
| the job's id | `attempt#01#0000` | one submission: the attempt, and its number of requeues when it was claimed |
| `generation#<id>` | `generation` | the job that holds this generation, at most one |
| `picture-<24 hex digits>` | `picture` | the job that claimed this picture (`fingerprints.Picture`) |

A job is saved with an optimistic lock: only where its `version` is still the one that was read. A submission's row must be
new when the job is claimed, and is never deleted, so that one message can lead to one POST at most.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import fields, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

from dropreel.adapters.items import attribute_value, values_of
from dropreel.adapters.transactions import transact
from dropreel.domain.attempts import Attempt, attempt_after
from dropreel.domain.days import day_of
from dropreel.domain.images import Image
from dropreel.domain.job import Charge, EventType, Job, JobStatus, PollFaultNote, VideoObject
from dropreel.domain.next_steps import next_step
from dropreel.domain.options import Options
from dropreel.domain.reasons import Reason

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

WAITING_INDEX = "waiting"
"""Job ids by what they wait for, oldest first. Jobs that need no more work are not in it; those that are
`unknown` are."""
BY_DAY_INDEX = "by_day"
"""Rows by `listed`, oldest first: a day's jobs (`job#<day>`, UTC) and the submissions that are reserved on it (`attempt#<day>`)."""
BY_KEY_INDEX = "by_key"
"""Jobs by `image_key`, oldest first."""
JOB_ROW = "job"


class JobTable:
    """Reads and saves jobs. Every method raises botocore's ClientError on a fault of DynamoDB."""

    def __init__(self, client: "DynamoDBClient", table: str, sleep: Callable[[float], None] = time.sleep) -> None:
        self.client = client
        self.table = table
        self.sleep = sleep

    def get(self, job_id: str) -> Job | None:
        """Return the job as it stands now (a consistent read), or None."""
        answer = self.client.get_item(TableName=self.table, Key=key_of(job_id, JOB_ROW), ConsistentRead=True)
        return job_of(values_of(answer["Item"])) if "Item" in answer else None

    def save(self, before: Job | None, after: Job) -> Job | None:
        """Save a transition, and with it the row of its submission and of the generation that it now holds.

        `before`: the job as it was read, None for a job that must not exist yet. Return the job with its new version.
        None: it was changed meanwhile, or another job holds the generation; read again.
        """
        updates = job_updates(self.table, before, after)
        if len(updates) > 1:
            if transact(self.client, updates, self.sleep) is not None:
                return None
        else:
            try:
                self.client.update_item(**updates[0])
            except self.client.exceptions.ConditionalCheckFailedException:
                return None
        return replace(after, version=after.version + 1)

    def redact(self, before: Job, after: Job, redacted: Callable[[Reason], Reason]) -> Job | None:
        """Save other texts of a job that stays at its step: first the reasons of its submissions' rows, then the job.

        Return the job with its new version. None: it was changed meanwhile; its submissions' rows may be written.
        """
        for row in self.history(before.job_id):
            if row["row"] != JOB_ROW and row.get("reason"):
                reason = redacted(Reason.from_json(row["reason"])).as_json()
                if reason != row["reason"]:
                    key = key_of(before.job_id, row["row"])
                    self.client.update_item(**_update(self.table, key, {"reason": reason}, {"version": 1}))
        try:
            self.client.update_item(**_job_update(self.table, before, after))
        except self.client.exceptions.ConditionalCheckFailedException:
            return None
        return replace(after, version=after.version + 1)

    def discard(self, job: Job) -> bool:
        """Delete a job that was never claimed and of which nothing was published. False: it was changed meanwhile."""
        try:
            self.client.delete_item(
                TableName=self.table,
                Key=key_of(job.job_id, JOB_ROW),
                ConditionExpression="version = :read",
                ExpressionAttributeValues={":read": attribute_value(job.version)},
            )
        except self.client.exceptions.ConditionalCheckFailedException:
            return False
        return True

    def count_poll(
        self, job: Job, at: datetime, *, provider_status: str | None = None, fault: str | None = None, **since: Any
    ) -> None:
        """Count one poll, and keep the provider's status or the fault. The job's version stays as it is.

        `since`: `not_found_since` as it is now. Where the job is not generating any more, nothing is written.
        """
        changes: dict[str, Any] = {"updated_at": at, **since}
        if provider_status is not None:
            changes["provider_status"] = provider_status
        counts = {"polls": 1}
        if fault is not None:
            changes["last_fault"] = {"message": fault, "at": at}
            counts["poll_faults"] = 1
        update = _update(self.table, key_of(job.job_id, JOB_ROW), changes, counts)
        update["ConditionExpression"] = "#status = :generating AND generation_id = :generation_id"
        update["ExpressionAttributeNames"]["#status"] = "status"
        update["ExpressionAttributeValues"] |= {
            ":generating": attribute_value(JobStatus.GENERATING),
            ":generation_id": attribute_value(job.generation_id),
        }
        with suppress(self.client.exceptions.ConditionalCheckFailedException):
            self.client.update_item(**update)

    def holder_of(self, generation_id: str) -> str | None:
        """Return the id of the job that holds a generation, or None."""
        key = generation_key(generation_id)
        answer = self.client.get_item(TableName=self.table, Key=key, ConsistentRead=True)
        return answer["Item"]["claimed_by"]["S"] if "Item" in answer else None

    def history(self, job_id: str) -> list[dict[str, Any]]:
        """Return all rows of a job, the submissions in their order and then the job, by one query."""
        pages = self.client.get_paginator("query").paginate(
            TableName=self.table,
            KeyConditionExpression="job_id = :job_id",
            ExpressionAttributeValues={":job_id": attribute_value(job_id)},
            ConsistentRead=True,
        )
        return [values_of(item) for page in pages for item in page["Items"]]

    def waiting(self, what: str, created_until: datetime) -> Iterator[str]:
        """Yield the ids of the jobs that wait for something (`Job.waits_for`) and were created until a time, oldest first.

        The index is eventually consistent: read each job again before acting on it.
        """
        pages = self.client.get_paginator("query").paginate(
            TableName=self.table,
            IndexName=WAITING_INDEX,
            KeyConditionExpression="waiting = :what AND created_at <= :until",
            ExpressionAttributeValues={":what": attribute_value(what), ":until": attribute_value(created_until)},
        )
        for page in pages:
            for item in page["Items"]:
                yield item["job_id"]["S"]

    def count_waiting(self, what: str) -> tuple[int, datetime | None]:
        """Return how many jobs wait for something (`Job.waits_for`), and when the oldest of them was created.

        From the index alone: the jobs are not read.
        """
        pages = self.client.get_paginator("query").paginate(
            TableName=self.table,
            IndexName=WAITING_INDEX,
            KeyConditionExpression="waiting = :what",
            ExpressionAttributeValues={":what": attribute_value(what)},
        )
        count, oldest = 0, None
        for page in pages:
            if count == 0 and page["Items"]:
                oldest = datetime.fromisoformat(page["Items"][0]["created_at"]["S"])
            count += len(page["Items"])
        return count, oldest


def key_of(job_id: str, row: str) -> dict[str, Any]:
    """Return the key of a row."""
    return {"job_id": attribute_value(job_id), "row": attribute_value(row)}


def generation_key(generation_id: str) -> dict[str, Any]:
    """Return the key of the row that says which job holds a generation."""
    return key_of(f"generation#{generation_id}", "generation")


def job_updates(table: str, before: Job | None, after: Job) -> list[Any]:
    """Return the updates of a transition: the job first, then its submission's row and its generation's where they change."""
    updates = [_job_update(table, before, after)]
    attempt = None if before is None else attempt_after(before, after)
    if attempt is not None:
        updates.append(_attempt_update(table, after, attempt))
    if after.generation_id is not None and (before is None or before.generation_id is None):
        updates.append(_generation_update(table, after))
    return updates


def _job_update(table: str, before: Job | None, after: Job) -> dict[str, Any]:
    """Return the update of the attributes that differ, on condition of the version that was read."""
    old, new = {} if before is None else item_of(before), item_of(after)
    changes = {name: new.get(name) for name in {**old, **new} if old.get(name) != new.get(name)}
    update = _update(table, key_of(after.job_id, JOB_ROW), changes, {"version": 1})
    if before is None:
        update["ConditionExpression"] = "attribute_not_exists(job_id)"
    else:
        update["ConditionExpression"] = "version = :read"
        update["ExpressionAttributeValues"][":read"] = attribute_value(before.version)
    return update


def _attempt_update(table: str, job: Job, attempt: Attempt) -> dict[str, Any]:
    """Return the update of a submission's row. A claim's must be new."""
    changes: dict[str, Any] = {
        "attempt": attempt.attempt,
        "requeues": attempt.requeues,
        "status": attempt.status,
        "charge": attempt.charge,
        "generation_id": attempt.generation_id,
        "reason": None if attempt.reason is None else attempt.reason.as_json(),
        "updated_at": attempt.at,
    }
    is_claim = attempt.status is JobStatus.SUBMITTING
    if is_claim:
        changes |= {"created_at": attempt.at, "day": job.reserved_day, "cost_cents": job.cost_cents}
        changes["listed"] = f"attempt#{job.reserved_day}"
    row = f"attempt#{attempt.attempt:02}#{attempt.requeues:04}"
    update = _update(table, key_of(job.job_id, row), changes, {"version": 1})
    if is_claim:
        update["ConditionExpression"] = "attribute_not_exists(job_id)"
    return update


def _generation_update(table: str, job: Job) -> dict[str, Any]:
    """Return the update that makes a job the holder of a generation, on condition that no other job holds it."""
    key = generation_key(job.generation_id or "")
    update = _update(table, key, {"claimed_by": job.job_id, "attempt": job.attempt}, {"version": 1})
    update["ConditionExpression"] = "attribute_not_exists(claimed_by) OR claimed_by = :claimed_by"
    return update


def _update(table: str, key: dict[str, Any], changes: Mapping[str, Any], counts: Mapping[str, int]) -> dict[str, Any]:
    """Return the arguments of one update: it sets what has a value, removes what is None, and adds to counters."""
    names = {f"#{name}": name for name in (*changes, *counts)}
    values = {f":{name}": attribute_value(value) for name, value in changes.items() if value is not None}
    values |= {f":{name}": attribute_value(count) for name, count in counts.items()}
    clauses = {
        "SET": [f"#{name} = :{name}" for name, value in changes.items() if value is not None],
        "REMOVE": [f"#{name}" for name, value in changes.items() if value is None],
        "ADD": [f"#{name} :{name}" for name in counts],
    }
    return {
        "TableName": table,
        "Key": key,
        "UpdateExpression": " ".join(f"{word} {', '.join(parts)}" for word, parts in clauses.items() if parts),
        "ExpressionAttributeNames": names,
        "ExpressionAttributeValues": values,
    }


# --- a job as an item -------------------------------------------------------------------------------------------------

REHEARSAL_CHARGE = "rehearsal-"
"""Begins the `charge` of a rehearsal that could still be submitted. Release 0.1.0, which knows no rehearsals and would pay for
it, cannot read such a job after a rollback, and leaves it as it is."""
_SUBMITTED_NO_MORE = frozenset({JobStatus.COMPLETED, JobStatus.FAILED, JobStatus.REJECTED})
_FIELDS = dict.fromkeys(each.name for each in fields(Job))
_TIMES = frozenset(
    {
        *("created_at", "updated_at", "lease_until", "retry_at", "waiting_since", "submitted_at"),
        *("watched_since", "not_found_since", "modified_at"),
    }
)


def item_of(job: Job) -> dict[str, Any]:
    """Return a job's attributes as Python values, without its keys and its version; None stands for no attribute.

    Beside the job's fields: the keys of the indexes, `waiting` (what it waits for), `listed` and `image_key`; and `next_step`,
    what to do next.
    """
    item: dict[str, Any] = {name: getattr(job, name) for name in _FIELDS}
    del item["job_id"], item["version"]
    item |= {
        "image": job.image.as_json(),
        "rehearsal": job.rehearsal or None,
        "charge": _stored_charge(job),
        "options": None if job.options is None else job.options._asdict(),
        "notices": {event.value: reason.as_json() for event, reason in job.notices.items()},
        "last_fault": None if job.last_fault is None else job.last_fault._asdict(),
        "reason": None if job.reason is None else job.reason.as_json(),
        "video": None if job.video is None else job.video._asdict(),
        "pending_events": frozenset(job.pending_events) or None,
        "waiting": job.waits_for,
        "listed": f"job#{day_of(job.created_at)}",
        "image_key": job.image.key or None,
        "next_step": next_step(job),
    }
    return item


def _stored_charge(job: Job) -> str:
    is_guarded = job.rehearsal and job.status not in _SUBMITTED_NO_MORE
    return f"{REHEARSAL_CHARGE}{job.charge}" if is_guarded else job.charge.value


def job_of(item: dict[str, Any]) -> Job:
    """Return the job of an item's values."""
    values = {name: value for name, value in item.items() if name in _FIELDS}
    values |= {name: datetime.fromisoformat(values[name]) for name in _TIMES if values.get(name)}
    fault, reason, video = (values.get(name) for name in ("last_fault", "reason", "video"))
    options = values.get("options")
    values |= {
        "status": JobStatus(item["status"]),
        "charge": Charge(item["charge"].removeprefix(REHEARSAL_CHARGE)),
        "image": Image.from_json(item["image"]),
        "options": Options(**options) if options else None,
        "warnings": tuple(item.get("warnings") or ()),
        "notices": {
            EventType(event): Reason.from_json(reason) for event, reason in (item.get("notices") or {}).items()
        },
        "last_fault": PollFaultNote(fault["message"], datetime.fromisoformat(fault["at"])) if fault else None,
        "reason": Reason.from_json(reason) if reason else None,
        "video": VideoObject(**video) if video else None,
        "pending_events": frozenset(EventType(event) for event in item.get("pending_events") or ()),
    }
    return Job(**values)
