"""Jobs to begin a test with."""

import hashlib
from datetime import UTC, datetime
from typing import Any

from dropreel.domain.images import Image, Prepared, PrepareReason
from dropreel.domain.job import Job, JobStatus, VideoObject
from dropreel.domain.options import Options
from dropreel.domain.prices import PRICE_CENTS
from tests.support.pictures import jpeg

NOON = datetime(2026, 5, 4, 12, 0, tzinfo=UTC)
_OPTIONS: dict[str, Any] = {
    "prompt": "a slow push in",
    "mode": "fast",
    "negative_prompt": "",
    "aspect_ratio": "16:9",
    "duration": 5,
    "cfg_scale": 0.5,
    "sound": True,
}
OPTIONS = Options(**_OPTIONS)
PRICE = PRICE_CENTS["fast", 5]
"""US cents: what the video of `OPTIONS` costs, which is the default video of every stack in these tests."""
IMAGE = Image(
    bucket="uploads",
    key="holiday/beach.jpg",
    version_id="v1",
    etag='"e1"',
    size=1234,
    sha256=hashlib.sha256(jpeg()).hexdigest(),
    format="JPEG",
    width=1600,
    height=900,
)
PREPARED = Prepared(
    bucket="prepared",
    key="0123456789abcdef01234567.jpg",
    reasons=(PrepareReason.FORMAT, PrepareReason.COLOR_PROFILE),
    format="JPEG",
    size=1000,
    width=1600,
    height=900,
    sha256="cd" * 32,
)
VIDEO = VideoObject("videos", "holiday/beach-gen_1.mp4", 99, "ab" * 32, "holiday/beach-gen_1.json", 5.04, 640, 360)


def job_with(**changes: Any) -> Job:
    """Return a generating job of one image, with these fields changed."""
    fields: dict[str, Any] = {
        "job_id": "0123456789abcdef01234567",
        "status": JobStatus.GENERATING,
        "attempt": 1,
        "image": IMAGE,
        "created_at": NOON,
        "updated_at": NOON,
        "submitted_at": NOON,
        "waiting_since": NOON,
        "options": OPTIONS,
        "option_sources": dict.fromkeys(_OPTIONS, "stack parameters"),
        "cost_cents": PRICE,
        "generation_id": "gen_1",
    }
    return Job(**{**fields, **changes})
