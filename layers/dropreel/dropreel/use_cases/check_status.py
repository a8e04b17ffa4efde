"""Poll a generation once and return what the state machine branches on."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from dropreel.domain.errors import RetryLater
from dropreel.domain.executions import Generation
from dropreel.domain.job import Job, accept
from dropreel.domain.metrics import Metric
from dropreel.domain.reasons import Reason, ReasonCode
from dropreel.provider.limits import NOT_FOUND_FOR
from dropreel.provider.poll_answers import Finished, GenerationFailed, InProgress, PollFault
from dropreel.provider.refusals import is_content_refusal

if TYPE_CHECKING:
    from dropreel.use_cases.ports import Jobs, PolledProvider


@dataclass(frozen=True)
class CheckStatus:
    """One poll. A poll that fails does not fail a paid job: polling continues until the deadline."""

    jobs: "Jobs"
    provider: "PolledProvider"
    timeout_seconds: int
    count: Callable[[Metric, str], None]
    now: Callable[[], datetime]

    def run(self, generation: Generation) -> dict[str, Any]:
        """Return `{"outcome": "waiting" | "completed" | "failed" | "timed_out" | "ended", "reason"?: {"code", "message", ...}}`.

        The deadline is `timeout_seconds` after the submission was accepted, or after the last resume.
        """
        job = self.jobs.get(generation.job_id)
        if job is None:
            raise RetryLater(f"job {generation.job_id} is not in the job table")
        if generation.is_missing_from(job):
            return self._save_generation(job, generation)
        if not generation.is_current(job):
            return {"outcome": "ended"}
        answer = self.provider.poll(generation.generation_id)
        now = self.now()
        failure: Reason | None = None
        match answer:
            case Finished():
                self.jobs.count_poll(job, now, provider_status="completed", not_found_since=None)
                return {"outcome": "completed"}
            case GenerationFailed(error):
                self.jobs.count_poll(job, now, provider_status="failed", not_found_since=None)
                if job.provider_status == "failed":  # one `failed` may be wrong: a second poll must confirm it
                    failure = _failure(error, answer.error_text)
            case InProgress(provider_status):
                self.jobs.count_poll(job, now, provider_status=provider_status, not_found_since=None)
            case PollFault():
                failure = self._count_fault(job, answer, now)
        if failure is not None:
            return _outcome("failed", failure)
        if now >= _watched_since(job) + timedelta(seconds=self.timeout_seconds):
            return _outcome("timed_out", self._time_out(job, answer))
        return {"outcome": "waiting"}

    def _save_generation(self, job: Job, generation: Generation) -> dict[str, Any]:
        """Save an id that was accepted while the job table could not be written.

        An `unknown` job publishes its events first: the step that parked it does that.
        """
        if self.jobs.holder_of(generation.generation_id) not in (None, job.job_id):
            return {"outcome": "ended"}
        if not job.pending_events or not job.is_terminal:
            self.jobs.save(job, accept(job, generation.generation_id, "created", self.now()))
        return {"outcome": "waiting"}

    def _count_fault(self, job: Job, fault: PollFault, now: datetime) -> Reason | None:
        """Count a poll without a status; return the reason if the generation counts as lost."""
        if fault.no_balance:
            self.count(Metric.NO_BALANCE, job.job_id)
        elif fault.status_code in (401, 403):
            self.count(Metric.KEY_REFUSED, job.job_id)
        since = (job.not_found_since or now) if fault.status_code == 404 else None
        self.jobs.count_poll(job, now, fault=fault.message, not_found_since=since)
        if since is None or now - since < NOT_FOUND_FOR:
            return None
        minutes = round((now - since).total_seconds() / 60)
        message = (
            f"The provider does not know the generation any more: for {minutes} minutes every poll was answered 404."
        )
        return Reason(ReasonCode.GENERATION_NOT_FOUND, message, provider_error=fault.error_text)

    def _time_out(self, job: Job, answer: InProgress | GenerationFailed | PollFault) -> Reason:
        minutes = self.timeout_seconds // 60
        last, error_text = "its last status is failed, which no second poll has confirmed", None
        if isinstance(answer, InProgress):
            last = f"its last status is {answer.provider_status}"
        elif isinstance(answer, PollFault):
            last, error_text = answer.message, answer.error_text
        begun = "resumed" if job.resumes else "accepted"
        message = f"The provider did not finish the video within {minutes} minutes after it was {begun}; {last}."
        return Reason(ReasonCode.TIMED_OUT, message, provider_error=error_text)


def _watched_since(job: Job) -> datetime:
    return job.watched_since or job.submitted_at or job.created_at


def _failure(error: str, error_text: str | None) -> Reason:
    """Return the reason of a failed generation. Content refusals have a code of their own: a retry would be paid and refused."""
    if error_text is not None and is_content_refusal(error_text):
        message = f"The provider refused to make a video of this picture or prompt: {error}"
        return Reason(ReasonCode.CONTENT_REFUSED, message, provider_error=error_text)
    message = f"The provider could not make the video: {error}"
    return Reason(ReasonCode.GENERATION_FAILED, message, provider_error=error_text)


def _outcome(outcome: str, reason: Reason) -> dict[str, Any]:
    return {"outcome": outcome, "reason": reason.as_json()}
