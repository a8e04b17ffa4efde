"""The events that Dropreel publishes: `source` is `dropreel`, `detail-type` one of `EventType`."""

import hashlib
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from dropreel.domain.job import Charge, EventType, Job, JobStatus
from dropreel.domain.next_steps import next_step
from dropreel.domain.prices import usd

SOURCE = "dropreel"
VERSION = "1"
DEFAULT_STACK = "dropreel"
"""The default name of the stack."""


def in_order(events: Iterable[EventType]) -> list[EventType]:
    """Return event types in the order in which they can be due."""
    return sorted(events, key=list(EventType).index)


def event_id(job: Job, event: EventType) -> str:
    """Return `metadata.id`: 32 hex digits, the same each time the same event is published.

    It depends on `resumes`, because a resumed job can fail again, which is another event.
    """
    parts = [job.job_id, str(job.attempt), event.value, *([str(job.resumes)] if job.resumes else [])]
    return hashlib.sha256("/".join(parts).encode()).hexdigest()[:32]


def mark_published(job: Job, event: EventType, published_id: str) -> Job:
    """Remove a published event from the pending ones. Another event of the same type that is due since then stays."""
    if event not in job.pending_events or event_id(job, event) != published_id:
        return job
    return replace(job, pending_events=job.pending_events - {event})


def detail_of(job: Job, event: EventType, stack: str = DEFAULT_STACK) -> dict[str, Any]:
    """Return the `detail` of a job's event, published by `stack`. It never contains a signed URL.

    A `Submitted`, `Held` or `Deferred` event that is published late shows the job as it was then, not as it is now.
    """
    if event is EventType.SUBMITTED:
        job = replace(job, status=JobStatus.GENERATING, charge=Charge.CHARGED, reason=None, video=None)
    if event in (EventType.HELD, EventType.DEFERRED):
        status = JobStatus.HELD if event is EventType.HELD else JobStatus.DEFERRED
        earlier = Charge.NONE if job.attempt == 1 else job.charge  # an earlier attempt may have been charged
        charge = job.charge if job.status is status else earlier
        reason = job.notices.get(event, job.reason)
        job = replace(job, status=status, generation_id=None, charge=charge, reason=reason, video=None)
    metadata = {"version": VERSION, "id": event_id(job, event), "stack": stack, "rehearsal": job.rehearsal}
    return {"metadata": metadata, "data": data_of(job)}


def data_of(job: Job) -> dict[str, Any]:
    """Return a job as the `data` of its events."""
    return {
        "job_id": job.job_id,
        "status": job.status.value,
        "request_id": job.request_id,
        "image": job.image.as_json(),
        "options": {} if job.options is None else job.options._asdict(),
        "option_sources": dict(job.option_sources),
        "generation_id": job.generation_id,
        "attempt": job.attempt,
        "cost_usd": float(usd(job.cost_cents)),
        "charge": job.charge.value,
        "warnings": list(job.warnings),
        "reason": None if job.reason is None else {**job.reason.as_json(), "next_step": next_step(job)},
        "video": None if job.video is None else job.video._asdict(),
    }
