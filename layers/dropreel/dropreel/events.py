"""The events that Dropreel publishes on the bus: `source` is `dropreel`, `detail-type` one of `EventType`."""

import hashlib
from collections.abc import Iterable
from dataclasses import asdict, replace
from enum import StrEnum
from typing import Any

from dropreel.jobs import Job, JobStatus, Money, Reason
from dropreel.next_steps import next_step
from dropreel.prices import usd

SOURCE = "dropreel"
VERSION = "1"
DEFAULT_STACK = "dropreel"
"""The stack's name where nobody chose another."""


class EventType(StrEnum):
    """The `detail-type` of each event, in the past tense."""

    HELD = "Video Generation Held"
    DEFERRED = "Video Generation Deferred"
    SUBMITTED = "Video Generation Submitted"
    COMPLETED = "Video Generation Completed"
    FAILED = "Video Generation Failed"
    REJECTED = "Video Generation Rejected"
    UNKNOWN = "Video Generation Unknown"


def in_order(event_types: Iterable[str]) -> list[str]:
    """Return event types in the order in which a job can come to them."""
    order = list(EventType)
    return sorted(event_types, key=lambda name: order.index(EventType(name)))


def event_id(job: Job, event_type: str) -> str:
    """Return `metadata.id`: 32 hex digits, the same each time the same event is sent again.

    A job that was resumed may fail once more, which is another event.
    """
    parts = [job.job_id, str(job.attempt), event_type, *([str(job.resumes)] if job.resumes else [])]
    return hashlib.sha256("/".join(parts).encode()).hexdigest()[:32]


def detail_of(job: Job, event_type: str, stack: str = DEFAULT_STACK) -> dict[str, Any]:
    """Return the event's `detail` for a job as it stands, published by `stack`. It never holds an address with a signature.

    A `Submitted`, `Held` or `Deferred` event that is sent late still tells of its own moment, not of what came after it.
    """
    earlier = Money.NONE if job.attempt == 1 else job.money  # an earlier attempt may have been paid
    if event_type == EventType.SUBMITTED:
        job = replace(job, status=JobStatus.GENERATING, money=Money.SPENT, reason=None, video=None)
    if event_type == EventType.HELD and job.status is not JobStatus.HELD:
        held = Reason("daily_limit", "The daily limit would have been passed; the image waited until there was money.")
        job = replace(job, status=JobStatus.HELD, generation_id=None, money=earlier, reason=held, video=None)
    if event_type == EventType.DEFERRED:
        money = job.money if job.status is JobStatus.DEFERRED else earlier
        reason = job.deferred_reason or job.reason
        job = replace(job, status=JobStatus.DEFERRED, generation_id=None, money=money, reason=reason, video=None)
    data: dict[str, Any] = {
        "job_id": job.job_id,
        "status": job.status.value,
        "request_id": job.request_id,
        "image": job.image,
        "options": job.options,
        "option_sources": job.option_sources,
        "generation_id": job.generation_id,
        "attempt": job.attempt,
        "cost_usd": float(usd(job.cost_cents)),
        "money": job.money.value,
        "warnings": list(job.warnings),
        "reason": None if job.reason is None else {**job.reason.as_json(), "next_step": next_step(job)},
        "video": None if job.video is None else asdict(job.video),
    }
    return {"metadata": {"version": VERSION, "id": event_id(job, event_type), "stack": stack}, "data": data}
