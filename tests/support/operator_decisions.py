"""The operator's decisions on the stack that the functions have: `dropreel` makes them on a stack in AWS."""

from dropreel import wiring
from dropreel.use_cases.resume_job import ResumeJob
from dropreel.use_cases.settle_unknown import SettleUnknown


def resume_job() -> ResumeJob:
    """Return the use case that resumes a failed, paid job."""
    return ResumeJob(wiring._jobs(), wiring._state_machine(), wiring._publisher(), wiring._now)


def settle_unknown() -> SettleUnknown:
    """Return the use case that settles an `unknown` job."""
    provider = wiring._on_first_use(wiring._provider_by_generation)
    return SettleUnknown(
        wiring._jobs(), provider, wiring._state_machine(), wiring._queue(), wiring._publisher(), wiring._now
    )
