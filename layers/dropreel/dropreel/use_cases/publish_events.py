"""Publish the events that a job owes."""

from dataclasses import dataclass

from dropreel.adapters.event_bus import EventBus
from dropreel.adapters.job_table import JobTable
from dropreel.domain.events import detail_of, in_order
from dropreel.domain.job import EventType, Job, event_id, mark_published


@dataclass(frozen=True)
class Publisher:
    """Publishes, then marks as published: a crash between the two repeats the event under the same `metadata.id`."""

    jobs: JobTable
    bus: EventBus

    def publish(self, job: Job) -> Job:
        """Publish every event in the job's `pending_events`, and return the job as it is then.

        Raises PublishFault if the bus does not take one.
        """
        for event in in_order(job.pending_events):
            published_id = event_id(job, event)
            self.bus.publish(event, detail_of(job, event, self.bus.stack))
            job = self._mark(job, event, published_id)
        return job

    def _mark(self, job: Job, event: EventType, published_id: str) -> Job:
        """Save that an event was published; where the job has changed meanwhile, on the job as it is now."""
        while (after := mark_published(job, event, published_id)) is not job:
            saved = self.jobs.save(job, after)
            if saved is not None:
                return saved
            now = self.jobs.get(job.job_id)
            if now is None:
                return job
            job = now
        return job
