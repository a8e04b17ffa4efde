"""All use cases, wired to fakes of the services that they call."""

from dataclasses import dataclass, field, replace
from typing import Any

from dropreel.adapters.imaging import PreparedPicture
from dropreel.adapters.job_table import JobTable
from dropreel.adapters.ledger import Ledger
from dropreel.adapters.rehearsal_videos import RehearsalVideos
from dropreel.domain.errors import RetryLater
from dropreel.domain.executions import Generation
from dropreel.domain.images import ImageRef, PrepareReason
from dropreel.domain.job import Charge, EventType, Job, JobStatus, job_id_of
from dropreel.domain.messages import Drop, RetryMessage
from dropreel.domain.metrics import Metric
from dropreel.domain.prices import DOCUMENTED
from dropreel.domain.reasons import Reason, ReasonCode
from dropreel.domain.spending import SpendLimit
from dropreel.provider.by_generation import ProviderByGeneration
from dropreel.provider.rehearsal import Rehearsal
from dropreel.provider.submit_answers import Accepted
from dropreel.use_cases.check_status import CheckStatus
from dropreel.use_cases.deliver_video import DeliverVideo
from dropreel.use_cases.find_job import FindJob
from dropreel.use_cases.measure_stack import MeasureStack
from dropreel.use_cases.note_dead_letter import NoteDeadLetter
from dropreel.use_cases.prepare_image import PrepareImage
from dropreel.use_cases.publish_events import Publisher
from dropreel.use_cases.report_failure import ReportFailure
from dropreel.use_cases.submit_generation import LEASE, SubmitGeneration
from dropreel.use_cases.sweep_jobs import SweepJobs
from dropreel.use_cases.unknown_submission import UnknownSubmission
from dropreel.use_cases.validate_image import ImageValidator
from tests.support.fakes import (
    Clock,
    Database,
    FakeBus,
    FakeDeadLetterQueue,
    FakeImageBucket,
    FakePreparedBucket,
    FakeProvider,
    FakeQueue,
    FakeStateMachine,
    FakeStoredImage,
    FakeVideoBucket,
    FakeVideoSource,
)
from tests.support.pictures import jpeg
from tests.support.sample_jobs import VIDEO, job_with
from tests.support.tiny_video import tiny_video

DROP = Drop(ImageRef("uploads", "holiday/beach.jpg", "v1", "e1", "s1"), size=len(jpeg()))
JOB_ID = job_id_of(DROP.image)
GENERATION = Generation(JOB_ID, 1, "gen_1", f"{JOB_ID}-1")
ACCEPTED = Accepted("gen_1", "created")
_FULL = Reason(ReasonCode.DAILY_LIMIT, "The daily limit would be passed.")
_BUSY = Reason(ReasonCode.PROVIDER_BUSY, "The provider is busy.")
HAS: dict[JobStatus, dict[str, Any]] = {
    JobStatus.GENERATING: {"charge": Charge.CHARGED, "notices": {EventType.HELD: _FULL, EventType.DEFERRED: _BUSY}},
    JobStatus.COMPLETED: {
        "charge": Charge.CHARGED,
        "video": VIDEO,
        "notices": {EventType.HELD: _FULL, EventType.DEFERRED: _BUSY},
    },
    JobStatus.FAILED: {"charge": Charge.CHARGED, "reason": Reason(ReasonCode.GENERATION_FAILED, "no faces")},
    JobStatus.REJECTED: {"reason": Reason(ReasonCode.PROVIDER_REFUSED, "The provider refused the request.")},
    JobStatus.HELD: {"reason": _FULL},
    JobStatus.DEFERRED: {"reason": _BUSY},
    JobStatus.UNKNOWN: {
        "charge": Charge.UNKNOWN,
        "reason": Reason(ReasonCode.SUBMISSION_UNKNOWN, "It may have been charged."),
    },
}
"""Status -> what a job in it has, so that its events follow their schemas."""
STACK = {
    "prompt": "a slow push in",
    "mode": "fast",
    "negative_prompt": "",
    "aspect_ratio": "auto",
    "duration": "5",
    "cfg_scale": "0.5",
    "sound": "true",
}
TIMEOUT_SECONDS = 3600
SECONDS_LEFT = 100
"""SubmitGeneration's remaining time at the start of a call."""


def prepared_picture(**changes: Any) -> PreparedPicture:
    """Return what is made of a HEIC picture."""
    fields: dict[str, Any] = {
        "content": jpeg(quality=90),
        "format": "JPEG",
        "width": 60,
        "height": 40,
        "original_format": "HEIC",
        "original_width": 600,
        "original_height": 400,
        "reasons": (PrepareReason.FORMAT,),
    }
    return PreparedPicture(**{**fields, **changes})


