"""The job that an invocation works on: its ids are in each of its log lines."""

from contextvars import ContextVar

_IDS: ContextVar[tuple[str | None, str | None]] = ContextVar("dropreel_ids", default=(None, None))


def work_on(job_id: str | None, generation_id: str | None = None) -> None:
    """Set the ids for the log lines from here on. None: not known (yet)."""
    _IDS.set((job_id, generation_id))


def current_ids() -> dict[str, str | None]:
    """Return `job_id` and `generation_id` of the job at hand."""
    job_id, generation_id = _IDS.get()
    return {"job_id": job_id, "generation_id": generation_id}
