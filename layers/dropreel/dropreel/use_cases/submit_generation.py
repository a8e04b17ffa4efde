"""From an uploaded image to an accepted, recorded and watched generation, paying at most once."""

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from dropreel.adapters.image_bucket import ImageBucket, Missing
from dropreel.adapters.job_table import JobTable
from dropreel.adapters.provider_api import ProviderApi
from dropreel.adapters.state_machine import StateMachine
from dropreel.answers import Accepted, Ambiguous, Busy, KeyRefused, NotSent, Refused, SubmitAnswer
from dropreel.errors import TryAgain
from dropreel.events import EventType
from dropreel.jobs import ImageRef, Job, JobStatus, Money, Reason, is_image_key, job_id_of
from dropreel.messages import Drop
from dropreel.options import Options
from dropreel.use_cases.announce import Announcer
from dropreel.use_cases.judge_image import MISSING_REASONS, ImageJudge

LEASE = timedelta(seconds=120)
"""How long a claim lasts: longer than the function can run, shorter than the queue hides its message."""

logger = logging.getLogger("dropreel")


@dataclass(frozen=True)
class SubmitGeneration:
    """The step before the money: everything that can be wrong is found before the POST, and the intent is written before it."""

    jobs: JobTable
    judge: ImageJudge
    images: ImageBucket
    provider: ProviderApi
    state_machine: StateMachine
    announcer: Announcer
    now: Callable[[], datetime]

    def run(self, drop: Drop) -> str:
        """Bring one drop as far as it goes now and return the job's status, `ignored` or `superseded`.

        Raises TryAgain where the same message must come again.
        """
        if drop.request_id is None and not is_image_key(drop.image.key, drop.size):
            return "ignored"
        job = self.jobs.get(job_id_of(drop.image, drop.request_id))
        if job is None:
            return self._begin(drop)
        return self._submit(job) if job.status is JobStatus.DEFERRED else self._go_on(job)

    def _begin(self, drop: Drop) -> str:
        job = self.judge.judge(drop)
        if job is None:
            return "superseded"
        if job.status is JobStatus.REJECTED:
            return self._told(self.jobs.create_ended(job, EventType.REJECTED), job.job_id)
        return self._submit(job)

    def _submit(self, job: Job) -> str:
        """Claim the job, then POST once. Whatever can fail on our side is done before the claim."""
        stored = self.images.find(_ref(job))
        if isinstance(stored, Missing):
            reason = MISSING_REASONS[stored]
            if job.status is JobStatus.DEFERRED:
                ended = self.jobs.finish(job, JobStatus.REJECTED, self.now(), EventType.REJECTED, reason)
            else:
                gone = replace(job, status=JobStatus.REJECTED, reason=reason)
                ended = self.jobs.create_ended(gone, EventType.REJECTED)
            return self._told(ended, job.job_id)
        submission = self.provider.prepare(_body(job, stored.presigned_url()))
        claimed = self.jobs.claim(replace(job, lease_until=self.now() + LEASE))
        if claimed is None:
            raise TryAgain(f"job {job.job_id} has just been claimed by another delivery")
        return self._settle(claimed, submission.send())

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


def _ref(job: Job) -> ImageRef:
    return ImageRef(job.image["bucket"], job.image["key"], job.image["version_id"], job.image["etag"])


def _body(job: Job, image_url: str) -> dict[str, Any]:
    """The provider's request: every parameter it documents, `negative_prompt` only where there is one."""
    body = {**Options(**job.options).__dict__, "image_url": image_url}
    if not body["negative_prompt"]:
        del body["negative_prompt"]
    return body
