"""Find or create the job of a message."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from dropreel.domain.current_job import work_on
from dropreel.domain.errors import RetryLater
from dropreel.domain.fingerprints import request_fingerprint
from dropreel.domain.images import Image
from dropreel.domain.job import Job, job_id_of, receive
from dropreel.domain.messages import Drop, RetryMessage

if TYPE_CHECKING:
    from dropreel.use_cases.ports import Jobs


@dataclass(frozen=True)
class FindJob:
    """Creates a job when its first event comes, so that it has an outcome and events even if it is rejected at once."""

    jobs: "Jobs"
    now: Callable[[], datetime]
    is_rehearsal: bool = False
    """Whether the jobs that it creates are rehearsals."""

    def run(self, message: Drop | RetryMessage) -> Job | None:
        """Return the message's job as it is now. None for a RetryMessage whose job was discarded, as that of a copy.

        A request that repeats another request's id with other contents gets a job of its own, so that it can be rejected.
        """
        work_on(first_job_id(message))
        job = self._find(message)
        if job is not None:
            work_on(job.job_id, job.generation_id)
        return job

    def _find(self, message: Drop | RetryMessage) -> Job | None:
        if isinstance(message, RetryMessage):
            return self.jobs.get(message.job_id)
        fingerprint = fingerprint_of(message)
        job = self._get_or_receive(message, job_id_of(message.image, message.request_id))
        if job.request_fingerprint in (None, fingerprint):
            return job
        return self._get_or_receive(message, job_id_of(message.image, message.request_id, fingerprint))

    def _get_or_receive(self, drop: Drop, job_id: str) -> Job:
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
            rehearsal=self.is_rehearsal,
        )
        return self.jobs.save(None, received) or self._get(job_id)

    def _get(self, job_id: str) -> Job:
        job = self.jobs.get(job_id)
        if job is None:
            raise RetryLater(f"job {job_id} is not in the job table")
        return job


def existing_job(message: Drop | RetryMessage, get: Callable[[str], Job | None]) -> tuple[str, Job | None]:
    """Return the id of a message's job, and the job where it exists. Creates nothing. `get` reads a job, as `Jobs.get` does."""
    job_id = first_job_id(message)
    job = get(job_id)
    if isinstance(message, RetryMessage) or job is None:
        return job_id, job
    fingerprint = fingerprint_of(message)
    if job.request_fingerprint in (None, fingerprint):
        return job_id, job
    job_id = job_id_of(message.image, message.request_id, fingerprint)
    return job_id, get(job_id)


def first_job_id(message: Drop | RetryMessage) -> str:
    """Return the id of a message's job, unless it is a request whose id another request has used."""
    if isinstance(message, RetryMessage):
        return message.job_id
    return job_id_of(message.image, message.request_id)


def image_of(drop: Drop) -> Image:
    """Return the image as its event describes it."""
    image = drop.image
    return Image(image.bucket, image.key, image.version_id, image.etag, drop.size)


def fingerprint_of(drop: Drop) -> str | None:
    """Return what distinguishes requests under the same request id; None for an upload."""
    return None if drop.request_id is None else request_fingerprint(drop.options, drop.faults)
