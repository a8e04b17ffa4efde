"""Ask the provider once how far a generation is."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from dropreel.adapters.job_table import JobTable
from dropreel.adapters.provider_api import ProviderApi
from dropreel.answers import Finished, GenerationFailed, InProgress, PollFault
from dropreel.errors import TryAgain
from dropreel.jobs import JobStatus
from dropreel.messages import Generation


@dataclass(frozen=True)
class CheckStatus:
    """One poll. A poll that fails never fails a paid job: the loop goes on until the deadline."""

    jobs: JobTable
    provider: ProviderApi
    timeout_seconds: int
    now: Callable[[], datetime]

    def run(self, generation: Generation) -> dict[str, Any]:
        """Return `{"outcome": "waiting" | "completed" | "failed" | "timed_out" | "ended", "reason"?: {"code", "message"}}`.

        The deadline is counted from the accepted submission.
        """
        job = self.jobs.get(generation.job_id)
        if job is None:
            raise TryAgain(f"job {generation.job_id} is not in the job table")
        if job.status is not JobStatus.GENERATING or job.attempt != generation.attempt:
            return {"outcome": "ended"}
        answer = self.provider.poll(generation.generation_id)
        now = self.now()
        match answer:
            case Finished():
                self.jobs.record_poll(job, "completed", now)
                return {"outcome": "completed"}
            case GenerationFailed(error):
                self.jobs.record_poll(job, "failed", now)
                return _ended("failed", "generation_failed", f"The provider could not make the video: {error}")
            case InProgress(provider_status):
                self.jobs.record_poll(job, provider_status, now)
            case PollFault():
                self.jobs.record_poll(job, job.provider_status or "created", now)
        deadline = (job.submitted_at or job.created_at) + timedelta(seconds=self.timeout_seconds)
        if now >= deadline:
            minutes = self.timeout_seconds // 60
            return _ended("timed_out", "timed_out", f"The provider did not finish the video within {minutes} minutes.")
        return {"outcome": "waiting"}


def _ended(outcome: str, code: str, message: str) -> dict[str, Any]:
    return {"outcome": outcome, "reason": {"code": code, "message": message}}
