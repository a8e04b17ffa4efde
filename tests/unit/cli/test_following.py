"""Following jobs to their end: when the wait ends, and the exit status."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber

from dropreel.domain.images import ImageRef
from dropreel.domain.job import Charge, EventType, Job, JobStatus, job_id_of
from dropreel.domain.reasons import Reason, ReasonCode
from dropreel_cli.drop_output import outcome_lines
from dropreel_cli.exits import Exit
from dropreel_cli.following import Following, cost_text, describe_change, poll_seconds
from dropreel_cli.planning import PlannedImage, Verdict
from dropreel_cli.stack import Stack
from dropreel_cli.uploading import FailedUpload
from tests.support.rows import job_row
from tests.support.sample_jobs import VIDEO, job_with

HELD = Reason(ReasonCode.DAILY_LIMIT, "the limit")
KEY = Reason(ReasonCode.KEY_REFUSED, "the key")


@dataclass
class Table:
    """The job table: what each read finds, the last state for good."""

    reads: list[list[Job]]
    asked: list[list[str]] = field(default_factory=list)
    time: float = 0.0

    def read(self, job_ids: Iterable[str]) -> list[Job]:
        self.asked.append(list(job_ids))
        found = self.reads.pop(0) if len(self.reads) > 1 else self.reads[0]
        return [job for job in found if job.job_id in self.asked[-1]]

    def sleep(self, seconds: float) -> None:
        self.time += seconds

    def follow(self, *job_ids: str, **more: Any) -> Following:
        return Following(self.read, list(job_ids), sleep=self.sleep, monotonic=lambda: self.time, **more)


def job(job_id: str, status: JobStatus, **more: Any) -> Job:
    return job_with(job_id=job_id, status=status, **more)


def test_each_change_is_yielded_and_ended_jobs_are_not_read_again() -> None:
    ended = job("a", JobStatus.COMPLETED, video=VIDEO)
    table = Table([
        [],
        [job("a", JobStatus.GENERATING), job("b", JobStatus.GENERATING)],
        [job("a", JobStatus.GENERATING, polls=2), job("b", JobStatus.GENERATING)],
        [ended, job("b", JobStatus.GENERATING)],
        [job("b", JobStatus.COMPLETED, pending_events=frozenset({EventType.COMPLETED}))],
        [job("b", JobStatus.COMPLETED)],
    ])  # fmt: skip
    following = table.follow("a", "b")

    changes = [(each.job_id, each.status.value) for each in following.changes()]

    assert changes == [("a", "generating"), ("b", "generating"), ("a", "completed"), ("b", "completed")]
    assert table.asked == [["a", "b"]] * 4 + [["b"]] * 2
    assert following.ended_early == ""
    assert following.exit() is Exit.DONE


@pytest.mark.parametrize(
    "left",
    [
        job("b", JobStatus.HELD, reason=HELD),
        job("b", JobStatus.DEFERRED, reason=KEY),
        job("b", JobStatus.DEFERRED, reason=Reason(ReasonCode.DEAD_LETTER, "lost")),
    ],
)
def test_the_wait_ends_where_all_that_is_left_needs_a_person(left: Job) -> None:
    table = Table([[job("a", JobStatus.GENERATING), left], [job("a", JobStatus.FAILED), left]])
    following = table.follow("a", "b")

    list(following.changes())

    assert len(table.asked) == 2
    assert "for the operator" in following.ended_early
    assert following.exit() is Exit.HELD


def test_the_wait_ends_where_the_stack_is_paused_and_nothing_was_submitted() -> None:
    following = Table([[]]).follow("a", is_paused=lambda: True)

    assert list(following.changes()) == []
    assert "the stack is paused" in following.ended_early
    assert following.exit() is Exit.HELD


def test_the_wait_ends_where_nothing_changes_for_long() -> None:
    following = Table([[job("a", JobStatus.GENERATING)]]).follow("a")

    list(following.changes())

    assert "nothing has changed for 30 minutes" in following.ended_early


@pytest.mark.parametrize(
    ("statuses", "expected"),
    [
        ([JobStatus.COMPLETED], Exit.DONE),
        ([JobStatus.COMPLETED, JobStatus.REJECTED], Exit.FAILED),
        ([JobStatus.FAILED, JobStatus.HELD], Exit.HELD),
        ([JobStatus.HELD, JobStatus.UNKNOWN, JobStatus.FAILED], Exit.UNKNOWN),
    ],
)
def test_the_exit_status_is_the_worst(statuses: list[JobStatus], expected: Exit) -> None:
    jobs = [job(str(number), status, reason=HELD) for number, status in enumerate(statuses)]
    following = Table([jobs]).follow(*(each.job_id for each in jobs))
    list(following.changes())

    assert following.exit() is expected


def test_thousands_of_jobs_are_read_less_often() -> None:
    assert [poll_seconds(jobs) for jobs in (1, 100, 500, 10_000)] == [1, 1, 5, 30]


def test_a_change_is_described_with_its_reason_or_video() -> None:
    assert describe_change(job("a", JobStatus.HELD, reason=HELD)) == "held: the limit"
    assert describe_change(job("a", JobStatus.COMPLETED, video=VIDEO)) == f"completed: {VIDEO.key}"


def test_the_cost_of_a_job_counts_its_attempts() -> None:
    assert cost_text(job("a", JobStatus.REJECTED)) == ""
    assert cost_text(job("a", JobStatus.COMPLETED, charge=Charge.CHARGED)) == "0.47"
    assert cost_text(job("a", JobStatus.UNKNOWN, charge=Charge.UNKNOWN)) == "up to 0.47"
    assert cost_text(job("a", JobStatus.COMPLETED, charge=Charge.CHARGED, attempt=2)) == "up to 0.94"


def test_following_reads_the_rows_of_the_jobs_and_never_scans(monkeypatch: pytest.MonkeyPatch) -> None:
    """The Stubber refuses every call but the scripted ones: before the job exists, while it runs, and at its end."""
    session: Any = boto3.Session("test", "test", region_name="eu-central-1")
    client = session.client("dynamodb")
    monkeypatch.setattr(session, "client", lambda *_, **__: client)
    monkeypatch.setattr(session, "resource", lambda *_, **__: pytest.fail("it needs no more than one client"))
    job_id = job_id_of(ImageRef("uploads", "cup.jpg", "v1"))
    key = {"job_id": {"S": job_id}, "row": {"S": "job"}}
    rows = [job_row(job(job_id, status)) for status in (JobStatus.GENERATING, JobStatus.REJECTED)]
    request = {"RequestItems": {"jobs": {"Keys": [key], "ConsistentRead": True}}}
    answers: list[dict[str, Any]] = [{}, *({"jobs": [row]} for row in rows)]
    with Stubber(client) as stubber:
        for answer in answers:
            stubber.add_response("batch_get_item", {"Responses": answer}, request)
        stack = Stack("shop", {"JobsTableName": "jobs"}, session)

        changes = list(Following.of(stack, [job_id], interval=lambda _: 0).changes())

        stubber.assert_no_pending_responses()
    assert [(each.job_id, each.status) for each in changes] == [
        (job_id, JobStatus.GENERATING),
        (job_id, JobStatus.REJECTED),
    ]


def test_the_wait_ends_after_the_most_seconds_although_polls_change() -> None:
    table = Table([[job("a", JobStatus.GENERATING, polls=polls)] for polls in range(20)])
    following = table.follow("a", max_seconds=5)

    list(following.changes())

    assert following.ended_early == "1 of the jobs have not ended within 5 seconds"
    assert table.time == 6


def test_a_wait_that_ended_early_prints_that_the_jobs_continue() -> None:
    following = Table([[job("a", JobStatus.GENERATING)]]).follow("a", quiet_seconds=180)
    list(following.changes())
    stack = Stack("shop", {"VideosBucketName": "shop-videos"}, boto3.Session(region_name="eu-central-1"))
    bare: Any = None

    lines = [text for text, _ in outcome_lines(stack, bare, [], [failed_upload()], following, " --stack shop")]

    printed = "\n".join(lines)
    assert "nothing has changed for 3 minutes. The jobs continue without it" in printed
    assert "s3://shop-videos/" in printed
    assert "The same command waits again, and uploads nothing twice." in printed
    assert "dropreel jobs --stack shop. See what is wrong: dropreel doctor --stack shop" in printed


def failed_upload() -> FailedUpload:
    return FailedUpload(PlannedImage("b.jpg", Verdict.SUBMITTED), "it does not exist any more")
