"""From an uploaded image to an accepted, recorded and watched generation, paying at most once."""

import logging
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from dropreel.adapters.image_bucket import ImageBucket, Missing, StoredImage
from dropreel.adapters.job_table import JobTable
from dropreel.adapters.provider_api import ProviderApi
from dropreel.adapters.state_machine import StateMachine
from dropreel.answers import Accepted, Ambiguous, Busy, KeyRefused, NotSent, Refused, SubmitAnswer
from dropreel.errors import TryAgain
from dropreel.events import EventType
from dropreel.images import ImageFacts, inspect_image
from dropreel.jobs import ImageRef, Job, JobStatus, Money, Reason, is_image_key, job_id_of
from dropreel.messages import Upload
from dropreel.options import OPTION_NAMES, Fault, Options, Place, Resolved, ratio_for, resolve, warnings_for
from dropreel.prices import price_cents
from dropreel.use_cases.announce import Announcer

LEASE = timedelta(seconds=120)
"""How long a claim lasts: longer than the function can run, shorter than the queue hides its message."""

logger = logging.getLogger("dropreel")


@dataclass(frozen=True)
class SubmitGeneration:
    """The step before the money: everything that can be wrong is found before the POST, and the intent is written before it."""

    jobs: JobTable
    images: ImageBucket
    provider: ProviderApi
    state_machine: StateMachine
    announcer: Announcer
    default_options: dict[str, str]
    now: Callable[[], datetime]

    def run(self, upload: Upload) -> str:
        """Bring one upload as far as it goes now and return the job's status, `ignored` or `superseded`.

        Raises TryAgain where the same message must come again.
        """
        if not is_image_key(upload.image.key, upload.size):
            return "ignored"
        job = self.jobs.get(job_id_of(upload.image))
        if job is not None and job.status is not JobStatus.DEFERRED:
            return self._go_on(job)
        return self._start(upload.image, job)

    def _start(self, image: ImageRef, deferred: Job | None) -> str:
        stored = self.images.find(image)
        if stored is Missing.SUPERSEDED and deferred is None:
            return "superseded"  # the newer upload has an event of its own
        if isinstance(stored, Missing):
            return self._rejected(self._missing(image, stored), deferred)
        job = self._judge(image, stored)
        if job.status is JobStatus.REJECTED:
            return self._rejected(job, deferred)
        submission = self.provider.prepare(_body(job, stored.presigned_url()))
        claimed = self.jobs.claim(job)
        if claimed is None:
            raise TryAgain(f"job {job.job_id} has just been claimed by another delivery")
        return self._settle(claimed, submission.send())

    def _rejected(self, job: Job, deferred: Job | None) -> str:
        if deferred is None:
            return self._told(self.jobs.create_ended(job, EventType.REJECTED), job.job_id)
        ended = self.jobs.finish(deferred, JobStatus.REJECTED, job.updated_at, EventType.REJECTED, job.reason)
        return self._told(ended, job.job_id)

    def _missing(self, image: ImageRef, why: Missing) -> Job:
        gone = Reason("image_missing", "The image was deleted before it could be submitted.")
        replaced = Reason("image_superseded", "A newer upload took the image's place before it could be submitted.")
        reason = gone if why is Missing.GONE else replaced
        described = {"bucket": image.bucket, "key": image.key, "version_id": image.version_id, "size": None}
        now = self.now()
        return Job(job_id_of(image), JobStatus.REJECTED, 1, described, now, now, reason=reason)

    def _judge(self, image: ImageRef, stored: StoredImage) -> Job:
        """Return the job as it should be claimed, or as `rejected` with the reason."""
        now = self.now()
        job = Job(
            job_id=job_id_of(image),
            status=JobStatus.SUBMITTING,
            attempt=1,
            image={"bucket": stored.bucket, "key": stored.key, "version_id": stored.version_id, "size": stored.size},
            created_at=now,
            updated_at=now,
            lease_until=now + LEASE,
        )
        facts = inspect_image(stored)
        if isinstance(facts, Reason):
            return replace(job, status=JobStatus.REJECTED, reason=facts)
        shape = {"format": facts.format, "width": facts.width, "height": facts.height}
        job = replace(job, image={**job.image, **shape})
        resolved = resolve(self._places(stored))
        if isinstance(resolved, list):
            return replace(job, status=JobStatus.REJECTED, reason=_faults(resolved))
        return _priced(job, resolved, facts)

    def _places(self, stored: StoredImage) -> list[Place]:
        said = {name.lower().replace("-", "_"): value for name, value in stored.metadata.items()}
        return [
            Place("S3 metadata", {name: said[name] for name in OPTION_NAMES if name in said}, is_text=True),
            Place("stack parameters", self.default_options, is_text=True),
        ]

    def _settle(self, job: Job, answer: SubmitAnswer) -> str:
        """Give the provider's answer its place in the job table."""
        now = self.now()
        match answer:
            case Accepted(generation_id, provider_status):
                # The log line is the only evidence of the id if the next write fails.
                logger.info("accepted", extra={"job_id": job.job_id, "generation_id": generation_id})
                paid = self.jobs.record_accepted(job, generation_id, provider_status, now, EventType.SUBMITTED)
                return self._told(paid, job.job_id)
            case Refused(status_code, message):
                reason = Reason("provider_refused", f"The provider refused the request ({status_code}): {message}")
                ended = self.jobs.finish(job, JobStatus.REJECTED, now, EventType.REJECTED, reason)
                return self._told(ended, job.job_id)
            case Ambiguous(message):
                return self._unknown(job, f"The submission may have been paid and cannot be told: {message}.")
            case KeyRefused(status_code):
                reason = Reason("key_refused", f"The provider refused the API key ({status_code}).")
            case Busy(status_code):
                reason = Reason("provider_busy", f"The provider is busy ({status_code}).")
            case NotSent(message):
                reason = Reason("provider_unreachable", f"The provider could not be reached: {message}.")
        self.jobs.defer(job, reason, now)
        raise TryAgain(f"job {job.job_id}: {reason.message}")

    def _go_on(self, job: Job) -> str:
        """Go on from what the table says; nothing here can lead to a POST."""
        if job.status is JobStatus.SUBMITTING:
            if job.lease_until is not None and job.lease_until > self.now():
                raise TryAgain(f"job {job.job_id} is being submitted right now")
            return self._unknown(job, "The submission was interrupted and may have been paid.")
        return self._told(job, job.job_id)

    def _unknown(self, job: Job, message: str) -> str:
        reason = Reason("submission_unknown", message)
        parked = self.jobs.finish(job, JobStatus.UNKNOWN, self.now(), EventType.UNKNOWN, reason, Money.PERHAPS)
        return self._told(parked, job.job_id)

    def _told(self, job: Job | None, job_id: str) -> str:
        """Make sure that a generating job is watched and that every event it owes is sent."""
        if job is None:
            raise TryAgain(f"job {job_id} was changed by another delivery")
        if job.status is JobStatus.GENERATING:
            self.state_machine.start(job)
        self.announcer.announce(job)
        return job.status.value


def _priced(job: Job, resolved: Resolved, facts: ImageFacts) -> Job:
    options = resolved.options
    told = {**asdict(options), "aspect_ratio": ratio_for(options.aspect_ratio, facts)}
    return replace(
        job,
        options=told,
        option_sources=resolved.sources,
        warnings=warnings_for(options, facts),
        cost_cents=price_cents(options.mode, options.duration),
    )


def _body(job: Job, image_url: str) -> dict[str, Any]:
    """The provider's request: every parameter it documents, `negative_prompt` only where there is one."""
    body = {**Options(**job.options).__dict__, "image_url": image_url}
    if not body["negative_prompt"]:
        del body["negative_prompt"]
    return body


def _faults(faults: list[Fault]) -> Reason:
    return Reason("options_invalid", " ".join(f"{fault.place}: {fault.message}." for fault in faults))
