"""Save a transition of a job that others may change at the same time."""

from collections.abc import Callable

from dropreel.domain.job import Job


def save_at_step(
    job: Job,
    transition: Callable[[Job], Job],
    save: Callable[[Job, Job], Job | None],
    get: Callable[[str], Job | None],
) -> Job | None:
    """Save a transition; if only bookkeeping of the job has changed since it was read, on the job as it is now.

    None: the job is at another step by now, or another job holds its generation.
    """
    while True:
        saved = save(job, transition(job))
        if saved is not None:
            return saved
        now = get(job.job_id)
        if now is None or now.version == job.version or not now.is_at_same_step(job):
            return None
        job = now
