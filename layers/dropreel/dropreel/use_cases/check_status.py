"""Ask the provider once how far a generation is."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from dropreel.adapters.job_table import JobTable
from dropreel.domain.errors import RetryLater
from dropreel.domain.job import Job, accept
from dropreel.domain.messages import Generation
from dropreel.domain.reasons import Reason, ReasonCode
from dropreel.provider.answers import Finished, GenerationFailed, InProgress, PollFault
from dropreel.provider.client import ProviderClient
from dropreel.provider.words import is_content_refusal

NOT_FOUND_FOR = timedelta(minutes=5)
"""So long every poll must be answered 404 before the provider has lost the generation."""

logger = logging.getLogger("dropreel")


@dataclass(frozen=True)
class CheckStatus:
    """One poll. A poll that fails never fails a paid job: the loop goes on until the deadline."""

    jobs: JobTable
    provider: ProviderClient
    timeout_seconds: int
    now: Callable[[], datetime]

    def run(self, generation: Generation) -> dict[str, Any]:
        """Return `{"outcome": "waiting" | "completed" | "failed" | "timed_out" | "ended", "reason"?: {"code", "message", ...}}`.

        The deadline is counted from the accepted submission, or from the last resume.
        """
        job = self.jobs.get(generation.job_id)
        if job is None:
            raise RetryLater(f"job {generation.job_id} is not in the job table")
        if generation.is_lost_by(job):
            return self._given_its_id(job, generation)
        if not generation.is_current(job):
            return {"outcome": "ended"}
        answer = self.provider.poll(generation.generation_id)
        now = self.now()
        lost: Reason | None = None
        match answer:
            case Finished():
                self.jobs.count_poll(job, now, provider_status="completed", not_found_since=None)
                return {"outcome": "completed"}
            case GenerationFailed(error):
                self.jobs.count_poll(job, now, provider_status="failed", not_found_since=None)
                if job.provider_status == "failed":  # a `failed` may be wrong once
                    lost = _failed(error, answer.words)
            case InProgress(provider_status):
                self.jobs.count_poll(job, now, provider_status=provider_status, not_found_since=None)
            case PollFault():
                lost = self._count_fault(job, answer, now)
        if lost is not None:
            return _ended("failed", lost)
        if now >= _begun(job) + timedelta(seconds=self.timeout_seconds):
            return _ended("timed_out", self._timed_out(job, answer))
        return {"outcome": "waiting"}

    def _given_its_id(self, job: Job, generation: Generation) -> dict[str, Any]:
        """Write the id of a submission that was accepted while the job table could not be written.

        What the job still owes as `unknown` is published first, by whoever parked it.
        """
        if self.jobs.holder_of(generation.generation_id) not in (None, job.job_id):
            return {"outcome": "ended"}
        if not job.pending_events or not job.is_terminal:
            self.jobs.save(job, accept(job, generation.generation_id, "created", self.now()))
        return {"outcome": "waiting"}

    def _count_fault(self, job: Job, fault: PollFault, now: datetime) -> Reason | None:
        """Count a poll that told nothing; return the reason if the generation is lost."""
        if fault.no_balance:
            logger.error("no balance", extra={"job_id": job.job_id, "status_code": fault.status_code})
        elif fault.status_code in (401, 403):
            logger.error("key refused", extra={"job_id": job.job_id, "status_code": fault.status_code})
        since = (job.not_found_since or now) if fault.status_code == 404 else None
        self.jobs.count_poll(job, now, fault=fault.message, not_found_since=since)
        if since is None or now - since < NOT_FOUND_FOR:
            return None
        minutes = round((now - since).total_seconds() / 60)
        message = (
            f"The provider does not know the generation any more: for {minutes} minutes every poll was answered 404."
        )
        return Reason(ReasonCode.GENERATION_NOT_FOUND, message, provider_error=fault.words)

    def _timed_out(self, job: Job, answer: InProgress | GenerationFailed | PollFault) -> Reason:
        minutes = self.timeout_seconds // 60
        last, words = "its last status is failed, which no second poll has confirmed", None
        if isinstance(answer, InProgress):
            last = f"its last status is {answer.provider_status}"
        elif isinstance(answer, PollFault):
            last, words = answer.message, answer.words
        begun = "resumed" if job.resumes else "accepted"
        message = f"The provider did not finish the video within {minutes} minutes after it was {begun}; {last}."
        return Reason(ReasonCode.TIMED_OUT, message, provider_error=words)


def _begun(job: Job) -> datetime:
    return job.watched_since or job.submitted_at or job.created_at


def _failed(error: str, words: str | None) -> Reason:
    """A picture or a prompt that the provider does not want is told apart: sent again unchanged, it would be paid again."""
    if words is not None and is_content_refusal(words):
        message = f"The provider refused to make a video of this picture or prompt: {error}"
        return Reason(ReasonCode.CONTENT_REFUSED, message, provider_error=words)
    message = f"The provider could not make the video: {error}"
    return Reason(ReasonCode.GENERATION_FAILED, message, provider_error=words)


def _ended(outcome: str, reason: Reason) -> dict[str, Any]:
    return {"outcome": outcome, "reason": reason.as_json()}