@dataclass
class FakeStack:
    """The fakes, and the use cases that are wired to them."""

    journal: list[str] = field(default_factory=list)
    clock: Clock = field(default_factory=Clock)

    def __post_init__(self) -> None:
        self.counted: list[tuple[Metric, str]] = []
        self.measured: list[tuple[EventType, str]] = []
        self.gauges: dict[Metric, float] = {}
        self.database = Database(self.journal)
        self.jobs = JobTable(self.database.client, "jobs", self.clock.pass_seconds)
        self.ledger = Ledger(self.database.client, "jobs", "spend", SpendLimit(5000), self.clock.pass_seconds)
        self.queue = FakeQueue(self.journal)
        self.prepare_queue = FakeQueue(self.journal, action="send_to_prepare")
        self.image = FakeStoredImage(self.journal, content=jpeg())
        self.images = FakeImageBucket(self.journal, stored=self.image)
        self.prepared = FakePreparedBucket(self.journal, images=self.images)
        self.picture: PreparedPicture | Reason = prepared_picture()
        self.provider = FakeProvider(self.journal, submit_answer=ACCEPTED)
        self.rehearsal = Rehearsal(lambda _url: None, self.clock, lambda: "1")
        self.state_machine = FakeStateMachine(self.journal)
        self.bus = FakeBus(self.journal)
        self.source = FakeVideoSource(self.journal, content=tiny_video())
        self.videos = FakeVideoBucket(self.journal)
        self.publisher = Publisher(self.jobs, self.bus, self.measure)
        self.unknown = UnknownSubmission(
            self.jobs, self.queue, self.publisher, resubmits=False, max_attempts=2, count=self.count
        )
        self.find_job = FindJob(self.jobs, self.clock)
        self.note_dead_letter = NoteDeadLetter(self.jobs, self.find_job, self.publisher, self.clock)
        self.dead_letters = FakeDeadLetterQueue(self.journal)
        self.submit = SubmitGeneration(
            jobs=self.jobs,
            find_job=self.find_job,
            ledger=self.ledger,
            validator=ImageValidator(self.images, frozenset({"uploads"}), STACK, prepares=True, prices=DOCUMENTED),
            images=self.images,
            provider=self.provider,
            rehearsal=self.rehearsal,
            queue=self.queue,
            prepare_queue=self.prepare_queue,
            state_machine=self.state_machine,
            publisher=self.publisher,
            unknown=self.unknown,
            count=self.count,
            now=self.clock,
            random=lambda: 0.6,
            sleep=self.clock.pass_seconds,
        )
        self.prepare = PrepareImage(
            jobs=self.jobs,
            originals=self.images,
            prepare_picture=lambda _file: self.picture,
            prepared=self.prepared,
            queue=self.queue,
            publisher=self.publisher,
            now=self.clock,
        )
        self.polled = ProviderByGeneration(self.provider, self.rehearsal)
        self.check = CheckStatus(self.jobs, self.polled, TIMEOUT_SECONDS, self.count, self.clock)
        self.deliver = DeliverVideo(
            self.jobs, self.polled, self.source, RehearsalVideos(2**31), self.videos, self.publisher, self.clock
        )
        self.report = ReportFailure(
            self.jobs, self.queue, self.state_machine.status, self.publisher, 2, False, self.clock
        )
        self.sweep = SweepJobs(
            jobs=self.jobs,
            ledger=self.ledger,
            queue=self.queue,
            prepare_queue=self.prepare_queue,
            state_machine=self.state_machine,
            publisher=self.publisher,
            failure=self.report,
            unknown=self.unknown,
            dead_letters=self.dead_letters,
            note_dead_letter=self.note_dead_letter,
            measure=MeasureStack(self.jobs, self.ledger, self.gauge, self.clock, DOCUMENTED).run,
            now=self.clock,
        )

    def count(self, metric: Metric, job_id: str) -> None:
        """Keep a metric that was counted, and its job."""
        self.counted.append((metric, job_id))

    def measure(self, event: EventType, job: Job) -> None:
        """Keep an event that was measured, and its job."""
        self.measured.append((event, job.job_id))

    def gauge(self, metric: Metric, value: float) -> None:
        """Keep the last value of a gauge."""
        self.gauges[metric] = value

    @property
    def job(self) -> Job:
        """The upload's job, as stored in the table."""
        job = self.database.job(JOB_ID)
        assert job is not None
        return job

    @property
    def reserved(self) -> int:
        """What is reserved on all days together, in US cents."""
        return sum(self.database.reserved.values())

    def put_job(self, **changes: Any) -> Job:
        """Put the upload's job with these fields into the table, and with what a job in its status has."""
        has = HAS.get(changes.get("status", JobStatus.GENERATING), {})
        self.database.put(job_with(job_id=JOB_ID, **{**has, **changes}))
        return self.job

    def set_daily_limit(self, cents: int | None) -> None:
        """Set the day's spend limit in US cents; None is unlimited."""
        self.ledger.limit = SpendLimit(cents)

    def run(self, message: Drop | RetryMessage = DROP, seconds_left: float = SECONDS_LEFT) -> str:
        """Call SubmitGeneration with a message; return the outcome."""
        return self.submit.run(message, seconds_left)

    def deliver_retry_message(self) -> str:
        """Deliver the oldest retry message when its delay is over; return the outcome."""
        message, delay = self.queue.sent.pop(0)
        self.clock.pass_seconds(delay)
        return self.run(message)

    def deliver_prepare_message(self) -> str:
        """Deliver the oldest message of the prepare queue; return the outcome."""
        message, _delay = self.prepare_queue.sent.pop(0)
        return self.prepare.run(message)

    def set_resubmit_policy(self, max_attempts: int = 2) -> None:
        """Set `AmbiguousSubmitPolicy` to `resubmit`."""
        self.unknown = replace(self.unknown, resubmits=True, max_attempts=max_attempts)
        self.submit = replace(self.submit, unknown=self.unknown)
        self.sweep = replace(self.sweep, unknown=self.unknown)

    def redeliver(self) -> None:
        """Deliver the upload's message three more times, each after the lease has ended."""
        for _ in range(3):
            self.clock.pass_seconds(LEASE.total_seconds() + 1)
            try:
                self.run()
            except RetryLater:
                continue
