"""Find the job that a message of the queue is about."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from dropreel.adapters.job_table import JobTable
from dropreel.domain.errors import RetryLater
from dropreel.domain.fingerprints import request_fingerprint
from dropreel.domain.job import Image, Job, job_id_of, receive
from dropreel.domain.messages import Drop, RetryMessage


@dataclass(frozen=True)
class FindJob:
    """An event's job is created when the event comes for the first time, so that it ends and is published, whatever follows."""

    jobs: JobTable
    now: Callable[[], datetime]

    def run(self, message: Drop | RetryMessage) -> Job:
        """Return the message's job as it stands now. Raises RetryLater where a message of ours finds none.

        A request whose id belongs to another request has a job of its own: nobody waits for a video that is not made.
        """
        if isinstance(message, RetryMessage):
            return self._existing(message.job_id)
        fingerprint = fingerprint_of(message)
        job = self._found_or_received(message, job_id_of(message.image, message.request_id))
        if job.request_fingerprint in (None, fingerprint):
            return job
        return self._found_or_received(message, job_id_of(message.image, message.request_id, fingerprint))

    def _found_or_received(self, drop: Drop, job_id: str) -> Job:
        job = self.jobs.get(job_id)
        if job is not None:
            return job
        received = receive(
            job_id,
            image_of(drop),
            self.now(),
            request_id=drop.request_id,
            request_fingerprint=fingerprint_of(drop),
            is_copy=drop.is_copy,
        )
        return self.jobs.save(None, received) or self._existing(job_id)

    def _existing(self, job_id: str) -> Job:
        job = self.jobs.get(job_id)
        if job is None:
            raise RetryLater(f"job {job_id} is not in the job table")
        return job


def image_of(drop: Drop) -> Image:
    """Return the image as its event describes it."""
    image = drop.image
    return Image(image.bucket, image.key, image.version_id, image.etag, drop.size)


def fingerprint_of(drop: Drop) -> str | None:
    """Return what tells a request from another one under the same request id; None for an upload."""
    return None if drop.request_id is None else request_fingerprint(drop.options, drop.faults)
