"""Jobs to begin a test with."""

from datetime import UTC, datetime
from typing import Any

from dropreel.jobs import Job, JobStatus

NOON = datetime(2026, 5, 4, 12, 0, tzinfo=UTC)
OPTIONS: dict[str, Any] = {
    "prompt": "a slow push in",
    "mode": "fast",
    "negative_prompt": "",
    "aspect_ratio": "16:9",
    "duration": 5,
    "cfg_scale": 0.5,
    "sound": True,
}


def job_with(**changes: Any) -> Job:
    """A generating job of one image, with these fields changed."""
    fields: dict[str, Any] = {
        "job_id": "0123456789abcdef01234567",
        "status": JobStatus.GENERATING,
        "attempt": 1,
        "image": {"bucket": "uploads", "key": "holiday/beach.jpg", "version_id": "v1", "size": 1234},
        "created_at": NOON,
        "updated_at": NOON,
        "submitted_at": NOON,
        "options": OPTIONS,
        "cost_cents": 47,
        "generation_id": "gen_1",
    }
    return Job(**{**fields, **changes})
