"""A simulation in which a function can crash at any outside call, and the services deliver as their contracts allow.

Handlers, wiring and adapters are the real ones. moto evaluates the condition expressions, and the state machine's real
definition is interpreted. Fakes redeliver, reorder, duplicate, refuse and crash: the queue, the bus, S3, Step Functions,
Lambda, the provider, the operator and the clock.
"""

import hashlib
import json
import random
import types
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest

import dropreel.wiring
from dropreel.adapters.event_bus import EventBus
from dropreel.adapters.imaging import PreparedPicture
from dropreel.domain.errors import ActionNotAllowed
from dropreel.domain.images import PrepareReason
from dropreel.domain.reasons import Reason, ReasonCode
from tests.faults.calls import Calls, Crash
from tests.faults.checks import ENDS, Checks, is_duplicate, waits
from tests.faults.provider import Provider
from tests.faults.script import NOTICES, Script, Words
from tests.faults.services import Buckets, Message, with_fault
from tests.faults.state_machine import POLL_SECONDS, Execution, StateMachine, StepFault
from tests.integration.conftest import WIRED, call, time_out_of
from tests.support.aws_errors import ACCOUNT, REGION, refusal
from tests.support.operator_decisions import resume_job, settle_unknown
from tests.support.photographs import small_jpeg
from tests.support.sample_events import from_queue, object_created
from tests.support.tables import Tables
from tests.support.templates import load_template

_RESOURCES: dict[str, Any] = load_template(str(Path(__file__).resolve().parents[2] / "template.yaml"))["Resources"]
_QUEUES = {"submit_generation": "SubmissionQueue", "prepare_image": "PrepareQueue"}
VISIBILITY = {
    step: timedelta(seconds=_RESOURCES[queue]["Properties"]["VisibilityTimeout"]) for step, queue in _QUEUES.items()
}
MAX_RECEIVES: dict[str, int] = {
    step: _RESOURCES[queue]["Properties"]["RedrivePolicy"]["maxReceiveCount"] for step, queue in _QUEUES.items()
}
HEIC = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic"
ASYNC_TRIES = 3
"""Lambda's tries of an asynchronous event before it drops it."""
LATE = timedelta(minutes=25)
"""A late event is delivered after SweepJobs would have found the job."""
REPAIRED_AFTER = timedelta(hours=3)
OPERATOR_TRIES = 5
TIMEOUT_SECONDS: dict[str, int] = {
    step: time_out_of(step)
    for step in ("submit_generation", "prepare_image", "check_status", "deliver_video", "report_failure", "sweep_jobs")
}
"""The functions' time-outs. The operator's command is no function; the longest of them applies to it."""


@dataclass
class Notice:
    """The rule's event about an ended execution, not delivered to ReportFailure yet."""

    event: dict[str, Any]
    due: datetime
    tries: int = 0


