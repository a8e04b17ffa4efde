"""Ask the provider once how far a generation is."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from dropreel.adapters.job_table import JobTable
from dropreel.adapters.provider_api import ProviderApi
from dropreel.answers import Finished, GenerationFailed, InProgress, PollFault
from dropreel.errors import TryAgain
from dropreel.jobs import Job, Reason
from dropreel.messages import Generation
from dropreel.provider_words import is_content_refusal

MAX_NOT_FOUND = 60
"""404 in a row, after which the provider has lost the generation: five minutes of polls every five seconds."""

logger = logging.getLogger("dropreel")


@dataclass(frozen=True)
class CheckStatus:
    """One poll. A poll that fails never fails a paid job: the loop goes on until the deadline."""

    jobs: JobTable
    provider: ProviderApi
    timeout_seconds: int
    now: Callable[[], datetime]

    def run(self, generation: Generation) -> dict[str, Any]:
        """Return `{"outcome": "waiting" | "completed" | "failed" | "timed_out" | "ended", "reason"?: {"code", "message", ...}}`.

        The deadline is counted from the accepted submission, or from the last resume.
        """
        job = self.jobs.get(generation.job_id)
        if job is None:
            raise TryAgain(f"job {generation.job_id} is not in the job table")
        if not generation.is_watched(job):
            return {"outcome": "ended"}
        answer = self.provider.poll(generation.generation_id)
        now = self.now()
        match answer:
            case Finished():
                self.jobs.record_poll(job, "completed", now)
                return {"outcome": "completed"}
            case GenerationFailed(error):
                self.jobs.record_poll(job, "failed", now)
                return _ended("failed", _failed(error, answer.words))
            case InProgress(provider_status):
                self.jobs.record_poll(job, provider_status, now)
            case PollFault():
                lost = self._record_fault(job, answer, now)
                if lost is not None:
                    return _ended("failed", lost)
        if now >= _begun(job) + timedelta(seconds=self.timeout_seconds):
            return _ended("timed_out", self._timed_out(job, answer))
        return {"outcome": "waiting"}

    def _record_fault(self, job: Job, fault: PollFault, now: datetime) -> Reason | None:
        """Count a poll that told nothing; return the reason if the generation is lost."""
        if fault.no_balance:
            logger.error("no balance", extra={"job_id": job.job_id, "status_code": fault.status_code})
        elif fault.status_code in (401, 403):
            logger.error("key refused", extra={"job_id": job.job_id, "status_code": fault.status_code})
        not_found = fault.status_code == 404
        self.jobs.record_poll_fault(job, fault.message, now, not_found=not_found)
        if not not_found or job.not_found_polls + 1 < MAX_NOT_FOUND:
            return None
        message = (
            f"The provider does not know the generation any more: {MAX_NOT_FOUND} polls in a row were answered 404."
        )
        return Reason("generation_not_found", message, provider_error=fault.words)

    def _timed_out(self, job: Job, answer: InProgress | PollFault) -> Reason:
        minutes = self.timeout_seconds // 60
        last = f"its last status is {answer.provider_status}" if isinstance(answer, InProgress) else answer.message
        begun = "resumed" if job.resumes else "accepted"
        return Reason(
            "timed_out",
            f"The provider did not finish the video within {minutes} minutes after it was {begun}; {last}.",
            provider_error=answer.words if isinstance(answer, PollFault) else None,
        )


def _begun(job: Job) -> datetime:
    return job.watched_since or job.submitted_at or job.created_at


def _failed(error: str, words: str | None) -> Reason:
    """A picture or a prompt that the provider does not want is told apart: sent again unchanged, it would be paid again."""
    if words is not None and is_content_refusal(words):
        message = f"The provider refused to make a video of this picture or prompt: {error}"
        return Reason("content_refused", message, provider_error=words)
    return Reason("generation_failed", f"The provider could not make the video: {error}", provider_error=words)


def _ended(outcome: str, reason: Reason) -> dict[str, Any]:
    return {"outcome": outcome, "reason": reason.as_json()}
