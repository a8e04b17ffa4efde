"""Everything outside as fakes, and the steps wired to them."""

from dataclasses import dataclass, field, replace
from typing import Any

from dropreel.answers import Accepted
from dropreel.errors import TryAgain
from dropreel.jobs import ImageRef, Job, job_id_of
from dropreel.messages import Drop, Generation
from dropreel.use_cases.announce import Announcer
from dropreel.use_cases.check_status import CheckStatus
from dropreel.use_cases.deliver_video import DeliverVideo
from dropreel.use_cases.judge_image import ImageJudge
from dropreel.use_cases.report_failure import ReportFailure
from dropreel.use_cases.submit_generation import LEASE, SubmitGeneration
from dropreel.use_cases.sweep_jobs import SweepJobs
from tests.unit.dropreel.fakes import (
    Clock,
    FakeBus,
    FakeImageBucket,
    FakeJobTable,
    FakeLedger,
    FakeProvider,
    FakeQueue,
    FakeStateMachine,
    FakeStoredImage,
    FakeVideoBucket,
    FakeVideoSource,
)
from tests.unit.dropreel.pictures import jpeg
from tests.unit.dropreel.sample_jobs import job_with
from tests.unit.dropreel.tiny_video import tiny_video

DROP = Drop(ImageRef("uploads", "holiday/beach.jpg", "v1", "e1", "s1"), size=len(jpeg()))
JOB_ID = job_id_of(DROP.image)
GENERATION = Generation(JOB_ID, 1, "gen_1")
ACCEPTED = Accepted("gen_1", "created")
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


@dataclass
class World:
    """Everything outside, and the steps that work on it."""

    journal: list[str] = field(default_factory=list)
    clock: Clock = field(default_factory=Clock)

    def __post_init__(self) -> None:
        self.jobs = FakeJobTable(self.journal)
        self.ledger = FakeLedger(self.journal, jobs=self.jobs)
        self.queue = FakeQueue(self.journal)
        self.image = FakeStoredImage(self.journal, content=jpeg())
        self.images = FakeImageBucket(self.journal, stored=self.image)
        self.provider = FakeProvider(self.journal, submit_answer=ACCEPTED)
        self.state_machine = FakeStateMachine(self.journal)
        self.bus = FakeBus(self.journal)
        self.source = FakeVideoSource(self.journal, content=tiny_video())
        self.videos = FakeVideoBucket(self.journal)
        announcer = self.announcer = Announcer(self.jobs, self.bus)
        judge = ImageJudge(self.images, frozenset({"uploads"}), STACK, self.clock)
        self.submit = SubmitGeneration(
            jobs=self.jobs,
            ledger=self.ledger,
            judge=judge,
            images=self.images,
            provider=self.provider,
            queue=self.queue,
            state_machine=self.state_machine,
            announcer=announcer,
            max_attempts=2,
            resubmits_ambiguous=False,
            now=self.clock,
            random=lambda: 0.6,
        )
        self.check = CheckStatus(self.jobs, self.provider, TIMEOUT_SECONDS, self.clock)
        self.deliver = DeliverVideo(self.jobs, self.provider, self.source, self.videos, announcer, self.clock)
        self.report = ReportFailure(self.jobs, self.queue, announcer, 2, False, self.clock)
        self.sweep = SweepJobs(
            jobs=self.jobs,
            ledger=self.ledger,
            queue=self.queue,
            state_machine=self.state_machine,
            announcer=announcer,
            failure=self.report,
            max_attempts=2,
            resubmits_ambiguous=False,
            now=self.clock,
        )

    @property
    def job(self) -> Job:
        return self.jobs.jobs[JOB_ID]

    @property
    def reserved(self) -> int:
        """What is reserved on all days, in cents."""
        return sum(self.ledger.reserved.values())

    def has(self, **changes: Any) -> None:
        """Let the table hold the upload's job with these fields."""
        self.jobs.jobs[JOB_ID] = job_with(job_id=JOB_ID, **changes)

    def comes_again(self) -> str:
        """Let the oldest of our own messages arrive when it is due."""
        message, delay = self.queue.sent.pop(0)
        self.clock.pass_seconds(delay)
        return self.submit.run(message)

    def allows_resubmitting(self, max_attempts: int = 2) -> None:
        """Let the owner choose to submit again what may have been paid."""
        self.submit = replace(self.submit, resubmits_ambiguous=True, max_attempts=max_attempts)
        self.sweep = replace(self.sweep, resubmits_ambiguous=True, max_attempts=max_attempts)

    def delivered_again(self) -> None:
        """Let the queue bring the same message again, as often and as late as it likes."""
        for _ in range(3):
            self.clock.pass_seconds(LEASE.total_seconds() + 1)
            try:
                self.submit.run(DROP)
            except TryAgain:
                continue
