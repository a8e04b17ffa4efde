"""An ImageValidator on a fake bucket."""

import json
from dataclasses import dataclass, field, replace
from typing import Any

from dropreel.domain.images import Image, ImageRef
from dropreel.domain.job import Job, job_id_of, receive, reject
from dropreel.domain.messages import Drop
from dropreel.domain.prices import DOCUMENTED
from dropreel.use_cases.validate_image import ImageValidator, ValidatedImage
from tests.support.fakes import Clock, FakeImageBucket, FakeStoredImage
from tests.support.pictures import jpeg

STACK = {
    "prompt": "from the stack",
    "mode": "fast",
    "negative_prompt": "",
    "aspect_ratio": "auto",
    "duration": "5",
    "cfg_scale": "0.5",
    "sound": "true",
}
KEY = "trips/holiday/beach.jpg"
SIDECAR = "trips/holiday/beach.jpg.json"
NEAR = "trips/holiday/dropreel.json"
MIDDLE = "trips/dropreel.json"
ROOT = "dropreel.json"
DROP = Drop(ImageRef("uploads", KEY, "v1", "e1", "s1"), size=len(jpeg()))
REQUEST = replace(DROP, request_id="r1")
MAX_EVENT_BYTES = 256_000
"""AWS's limit on one event is 256 KB, and on one item of the job table 400 KB."""


@dataclass
class Harness:
    """A validator, and the bucket that it reads."""

    journal: list[str] = field(default_factory=list)
    clock: Clock = field(default_factory=Clock)
    parameters: dict[str, str] = field(default_factory=lambda: dict(STACK))

    def __post_init__(self) -> None:
        self.image = FakeStoredImage(self.journal, content=jpeg(), key=KEY)
        self.images = FakeImageBucket(self.journal, stored=self.image)

    def put_file(self, key: str, options: Any) -> None:
        """Put a file with these options into the bucket."""
        self.images.files[key] = json.dumps(options).encode()

    def received(self, drop: Drop) -> Job:
        """Return the drop's job before its validation."""
        ref = drop.image
        image = Image(ref.bucket, ref.key, ref.version_id, ref.etag, drop.size)
        return receive(job_id_of(ref, drop.request_id), image, self.clock(), request_id=drop.request_id)

    def validate(self, drop: Drop = DROP) -> ValidatedImage:
        validator = ImageValidator(self.images, frozenset({"uploads", "pictures"}), self.parameters, prices=DOCUMENTED)
        return validator.validate(drop, self.received(drop))

    def accepted(self, drop: Drop = DROP) -> Job:
        validated = self.validate(drop)
        assert validated.reason is None
        return validated.job

    def rejected(self, drop: Drop = DROP) -> Job:
        """Return the job rejected for the reason that validation found."""
        validated = self.validate(drop)
        assert validated.reason is not None
        return reject(validated.job, validated.reason, self.clock())

    def refused(self, drop: Drop = DROP) -> tuple[str, tuple[str, ...]]:
        """Return the code and the messages of a rejection."""
        reason = self.validate(drop).reason
        assert reason is not None
        return reason.code, tuple(reason.as_json()["messages"])
