"""The job table: one item a job, changed only by conditional writes, so that two workers never both believe they hold it."""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from dropreel.adapters.attribute_values import attribute_value, value_of
from dropreel.jobs import A_PERSON, TELLING, TERMINAL, Job, JobStatus, Money, PollFaultNote, Reason, VideoObject

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

WAITING_INDEX = "waiting"
"""Job ids by what they wait for, oldest first: only jobs that somebody has still to work on are in it."""


@dataclass(frozen=True)
class JobTable:
    """Reads and writes jobs. Every method raises botocore's ClientError on a fault of DynamoDB."""

    client: "DynamoDBClient"
    table: str

    def get(self, job_id: str) -> Job | None:
        """Return the job as it stands now (a consistent read), or None."""
        answer = self.client.get_item(TableName=self.table, Key=_key(job_id), ConsistentRead=True)
        return _job(answer["Item"]) if "Item" in answer else None

    def create(self, job: Job, event: str) -> Job | None:
        """Write a job that is not submitted now (`rejected` or `held`), with its event still to be sent. None: the job exists."""
        return self._update(
            job.job_id,
            attributes_of(job),
            condition="attribute_not_exists(job_id) OR (#status = :deferred AND #options = :none)",
            values={":deferred": JobStatus.DEFERRED, ":none": {}},
            event=event,
        )

    def hold(self, job: Job, reason: Reason, at: datetime, event: str) -> Job | None:
        """Hold a deferred job until there is money, and tell of it once an attempt. None: it is not deferred any more."""
        changes = {
            "status": JobStatus.HELD,
            "updated_at": at,
            "reason": reason_json(reason),
            "held_in_attempt": job.attempt,
            "sent_at": None,
            "sends": 0,
        }
        untold = event if job.held_in_attempt != job.attempt else None
        return self._update(job.job_id, changes, OURS, ours(job, JobStatus.DEFERRED), untold)

    def defer_next_attempt(self, job: Job, reason: Reason, money: Money, at: datetime) -> Job | None:
        """Make a job ready for its next attempt. None: it is not as it was read any more, or owes an event of this one."""
        changes = {
            "status": JobStatus.DEFERRED,
            "attempt": job.attempt + 1,
            "defers": 0,
            "retry_at": None,
            "sent_at": None,
            "sends": 0,
            "reason": reason_json(reason),
            "money": money,
            "generation_id": None,
            "submitted_at": None,
            "watched_since": None,
            "resumes": 0,
            "updated_at": at,
        }
        return self._update(job.job_id, changes, OURS_AND_TOLD, ours(job, job.status))

    def note_sent(self, job: Job, at: datetime) -> Job | None:
        """Write that a waiting job's message is about to be sent once more. None: it has changed since it was read."""
        changes = {"sent_at": at, "sends": job.sends + 1}
        return self._update(job.job_id, changes, OURS, ours(job, job.status))

    def note_taken(self, job: Job) -> None:
        """Write that the message that was sent of a waiting job has come, and that the job waits on."""
        self._update(job.job_id, {"sent_at": None, "sends": 0}, OURS, ours(job, job.status))

    def note_dead_letter(self, job: Job, at: datetime) -> Job | None:
        """Say on a job that its message is in the dead-letter queue, creating the job if need be. None: it is under way."""
        return self._update(
            job.job_id,
            {**attributes_of(job), "status": JobStatus.DEFERRED, "waiting": A_PERSON, "updated_at": at},
            condition="attribute_not_exists(job_id) OR #status = :deferred",
            values={":deferred": JobStatus.DEFERRED},
        )

    def record_accepted(
        self, job: Job, generation_id: str, provider_status: str, at: datetime, event: str
    ) -> Job | None:
        """Write down what was paid for, with its event still to be sent. None: the job is no longer ours."""
        changes = {
            "status": JobStatus.GENERATING,
            "generation_id": generation_id,
            "provider_status": provider_status,
            "submitted_at": at,
            "watched_since": at,
            "updated_at": at,
            "money": Money.SPENT,
            "reason": None,
        }
        return self._update(job.job_id, changes, OURS, ours(job, JobStatus.SUBMITTING), event)

    def record_poll(self, job: Job, provider_status: str, at: datetime) -> Job | None:
        """Count one poll and keep what the provider said. None: the job is no longer generating."""
        changes = {"provider_status": provider_status, "updated_at": at, "not_found_polls": 0}
        return self._update(job.job_id, changes, OURS, ours(job, JobStatus.GENERATING), add={"polls": 1})

    def record_poll_fault(self, job: Job, message: str, at: datetime, *, not_found: bool) -> Job | None:
        """Count one poll that told nothing and keep what happened. None: the job is no longer generating."""
        changes = {
            "updated_at": at,
            "not_found_polls": job.not_found_polls + 1 if not_found else 0,
            "last_fault": {"message": message, "at": at},
        }
        counts = {"polls": 1, "poll_faults": 1}
        return self._update(job.job_id, changes, OURS, ours(job, JobStatus.GENERATING), add=counts)

    def resume(self, job: Job, at: datetime) -> Job | None:
        """Let a failed job's paid generation be watched again. None: it has changed since it was read, or owes an event."""
        changes = {
            "status": JobStatus.GENERATING,
            "watched_since": at,
            "resumes": job.resumes + 1,
            "not_found_polls": 0,
            "updated_at": at,
            "reason": None,
        }
        return self._update(job.job_id, changes, OURS_AND_TOLD, ours(job, JobStatus.FAILED))

    def adopt(self, job: Job, generation_id: str, provider_status: str, at: datetime, event: str) -> Job | None:
        """Give an unknown job the generation that was paid for. None: it has changed since it was read, or owes an event."""
        changes = {
            "status": JobStatus.GENERATING,
            "generation_id": generation_id,
            "provider_status": provider_status,
            "submitted_at": job.updated_at,
            "watched_since": at,
            "updated_at": at,
            "money": Money.SPENT,
            "reason": None,
        }
        return self._update(job.job_id, changes, OURS_AND_TOLD, ours(job, JobStatus.UNKNOWN), event)

    def finish(
        self,
        job: Job,
        status: JobStatus,
        at: datetime,
        event: str,
        reason: Reason | None = None,
        money: Money | None = None,
        video: VideoObject | None = None,
        warnings: tuple[str, ...] | None = None,
    ) -> Job | None:
        """End a job, with its event still to be sent. None: it has changed since it was read."""
        changes: dict[str, Any] = {"status": status, "reason": reason_json(reason), "updated_at": at}
        if money is not None:
            changes["money"] = money
        if video is not None:
            changes["video"] = asdict(video)
        if warnings is not None:
            changes["warnings"] = list(warnings)
        return self._update(job.job_id, changes, OURS, ours(job, job.status), event)

    def event_sent(self, job: Job, event: str) -> None:
        """Cross out an event that has reached the bus; a job that has ended and told all waits for nothing any more.

        A job that has gone on since (another attempt, a resume) may owe another event of the same type: that one stays.
        """
        try:
            answer = self.client.update_item(
                TableName=self.table,
                Key=_key(job.job_id),
                UpdateExpression="DELETE pending_events :event",
                ConditionExpression="attempt = :attempt AND resumes = :resumes",
                ExpressionAttributeValues={
                    ":event": attribute_value({event}),
                    ":attempt": attribute_value(job.attempt),
                    ":resumes": attribute_value(job.resumes),
                },
                ReturnValues="ALL_NEW",
            )
        except self.client.exceptions.ConditionalCheckFailedException:
            return
        now = _job(answer["Attributes"])
        if now.is_terminal and not now.pending_events:
            self.told(job.job_id)

    def told(self, job_id: str) -> None:
        """Take a job that owes no event any more out of what waits."""
        with suppress(self.client.exceptions.ConditionalCheckFailedException):
            self.client.update_item(
                TableName=self.table,
                Key=_key(job_id),
                UpdateExpression="REMOVE waiting",
                ConditionExpression="waiting = :telling AND attribute_not_exists(pending_events)",
                ExpressionAttributeValues={":telling": attribute_value(TELLING)},
            )

    def waiting(self, what: str, created_until: datetime) -> Iterator[str]:
        """Yield the ids of the jobs that wait in a status (or for telling) and were created until a time, oldest first.

        The index lags behind: read each job again before acting on it.
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

    def _update(
        self,
        job_id: str,
        changes: dict[str, Any],
        condition: str,
        values: dict[str, Any] | None = None,
        event: str | None = None,
        add: dict[str, int] | None = None,
    ) -> Job | None:
        update = job_update(self.table, job_id, changes, condition, values, event, add)
        try:
            answer = self.client.update_item(**update, ReturnValues="ALL_NEW")
        except self.client.exceptions.ConditionalCheckFailedException:
            return None
        return _job(answer["Attributes"])


def job_update(
    table: str,
    job_id: str,
    changes: dict[str, Any],
    condition: str,
    values: dict[str, Any] | None = None,
    event: str | None = None,
    add: dict[str, int] | None = None,
) -> Any:
    """Return the arguments of one conditional update of a job, for `update_item` or as part of a transaction.

    A job that changes its status changes what it waits for with it: the status, or `TELLING` at its end, or what `changes` says.
    """
    if "status" in changes:
        status = JobStatus(changes["status"])
        changes = {"waiting": TELLING if status in TERMINAL else status.value, **changes}
    names = {"#status": "status"} if "#status" in condition else {}
    bound = {name: attribute_value(value) for name, value in (values or {}).items()}
    sets, adds = [], []
    for name, value in changes.items():
        names[f"#{name}"] = name
        bound[f":{name}_new"] = attribute_value(value)
        sets.append(f"#{name} = :{name}_new")
    for name, number in (add or {}).items():
        names[f"#{name}"] = name
        bound[f":{name}_add"] = attribute_value(number)
        adds.append(f"#{name} :{name}_add")
    if event is not None:
        bound[":event"] = attribute_value({event})
        adds.append("pending_events :event")
    return {
        "TableName": table,
        "Key": _key(job_id),
        "UpdateExpression": "SET " + ", ".join(sets) + (" ADD " + ", ".join(adds) if adds else ""),
        "ConditionExpression": condition,
        "ExpressionAttributeValues": bound,
        **({"ExpressionAttributeNames": names} if names else {}),
    }


# "As it was read": the status, the attempt, the claim (told by its lease) and the resume that whoever changes the job has seen.
OURS = "#status = :status_was AND attempt = :attempt_was AND lease_until = :lease_was AND resumes = :resumes_was"
OURS_AND_TOLD = OURS + " AND attribute_not_exists(pending_events)"


def ours(job: Job, status: JobStatus) -> dict[str, Any]:
    """Return the values that `OURS` compares with."""
    return {
        ":status_was": status,
        ":attempt_was": job.attempt,
        ":lease_was": job.lease_until,
        ":resumes_was": job.resumes,
    }


def _key(job_id: str) -> dict[str, Any]:
    return {"job_id": {"S": job_id}}


def attributes_of(job: Job) -> dict[str, Any]:
    """Return all that a job is before anything was paid for it."""
    return {
        "status": job.status,
        "attempt": job.attempt,
        "image": job.image,
        "request_id": job.request_id,
        "request_fingerprint": job.request_fingerprint,
        "is_copy": job.is_copy,
        "options": job.options,
        "option_sources": job.option_sources,
        "warnings": list(job.warnings),
        "cost_cents": job.cost_cents,
        "money": job.money,
        "created_at": job.created_at,
        "updated_at": job.updated_at,
        "lease_until": job.lease_until,
        "defers": job.defers,
        "retry_at": job.retry_at,
        "held_in_attempt": job.held_in_attempt,
        "resumes": job.resumes,
        "sent_at": job.sent_at,
        "sends": job.sends,
        "reserved_day": job.reserved_day,
        "reason": reason_json(job.reason),
    }


def reason_json(reason: Reason | None) -> dict[str, Any] | None:
    """Return a reason as it is stored."""
    return None if reason is None else reason.as_json()


def _stored_reason(stored: dict[str, Any] | None) -> Reason | None:
    if not stored:
        return None
    return Reason(stored["code"], stored["message"], tuple(stored["messages"]), stored.get("provider_error"))


def _stored_fault(stored: dict[str, Any] | None) -> PollFaultNote | None:
    return PollFaultNote(stored["message"], datetime.fromisoformat(stored["at"])) if stored else None


def _job(stored: Any) -> Job:
    item = value_of({"M": stored})

    def time(name: str) -> datetime | None:
        return datetime.fromisoformat(item[name]) if item.get(name) else None

    created_at, updated_at = time("created_at"), time("updated_at")
    if created_at is None or updated_at is None:
        raise ValueError(f"job {item.get('job_id')} has no created_at or updated_at")
    return Job(
        job_id=item["job_id"],
        status=JobStatus(item["status"]),
        attempt=item["attempt"],
        image=item["image"],
        created_at=created_at,
        updated_at=updated_at,
        request_id=item.get("request_id"),
        request_fingerprint=item.get("request_fingerprint"),
        is_copy=item.get("is_copy", False),
        options=item.get("options") or {},
        option_sources=item.get("option_sources") or {},
        warnings=tuple(item.get("warnings") or ()),
        cost_cents=item.get("cost_cents", 0),
        money=Money(item.get("money", Money.NONE)),
        lease_until=time("lease_until"),
        submitted_at=time("submitted_at"),
        generation_id=item.get("generation_id"),
        provider_status=item.get("provider_status"),
        watched_since=time("watched_since"),
        resumes=item.get("resumes", 0),
        polls=item.get("polls", 0),
        poll_faults=item.get("poll_faults", 0),
        not_found_polls=item.get("not_found_polls", 0),
        last_fault=_stored_fault(item.get("last_fault")),
        defers=item.get("defers", 0),
        retry_at=time("retry_at"),
        held_in_attempt=item.get("held_in_attempt", 0),
        sent_at=time("sent_at"),
        sends=item.get("sends", 0),
        reserved_day=item.get("reserved_day"),
        reason=_stored_reason(item.get("reason")),
        video=VideoObject(**item["video"]) if item.get("video") else None,
        pending_events=frozenset(item.get("pending_events") or ()),
    )
