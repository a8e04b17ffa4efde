"""Publish the events that a job owes."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dropreel.domain.events import detail_of, event_id, in_order, mark_published
from dropreel.domain.job import EventType, Job

if TYPE_CHECKING:
    from dropreel.use_cases.ports import Bus, Jobs


def _no_measure(_event: EventType, _job: Job) -> None:
    """Measure nothing: a person's command writes no metrics."""


@dataclass(frozen=True)
class Publisher:
    """Publishes an event, then marks it as published. A crash between the two repeats it with the same `metadata.id`.

    `measure` is called for each event after it was published, and so again where the event is repeated.
    """

    jobs: "Jobs"
    bus: "Bus"
    measure: Callable[[EventType, Job], None] = _no_measure

    def publish(self, job: Job) -> Job:
        """Publish every event in the job's `pending_events`, and return the job as it is then.

        Raises PublishFault if the bus does not take one.
        """
        for event in in_order(job.pending_events):
            published_id = event_id(job, event)
            self.bus.publish(event, detail_of(job, event, self.bus.stack))
            self.measure(event, job)
            job = self._mark(job, event, published_id)
        return job

    def _mark(self, job: Job, event: EventType, published_id: str) -> Job:
        """Save that an event was published, on the job as it is now if it has changed meanwhile."""
        while (after := mark_published(job, event, published_id)) is not job:
            saved = self.jobs.save(job, after)
            if saved is not None:
                return saved
            now = self.jobs.get(job.job_id)
            if now is None:
                return job
            job = now
        return job