class Simulation:
    """One schedule: images, a script for the services, a plan for single calls, and the fake services."""

    def __init__(
        self,
        monkeypatch: pytest.MonkeyPatch,
        script: Script,
        plan: dict[int, str],
        seed: int | None,
        not_found: int,
        tables: Tables,
    ) -> None:
        self.now = datetime(2026, 11, 12, 23, 52, tzinfo=UTC)  # just before midnight: held jobs wait for the next day
        self.repaired_at = self.now + REPAIRED_AFTER
        self.next_sweep = self.now + timedelta(minutes=5)
        self.random = random.Random(seed)
        self.chaos = seed is not None
        self.at_work: list[tuple[str, dict[str, Any]]] = []
        self.calls = Calls(plan, self.step, self.run_concurrently)
        self.provider = Provider(self.calls, script, self._attempt_of, self._image_at)
        self.tables, self.buckets = tables, Buckets()
        self.pictures = script.pictures
        self.day_prefix = "rehearsal-" if script.rehearsal else ""
        self.machine = StateMachine(self._invoke, lambda: self.now, self._execution_ended, self._skip_until, {})
        self.checks = Checks(self.tables, self.buckets, self.provider, self.machine, script.limit, lambda: self.now)
        self.faults = {operation: Words(words, "") for operation, words in script.faults.items()}
        self.notice_words = Words(script.notices, "once")
        self.operator = list(script.operator)
        self.is_slow = False
        self.queue: list[Message] = []
        self.dead: list[Message] = []
        self.notices: list[Notice] = []
        self.images: list[str] = []
        self._wire(monkeypatch, script, not_found)

    def _wire(self, monkeypatch: pytest.MonkeyPatch, script: Script, not_found: int) -> None:
        monkeypatch.setenv("DAILY_SPEND_LIMIT_USD", script.limit)
        monkeypatch.setenv("GENERATION_TIMEOUT_MINUTES", str(script.timeout_minutes))
        wiring = dropreel.wiring
        monkeypatch.setenv("REHEARSAL", "true" if script.rehearsal else "false")
        asked, other = ("_rehearsal", "_provider") if script.rehearsal else ("_provider", "_rehearsal")
        monkeypatch.setattr(wiring, asked, lambda: self.provider)
        monkeypatch.setattr(wiring, other, partial(self._violate, f"{other} was asked for"))
        monkeypatch.setattr(wiring, "_now", lambda: self.calls.around("clock", lambda _: self.now))
        monkeypatch.setattr(EventBus.__init__, "__defaults__", (lambda _: None,))  # without its pauses
        monkeypatch.setattr(wiring, "_sleep", self._sleep)
        monkeypatch.setattr(wiring, "random", types.SimpleNamespace(random=lambda: 0.5))
        sources = ["dropreel.adapters.video_source.VideoSource", "dropreel.adapters.rehearsal_videos.RehearsalVideos"]
        source, unused = sources[::-1] if script.rehearsal else sources
        monkeypatch.setattr(source, lambda *_: self.provider)
        monkeypatch.setattr(unused, lambda *_: self._violate(f"{unused} was opened"))
        monkeypatch.setattr("dropreel.adapters.imaging.prepare_picture", self._prepare_picture)
        lost_after = timedelta(seconds=POLL_SECONDS * (not_found - 1))
        monkeypatch.setattr("dropreel.use_cases.check_status.NOT_FOUND_FOR", lost_after)
        self.forget_processes()

    def _violate(self, what: str) -> None:
        self.checks.demand(False, what)
        raise AssertionError(what)

    def _sleep(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)

    def forget_processes(self) -> None:
        """Let every function start in a new process."""
        for thing in vars(dropreel.wiring).values():
            if hasattr(thing, "cache_clear"):
                thing.cache_clear()

    # --- outside calls of the code under test ---------------------------------------------------------------------------

    def api_call(self, client: Any, operation: str, arguments: dict[str, Any]) -> Any:
        """Answer one AWS call of the code under test."""
        fakes: dict[str, Callable[[Any, dict[str, Any]], Any]] = {
            "SendMessage": self._send_message,
            "ReceiveMessage": self._receive_dead_letters,
            "StartExecution": self._start_execution,
            "DescribeExecution": self._describe_execution,
            "PutEvents": self._put_events,
        }

        def act() -> Any:
            if operation in fakes:
                return fakes[operation](client, arguments)
            if operation not in Tables.OPERATIONS:
                return self.buckets.call(client, operation, arguments)
            answer = self.tables.call(client, operation, arguments)
            if operation in ("UpdateItem", "DeleteItem", "TransactWriteItems"):
                self.checks.on_write(self.step())
            return answer

        def act_with_fault(planned: str) -> Any:
            return with_fault(
                planned or (self.faults[operation].next() if operation in self.faults else ""), operation, act
            )

        of_image = operation == "GetObject" and arguments["Bucket"] == "uploads"
        name = "GetObject of an image" if of_image else operation
        return self.calls.around(name, act_with_fault)

    def _send_message(self, _client: Any, arguments: dict[str, Any]) -> dict[str, Any]:
        visible_at = self.now + timedelta(seconds=arguments.get("DelaySeconds", 0))
        step = "prepare_image" if arguments["QueueUrl"].endswith("prepare") else "submit_generation"
        self.queue.append(Message(arguments["MessageBody"], visible_at, step))
        return {"MessageId": "1"}

    def _prepare_picture(self, path: Path) -> PreparedPicture | Reason:
        """Stand in for the decoding: the prepared picture has the digest of the original in it."""
        original = path.read_bytes()
        if self.pictures == "undecodable":
            return Reason(ReasonCode.IMAGE_TRUNCATED, "The HEIC is cut short.")
        content = small_jpeg() + hashlib.sha256(original).digest()
        return PreparedPicture(content, "JPEG", 64, 48, "HEIC", 64, 48, (PrepareReason.FORMAT,))

    def _image_at(self, image_url: str) -> str:
        """Check the presigned address of a submission; return the image's key."""
        return self.checks.check_submitted(image_url)

    def _receive_dead_letters(self, _client: Any, arguments: dict[str, Any]) -> dict[str, Any]:
        """Answer with the visible dead letters, and hide them for the visibility time-out."""
        assert arguments["QueueUrl"].endswith("dead-letters"), arguments
        found = [message for message in self.dead if message.visible_at <= self.now][:10]
        for message in found:
            message.visible_at = self.now + timedelta(seconds=arguments["VisibilityTimeout"])
        return {"Messages": [{"MessageId": "1", "Body": message.body} for message in found]}

    def _start_execution(self, client: Any, arguments: dict[str, Any]) -> dict[str, Any]:
        if not self.machine.start(arguments["name"], arguments["input"]):
            raise refusal("StartExecution", "ExecutionAlreadyExists", 400, client)
        return {"executionArn": arguments["name"], "startDate": self.now}

    def _describe_execution(self, client: Any, arguments: dict[str, Any]) -> dict[str, Any]:
        one = self.machine.executions.get(arguments["executionArn"].rpartition(":")[2])
        if one is None:
            raise refusal("DescribeExecution", "ExecutionDoesNotExist", 400, client)
        return {"status": one.status}

    def _put_events(self, _client: Any, arguments: dict[str, Any]) -> dict[str, Any]:
        for entry in arguments["Entries"]:
            self.checks.on_event(entry)
        return {"FailedEntryCount": 0, "Entries": [{"EventId": "1"}]}

    def _attempt_of(self, image: str) -> int:
        """Check a POST, and return its job's attempt."""
        self.checks.on_post(self.step())
        claimed = [job for job in self.tables.jobs() if job["image"]["key"] == image and job.get("lease_until")]
        self.checks.demand(len(claimed) == 1, f"{image} was claimed by {len(claimed)} jobs")
        days = (claimed[0].get("reserved_day"), self.day_prefix + self.now.date().isoformat())
        late = self.is_slow  # it had its whole time-out, so Lambda has ended it; the simulation only runs it to its end
        self.checks.demand(late or days[0] == days[1], f"reserved on {days[0]} and sent on {days[1]}")
        return int(claimed[0]["attempt"])

    # --- the services ------------------------------------------------------------------------------------------------

    def upload(self, key: str) -> None:
        """Put an image into the bucket, and its event into the queue."""
        self.images.append(key)
        self.queue.append(self.written(key, "PutObject"))

    def copy(self, key: str, *, overtakes: bool = False) -> None:
        """Copy an image onto itself, as a change of its metadata does; its event may be delivered before the earlier ones."""
        self.queue.insert(0 if overtakes else len(self.queue), self.written(key, "CopyObject"))

    def written(self, key: str, reason: str, content: bytes | None = None) -> Message:
        """Write an image, and return its event as a message."""
        usual = HEIC + key.encode() if self.pictures else small_jpeg()
        stored = self.buckets.put("uploads", key, usual if content is None else content, at=self.now)
        sequencer = f"{self.buckets.writes:06}"
        event = object_created("uploads", key, len(stored.content), stored.etag, stored.version_id, sequencer)
        event["detail"]["reason"] = reason
        return Message(json.dumps(event), self.now)

    def run(self, hours: float = 400) -> None:
        """Run the services, SweepJobs every five minutes and the operator's decisions, until nothing is left to do."""
        end = self.now + timedelta(hours=hours)
        while self.now < end:
            while self._run_something_due():
                pass
            if not self.is_quiet():
                self._pass_time(self._midnight() if self._only_held() else self.next_sweep)
            elif self.operator:
                word = self.operator.pop(0)
                if word == "resume":
                    self._repair()  # the operator resumes when it can help
                self.operator_decides(word, OPERATOR_TRIES)
            elif self.notices:
                self._pass_time(min(notice.due for notice in self.notices))
            else:
                return

    def is_quiet(self) -> bool:
        """Whether every image has an ended job without an owed event, and at most late events of executions are undelivered."""
        jobs = self.tables.jobs()
        ended = all(job["status"] in ENDS and not waits(job) for job in jobs)
        whole = len([job for job in jobs if not is_duplicate(job)]) == len(self.images)
        return ended and whole and not (self.queue or self.dead or self.machine.running())

    def _only_held(self) -> bool:
        """Whether only held jobs are left, so that the sweeps until midnight can be skipped."""
        waiting = {job["waiting"] for job in self.tables.jobs() if waits(job)}
        return waiting == {"held"} and not (self.queue or self.dead or self.machine.running() or self.notices)

    def _midnight(self) -> datetime:
        return (self.now + timedelta(days=1)).replace(hour=0, minute=0, second=0)

    def _pass_time(self, until: datetime) -> None:
        """Advance the clock to the next due time, at most to `until`; run SweepJobs if it is due."""
        dues = [one.due for one in self.machine.waiting()] + [message.visible_at for message in self.queue]
        dues += [notice.due for notice in self.notices]
        self.now = max(self.now, min([until, *(due for due in dues if due > self.now)]))
        if self.now >= self.repaired_at:
            self._repair()
        if self.now >= self.next_sweep and not self.is_quiet():
            self._sweep()

    def _repair(self) -> None:
        """End all permanent faults."""
        words = [self.provider.posts, self.provider.polls, self.provider.downloads, *self.faults.values()]
        if any(one.is_permanent for one in words):
            self.now = max(self.now, self.repaired_at)
        for one in words:
            one.repair()

    def _skip_until(self, step: str) -> datetime | None:
        """Return until when a step of the state machine is sure to fail, or None."""
        broken = "PutEvents" in self.faults and self.faults["PutEvents"].is_permanent
        if step == "deliver_video":
            broken = broken or self.provider.downloads.is_permanent or self.provider.polls.is_permanent
        return self.repaired_at if broken else None

    def _run_something_due(self) -> bool:
        due: list[Callable[[], None]] = [
            *(partial(self.deliver, one) for one in self.queue if one.visible_at <= self.now),
            *(partial(self.advance, one) for one in self.machine.waiting() if one.due <= self.now),
            *(partial(self.notify, one) for one in self.notices if one.due <= self.now),
        ]
        if not due:
            return False
        (self.random.choice(due) if self.chaos else due[0])()
        return True

    def duplicate(self, message: Message, seconds: int = 0) -> None:
        """Put a duplicate of a message into the queue."""
        self.queue.append(Message(message.body, self.now + timedelta(seconds=seconds), message.step))

    def wait(self, minutes: int) -> None:
        """Advance the clock, then run SweepJobs."""
        self.now += timedelta(minutes=minutes)
        self._sweep()

    def _sweep(self) -> None:
        """Run SweepJobs, then redrive the dead letters as the operator does."""
        self.next_sweep = self.now + timedelta(minutes=5)
        self._try("sweep_jobs", {})
        for message in self.dead:
            self.queue.append(Message(message.body, self.now, message.step))
        self.dead.clear()

    def deliver(self, message: Message) -> None:
        """Deliver a message to its step. It stays in the queue unless the function returns."""
        message.receives += 1
        visibility = VISIBILITY[message.step]
        message.visible_at = self.now + visibility
        if self.chaos and self.random.random() < 0.15:
            self.duplicate(message, self.random.choice([0, 1, round(visibility.total_seconds()) + 40]))
        event = from_queue(json.loads(message.body))
        event["Records"][0]["attributes"]["ApproximateReceiveCount"] = str(message.receives)
        if self._try(message.step, event):
            self.queue.remove(message)
        elif message.receives >= MAX_RECEIVES[message.step]:
            self.queue.remove(message)
            message.visible_at = self.now
            self.dead.append(message)

    def advance(self, one: Execution) -> None:
        """Run the current task of an execution."""
        self.machine.step(one)
        self.check_always()

    def _execution_ended(self, one: Execution) -> None:
        word = self.random.choice(NOTICES) if self.chaos else self.notice_words.next()
        if word == "dropped":
            return
        notice = Notice(_ended_event(one), self.now + (LATE if word == "late" else timedelta(seconds=1)))
        self.notices.append(notice)
        if word == "twice":
            self.notices.append(Notice(notice.event, self.now + LATE))

    def notify(self, notice: Notice) -> None:
        """Deliver the rule's event to ReportFailure, asynchronously: Lambda tries it three times."""
        notice.tries += 1
        notice.due = self.now + timedelta(minutes=notice.tries)  # longer than the function may take
        if self._try("report_failure", notice.event) or notice.tries >= ASYNC_TRIES:
            self.notices.remove(notice)

    # --- concurrency --------------------------------------------------------------------------------------------------

    def run_concurrently(self, worker: str) -> None:
        """Run a concurrent worker while a function is between two calls."""
        match worker:
            case "duplicate":
                step, event = self.at_work[-1]
                if len(self.at_work) == 1 and step in WIRED:
                    self._try(step, event)
            case "sweep":
                self._try("sweep_jobs", {})
            case "abort":
                self.machine.abort_all()
            case "abort, notified at once":
                before = len(self.notices)
                self.machine.abort_all()
                for notice in self.notices[before:]:
                    self.notify(notice)
            case "redrive":
                self.machine.redrive_all()
            case "notice":
                for one in list(self.machine.executions.values()):
                    if one.bad_ends:
                        self._try("report_failure", _ended_event(one))
            case "resume":
                self.operator_decides("resume")
            case "expire":
                for place in [place for place in self.buckets.objects if place[0] == "prepared"]:
                    del self.buckets.objects[place]
            case "slow" if not self.is_slow:
                self.is_slow = True
                self._run_services_for(TIMEOUT_SECONDS.get(self.step(), max(TIMEOUT_SECONDS.values())))
                self.is_slow = False
        self.calls.begins = False

    def _run_services_for(self, seconds: int) -> None:
        """Run the services for so many seconds."""
        end = self.now + timedelta(seconds=seconds)
        while True:
            while self._run_something_due():
                pass
            if self.now >= end:
                return
            self._pass_time(end if self.is_quiet() else min(end, self.next_sweep))

    def operator_decides(self, word: str, tries: int = 1) -> None:
        """Make the operator's decision about each job that it concerns; repeat it after a crash, which completes it."""
        concerned = "failed" if word == "resume" else "unknown"
        for number in range(len(self.tables.jobs())):
            for repeats in range(tries):
                jobs = self.tables.jobs()
                if number >= len(jobs) or (repeats == 0 and jobs[number]["status"] != concerned):
                    break
                if self._decide(word, jobs[number]):
                    break

    def _decide(self, word: str, job: dict[str, Any]) -> bool:
        """Run one command of the operator; return whether it ended without a crash."""
        job_id = job["job_id"]
        lost = self.provider.lost_id(job["image"]["key"], int(job["attempt"]))
        decisions: dict[str, Callable[[], object]] = {
            "resume": lambda: resume_job().run(job_id),
            "adopt": lambda: lost and settle_unknown().adopt(job_id, lost),
            "adopt another id": lambda: settle_unknown().adopt(job_id, "gen_of_no_job"),
            "abandon": lambda: settle_unknown().abandon(job_id),
            "resubmit": lambda: settle_unknown().resubmit(job_id),
        }
        return self._try("operator", job, decisions[word])

    def _try(self, step: str, event: dict[str, Any], act: Callable[[], object] | None = None) -> bool:
        """Call a function or an operator's command, and check; return whether it returned."""
        try:
            self._invoke(step, event, act)
        except StepFault:
            return False
        finally:
            self.check_always()
        return True

    def _invoke(self, step: str, event: dict[str, Any], act: Callable[[], object] | None = None) -> Any:
        """Call a function as Lambda does. Raises StepFault if it raised or crashed."""
        self.at_work.append((step, event))
        self.calls.begins = True
        try:
            return act() if act is not None else call(step, event)
        except ActionNotAllowed:
            return None
        except Crash as crash:
            self.forget_processes()
            raise StepFault(str(crash)) from crash
        except Exception as error:
            raise StepFault(json.dumps({"errorType": type(error).__name__, "errorMessage": str(error)})) from error
        finally:
            self.at_work.pop()

    def step(self) -> str:
        """Return the step that runs now, or `none`."""
        return self.at_work[-1][0] if self.at_work else "none"

    # --- what must be true --------------------------------------------------------------------------------------------

    def check_always(self) -> None:
        """Check what must be true at any time."""
        self.checks.always(self.images)

    def check_at_the_end(self) -> None:
        """Check what must be true when nothing is left to do."""
        self.checks.at_the_end(self.images)
        assert self.is_quiet(), "the simulation has not ended"

    def statuses(self) -> set[str]:
        """Return the statuses of all jobs."""
        return {job["status"] for job in self.tables.jobs()}


def _ended_event(one: Execution) -> dict[str, Any]:
    """Return `Step Functions Execution Status Change` as EventBridge sends it."""
    return {
        "source": "aws.states",
        "detail-type": "Step Functions Execution Status Change",
        "detail": {
            "name": one.name,
            "executionArn": f"arn:aws:states:{REGION}:{ACCOUNT}:execution:generate-video:{one.name}",
            "status": one.bad_ends[-1],
            "input": one.input,
            "cause": "it was stopped" if one.bad_ends[-1] == "ABORTED" else "a step failed",
        },
    }
