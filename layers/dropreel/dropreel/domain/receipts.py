"""The receipt beside every video: the options, the price, the timings and the delivered file."""

from datetime import datetime
from typing import Any

from dropreel.domain.job import Job, VideoObject
from dropreel.domain.prices import usd

VERSION = "1"


def receipt_key(video_key: str) -> str:
    """Return the receipt's key: the video's, with `.json` in place of `.mp4`."""
    return video_key.removesuffix(".mp4") + ".json"


def receipt_of(job: Job, video: VideoObject, delivered_at: datetime) -> dict[str, Any]:
    """Return the receipt of a delivered video. Its schema is events/schemas/receipt.schema.json."""
    submitted_at = job.submitted_at or job.created_at
    return {
        "version": VERSION,
        "rehearsal": job.rehearsal,
        "job_id": job.job_id,
        "attempt": job.attempt,
        "request_id": job.request_id,
        "generation_id": job.generation_id,
        "image": job.image.as_json(),
        "options": {
            name: {"value": value, "from": job.option_sources.get(name)}
            for name, value in ({} if job.options is None else job.options._asdict()).items()
        },
        "warnings": list(job.warnings),
        "cost_usd": float(usd(job.cost_cents)),
        "prices": {"version": job.prices_version},
        "polls": job.polls,
        "timings": {
            "created_at": job.created_at.isoformat(),
            "submitted_at": submitted_at.isoformat(),
            "delivered_at": delivered_at.isoformat(),
            "generation_seconds": round((delivered_at - submitted_at).total_seconds(), 3),
        },
        "video": {name: value for name, value in video._asdict().items() if name != "receipt_key"},
    }
