"""Send the events that a job still owes to the bus."""

from dataclasses import dataclass

from dropreel.adapters.event_bus import EventBus
from dropreel.adapters.job_table import JobTable
from dropreel.events import detail_of, in_order
from dropreel.jobs import Job


@dataclass(frozen=True)
class Announcer:
    """Publishes, then crosses out: a crash between the two repeats the event under the same `metadata.id`."""

    jobs: JobTable
    bus: EventBus

    def announce(self, job: Job) -> None:
        """Publish every event in the job's `pending_events`. Raises PublishFault if the bus does not take one."""
        for event in in_order(job.pending_events):
            self.bus.publish(event, detail_of(job, event, self.bus.stack))
            self.jobs.event_sent(job, event)
