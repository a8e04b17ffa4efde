"""Jobs as JSON, with the field names of the stack's events."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dropreel.domain.events import data_of
from dropreel.domain.next_steps import next_step

if TYPE_CHECKING:
    from datetime import datetime

    from dropreel.domain.job import Job


def job_document(job: Job) -> dict[str, Any]:
    """Return a job as JSON: `data` of its events (docs/events.md), and what only the table has. `schemas/job.json` describes it."""
    data = data_of(job)
    return {
        **data,
        "rehearsal": job.rehearsal,
        "image": {"format": None, "width": None, "height": None, "prepared": None, **data["image"]},
        "created_at": _text(job.created_at),
        "updated_at": _text(job.updated_at),
        "submitted_at": _text(job.submitted_at),
        "polls": job.polls,
        "next_step": next_step(job),
    }


def _text(time: datetime | None) -> str | None:
    return None if time is None else time.isoformat()
