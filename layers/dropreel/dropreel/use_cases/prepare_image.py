"""Turn an image that the provider does not take, or may show wrongly, into a JPEG or PNG that it takes. Nothing is paid.

It can be repeated at any point: the prepared image's key is always the same, and each save is conditional. Where the
process dies:

| after | the job is | what happens then |
|---|---|---|
| the download, or the prepared image is written | `preparing` | the message comes again, and writes the same object |
| the job is saved as `deferred` | `deferred` | the message comes again, and sends the job's next message |
| the next message is sent | `deferred` | nothing is left to do; another message with the same number changes nothing |

A message that is lost for good is sent again by Sweep Jobs.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING

from dropreel.domain.errors import RetryLater
from dropreel.domain.image_facts import ImageFacts
from dropreel.domain.images import Image, Missing, Prepared, PrepareReason
from dropreel.domain.job import Job, JobStatus, finish_preparation, reject
from dropreel.domain.messages import RetryMessage, is_overtaken, is_previous, retry_message_of
from dropreel.domain.reasons import Reason
from dropreel.media.images.reader import inspect_image
from dropreel.provider.limits import CONTENT_TYPES
from dropreel.use_cases.publish_events import Publisher
from dropreel.use_cases.validate_image import MISSING_REASONS, with_facts

if TYPE_CHECKING:
    from pathlib import Path

    from dropreel.use_cases.ports import Jobs, Originals, PreparedImages, PreparedPicture, Queue

ENDINGS = {"JPEG": "jpg", "PNG": "png"}


@dataclass(frozen=True)
class PrepareImage:
    """One message of the prepare queue, one image. `prepare_picture` returns the prepared picture of a file, or why there is none."""

    jobs: "Jobs"
    originals: "Originals"
    prepare_picture: "Callable[[Path], PreparedPicture | Reason]"
    prepared: "PreparedImages"
    queue: "Queue"
    publisher: Publisher
    now: Callable[[], datetime]

    def run(self, message: RetryMessage) -> str:
        """Return the job's status, `overtaken` or `discarded`. Raises RetryLater where the message must come again."""
        job = self.jobs.get(message.job_id)
        if job is None:  # a copy's job, which is discarded while a duplicate of its message is still on its way
            return "discarded"
        if job.status is JobStatus.PREPARING and not is_overtaken(message, job):
            return self._prepare(job)
        if job.status is JobStatus.DEFERRED and job.image.prepared is not None and is_previous(message, job):
            return self._send(job)
        self.publisher.publish(job)
        return job.status.value if job.is_terminal else "overtaken"

    def _prepare(self, job: Job) -> str:
        with self.originals.download(job.image.ref, job.image.size) as original:
            if isinstance(original, Missing):
                return self._reject(job, MISSING_REASONS[original])
            if job.image.sha256 not in (None, original.sha256):  # other bytes under the same version and entity tag
                return self._reject(job, MISSING_REASONS[Missing.SUPERSEDED])
            job_with_digest = replace(job, image=job.image._replace(sha256=original.sha256))
            picture = self.prepare_picture(original.path)
        if isinstance(picture, Reason):
            return self._reject(job, picture, job_with_digest)
        facts = inspect_image(picture.content)
        if isinstance(facts, Reason):
            raise RetryLater(f"the prepared image is not one that is submitted: {facts.message}")
        image = self._store(job_with_digest, picture, facts)
        shown = replace(facts, animated=PrepareReason.ANIMATED in picture.reasons)
        prepared = with_facts(replace(job, image=image), shown)
        return self._send(self._save(job, finish_preparation(prepared, self.now())))

    def _store(self, job: Job, picture: "PreparedPicture", facts: ImageFacts) -> Image:
        """Write the prepared image under the job's id; return the job's image with it."""
        key = f"{job.job_id}.{ENDINGS[facts.format]}"
        self.prepared.put(key, picture.content, CONTENT_TYPES[facts.format])
        prepared = Prepared(
            bucket=self.prepared.bucket,
            key=key,
            reasons=picture.reasons,
            format=facts.format,
            size=facts.size,
            width=facts.width,
            height=facts.height,
            sha256=hashlib.sha256(picture.content).hexdigest(),
        )
        return job.image._replace(
            format=picture.original_format,
            width=picture.original_width,
            height=picture.original_height,
            prepared=prepared,
        )

    def _reject(self, job: Job, reason: Reason, after: Job | None = None) -> str:
        saved = self._save(job, reject(after or job, reason, self.now()))
        self.publisher.publish(saved)
        return saved.status.value

    def _save(self, before: Job, after: Job) -> Job:
        saved = self.jobs.save(before, after)
        if saved is None:
            raise RetryLater(f"job {before.job_id} was changed while its image was prepared")
        return saved

    def _send(self, job: Job) -> str:
        self.queue.send(retry_message_of(job))
        return job.status.value
