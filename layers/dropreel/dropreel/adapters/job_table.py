"""The job table: one item a job, changed only by conditional writes, so that two workers never both believe they hold it."""

from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from boto3.dynamodb.types import TypeDeserializer, TypeSerializer

from dropreel.jobs import Job, JobStatus, Money, Reason, VideoObject

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

_serialize = TypeSerializer().serialize
_deserialize = TypeDeserializer().deserialize


@dataclass(frozen=True)
class JobTable:
    """Reads and writes jobs. Every method raises botocore's ClientError on a fault of DynamoDB."""

    client: "DynamoDBClient"
    table: str

    def get(self, job_id: str) -> Job | None:
        """Return the job as it stands now (a consistent read), or None."""
        answer = self.client.get_item(TableName=self.table, Key=_key(job_id), ConsistentRead=True)
        return _job(answer["Item"]) if "Item" in answer else None

    def claim(self, job: Job) -> Job | None:
        """Write the intent to submit: the job as `submitting`, unless it exists and is not `deferred`. None: somebody else has it."""
        return self._update(
            job.job_id,
            {**_attributes(job), "status": JobStatus.SUBMITTING},
            condition="attribute_not_exists(job_id) OR #status = :deferred",
            values={":deferred": JobStatus.DEFERRED},
        )

    def create_ended(self, job: Job, event: str) -> Job | None:
        """Write a job that ended before anything was spent, with its event still to be sent. None: the job exists."""
        return self._update(job.job_id, _attributes(job), condition="attribute_not_exists(job_id)", event=event)

    def defer(self, job: Job, reason: Reason, at: datetime) -> Job | None:
        """Give the claim back: the provider surely did not take the submission. None: the job is no longer ours."""
        changes = {"status": JobStatus.DEFERRED, "reason": _reason(reason), "updated_at": at}
        return self._update(job.job_id, changes, _OURS, _ours(job, JobStatus.SUBMITTING))

    def record_accepted(
        self, job: Job, generation_id: str, provider_status: str, at: datetime, event: str
    ) -> Job | None:
        """Write down what was paid for, with its event still to be sent. None: the job is no longer ours."""
        changes = {
            "status": JobStatus.GENERATING,
            "generation_id": generation_id,
            "provider_status": provider_status,
            "submitted_at": at,
            "updated_at": at,
            "money": Money.SPENT,
            "reason": None,
        }
        return self._update(job.job_id, changes, _OURS, _ours(job, JobStatus.SUBMITTING), event)

    def record_poll(self, job: Job, provider_status: str, at: datetime) -> Job | None:
        """Count one poll and keep what the provider said. None: the job is no longer generating."""
        changes = {"provider_status": provider_status, "updated_at": at}
        return self._update(job.job_id, changes, _OURS, _ours(job, JobStatus.GENERATING), add={"polls": 1})

    def finish(
        self,
        job: Job,
        status: JobStatus,
        at: datetime,
        event: str,
        reason: Reason | None = None,
        money: Money | None = None,
        video: VideoObject | None = None,
    ) -> Job | None:
        """End a job, with its event still to be sent. None: it has changed since it was read."""
        changes: dict[str, Any] = {"status": status, "reason": _reason(reason), "updated_at": at}
        if money is not None:
            changes["money"] = money
        if video is not None:
            changes["video"] = asdict(video)
        return self._update(job.job_id, changes, _OURS, _ours(job, job.status), event)

    def event_sent(self, job_id: str, event: str) -> None:
        """Cross out an event that has reached the bus."""
        self.client.update_item(
            TableName=self.table,
            Key=_key(job_id),
            UpdateExpression="DELETE pending_events :event",
            ConditionExpression="attribute_exists(job_id)",
            ExpressionAttributeValues={":event": _serialize({event})},
        )

    def _update(
        self,
        job_id: str,
        changes: dict[str, Any],
        condition: str,
        values: dict[str, Any] | None = None,
        event: str | None = None,
        add: dict[str, int] | None = None,
    ) -> Job | None:
        names = {"#status": "status"}
        bound = {name: _serialize(_plain(value)) for name, value in (values or {}).items()}
        sets, adds = [], []
        for name, value in changes.items():
            names[f"#{name}"] = name
            bound[f":{name}_new"] = _serialize(_plain(value))
            sets.append(f"#{name} = :{name}_new")
        for name, number in (add or {}).items():
            names[f"#{name}"] = name
            bound[f":{name}_add"] = _serialize(number)
            adds.append(f"#{name} :{name}_add")
        if event is not None:
            bound[":event"] = _serialize({event})
            adds.append("pending_events :event")
        expression = "SET " + ", ".join(sets) + (" ADD " + ", ".join(adds) if adds else "")
        try:
            answer = self.client.update_item(
                TableName=self.table,
                Key=_key(job_id),
                UpdateExpression=expression,
                ConditionExpression=condition,
                ExpressionAttributeNames=names,
                ExpressionAttributeValues=bound,
                ReturnValues="ALL_NEW",
            )
        except self.client.exceptions.ConditionalCheckFailedException:
            return None
        return _job(answer["Attributes"])


_OURS = "#status = :status_was AND attempt = :attempt_was"


def _ours(job: Job, status: JobStatus) -> dict[str, Any]:
    return {":status_was": status, ":attempt_was": job.attempt}


def _key(job_id: str) -> dict[str, Any]:
    return {"job_id": {"S": job_id}}


def _attributes(job: Job) -> dict[str, Any]:
    return {
        "status": job.status,
        "attempt": job.attempt,
        "image": job.image,
        "options": job.options,
        "option_sources": job.option_sources,
        "warnings": list(job.warnings),
        "cost_cents": job.cost_cents,
        "money": job.money,
        "created_at": job.created_at,
        "updated_at": job.updated_at,
        "lease_until": job.lease_until,
        "reason": _reason(job.reason),
    }


def _reason(reason: Reason | None) -> dict[str, Any] | None:
    return None if reason is None else reason.as_json()


def _plain(value: Any) -> Any:
    """Turn a value into what DynamoDB stores: numbers are Decimal, times are ISO 8601 text in UTC."""
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat()
    if isinstance(value, float):
        return Decimal(str(value))
    if isinstance(value, dict):
        return {name: _plain(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_plain(inner) for inner in value]
    return value.value if isinstance(value, (JobStatus, Money)) else value


def _json(value: Any) -> Any:
    """Turn what DynamoDB stored back into JSON values: a whole Decimal is an int, any other a float."""
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    if isinstance(value, dict):
        return {name: _json(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_json(inner) for inner in value]
    return value


def _stored_reason(stored: dict[str, Any] | None) -> Reason | None:
    return Reason(stored["code"], stored["message"], tuple(stored["messages"])) if stored else None


def _job(stored: Any) -> Job:
    item = {name: _json(_deserialize(value)) for name, value in stored.items()}

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
        options=item.get("options") or {},
        option_sources=item.get("option_sources") or {},
        warnings=tuple(item.get("warnings") or ()),
        cost_cents=item.get("cost_cents", 0),
        money=Money(item.get("money", Money.NONE)),
        lease_until=time("lease_until"),
        submitted_at=time("submitted_at"),
        generation_id=item.get("generation_id"),
        provider_status=item.get("provider_status"),
        polls=item.get("polls", 0),
        reason=_stored_reason(item.get("reason")),
        video=VideoObject(**item["video"]) if item.get("video") else None,
        pending_events=frozenset(item.get("pending_events") or ()),
    )
