"""The jobs of all open pages: what each look reads, and what it publishes."""

import threading
from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import EndpointConnectionError

from dropreel.domain.job import Job, JobStatus
from dropreel.domain.reasons import Reason, ReasonCode
from dropreel_cli.web.feed import JobFeed, Snapshot
from tests.support.command_stack import CommandStack, command_stack
from tests.support.sample_jobs import IMAGE, job_with
from tests.unit.web.fake_lists import FakeJobLists

NOW = datetime.now(UTC).replace(hour=12)
FULL = Reason(ReasonCode.DAILY_LIMIT, "no room")
ENDED = JobStatus.COMPLETED


def job(number: int, status: JobStatus = JobStatus.GENERATING, hours: float = 0, **changes: Any) -> Job:
    """Return a job that was created so many hours ago."""
    created = NOW - timedelta(hours=hours, seconds=number / 1000)
    image = IMAGE._replace(key=f"{number}.jpg")
    return job_with(job_id=f"{number:024x}", status=status, created_at=created, image=image, **changes)


def numbers(jobs: Any) -> list[int]:
    return [int(each.job_id, 16) for each in jobs]


class Looks:
    """A feed, its table in memory, and all that it has published."""

    def __init__(self, stack: CommandStack, *jobs: Job, max_jobs: int = 10_000) -> None:
        self.table = FakeJobLists(stack.dynamodb, *jobs)
        self.published: list[Snapshot] = []
        self.feed = JobFeed(stack.stack, NOW - timedelta(days=30), lambda: NOW, self.published.append, max_jobs)
        self.feed.lists = self.table  # type: ignore[assignment]

    def look(self) -> Snapshot:
        self.table.read.clear()
        self.feed.look()
        return self.feed.snapshot


@pytest.fixture
def stack(monkeypatch: pytest.MonkeyPatch) -> Iterator[CommandStack]:
    with command_stack(monkeypatch) as made:
        yield made


def test_the_first_look_reads_the_jobs_in_work_first_whatever_their_age(stack: CommandStack) -> None:
    looks = Looks(stack, job(1, ENDED, 1), job(2, ENDED, 24 * 40), job(3, JobStatus.HELD, 24 * 60), job(4))

    snapshot = looks.look()

    assert numbers(snapshot.jobs) == [4, 1, 3]
    assert {int(each, 16) for each in looks.table.read[:2]} == {3, 4}
    assert snapshot.is_whole
    assert snapshot.counts == {JobStatus.HELD: 1, JobStatus.GENERATING: 1, JobStatus.COMPLETED: 1}


def test_a_first_look_at_many_jobs_publishes_them_as_they_are_read(stack: CommandStack) -> None:
    looks = Looks(stack, *(job(number, ENDED) for number in range(250)))

    looks.look()

    assert [len(each.jobs) for each in looks.published] == [100, 200, 250, 250]
    assert [each.is_whole for each in looks.published] == [False, False, False, True]


def test_no_more_than_the_newest_jobs_are_kept(stack: CommandStack) -> None:
    looks = Looks(stack, *(job(number, ENDED, number) for number in range(9)), max_jobs=5)

    assert numbers(looks.look().jobs) == [0, 1, 2, 3, 4]

    looks.table.put(job(10, hours=-0.5))
    assert numbers(looks.look().jobs) == [10, 0, 1, 2, 3]


def test_an_old_job_in_work_is_kept_beside_the_newest_ones(stack: CommandStack) -> None:
    looks = Looks(stack, *(job(number, ENDED, number) for number in range(9)), job(10, JobStatus.HELD, 90), max_jobs=5)

    first = looks.look()

    assert numbers(first.jobs) == [0, 1, 2, 3, 4, 10]
    assert looks.look() is first


def test_a_look_without_news_publishes_nothing(stack: CommandStack) -> None:
    looks = Looks(stack, job(1), job(2, ENDED))
    before = looks.look()
    looks.published.clear()

    assert looks.look() is before
    assert looks.published == []


def test_a_new_job_a_poll_and_an_end_are_seen_and_say_which_jobs_changed(stack: CommandStack) -> None:
    looks = Looks(stack, job(1), job(2), job(3, ENDED))
    first = looks.look()

    looks.table.put(job(4), job(1, polls=1))
    second = looks.look()
    looks.table.put(job(2, ENDED))
    third = looks.look()

    assert {*numbers(second.changed_since(first.version))} == {1, 4}
    assert numbers(third.changed_since(second.version)) == [2]
    assert {*numbers(third.changed_since(first.version))} == {1, 2, 4}
    assert first.by_id[f"{2:024x}"].status is JobStatus.GENERATING, "an older snapshot stays as it was"


def test_a_job_that_is_resumed_elsewhere_is_seen(stack: CommandStack) -> None:
    looks = Looks(stack, job(1, JobStatus.FAILED))
    looks.look()

    looks.table.put(job(1, JobStatus.GENERATING, resumes=1))

    assert looks.look().jobs[0].status is JobStatus.GENERATING


def test_a_look_at_ten_thousand_ended_jobs_reads_few_of_them(stack: CommandStack) -> None:
    looks = Looks(stack, *(job(number, ENDED, number / 100) for number in range(10_000)))
    assert len(looks.look().jobs) == 10_000

    looks.look()

    assert len(looks.table.read) <= 100


def test_waiting_jobs_are_read_again_hundred_by_hundred(stack: CommandStack) -> None:
    looks = Looks(stack, *(job(number, JobStatus.HELD, reason=FULL) for number in range(250)))
    looks.look()
    changed = job(249, JobStatus.HELD, reason=replace(FULL, message="still no room"))
    looks.table.put(changed)

    seen = [looks.look().by_id[changed.job_id] == changed for _ in range(3)]

    assert seen[-1]
    assert all(len(looks.table.read) <= 100 for _ in seen)


def test_an_ended_job_that_another_command_has_changed_is_seen_after_a_while(stack: CommandStack) -> None:
    looks = Looks(stack, *(job(number, ENDED) for number in range(50)))
    looks.look()
    changed = job(7, ENDED, warnings=("redacted",))
    looks.table.put(changed)

    for _ in range(31):
        looks.look()

    assert looks.feed.snapshot.by_id[changed.job_id] == changed


def test_a_fault_of_the_table_is_shown_and_keeps_what_was_read(stack: CommandStack) -> None:
    looks = Looks(stack, job(1))
    looks.look()

    looks.table.fault = EndpointConnectionError(endpoint_url="https://dynamodb")
    broken = looks.look()
    looks.table.fault = None
    works = looks.look()

    assert numbers(broken.jobs) == [1]
    assert any("jobs" in fault for fault in broken.board.faults)
    assert not any("jobs" in fault for fault in works.board.faults)


def test_a_job_that_was_just_decided_about_is_published_at_once(stack: CommandStack) -> None:
    looks = Looks(stack, job(1, JobStatus.FAILED))
    looks.look()

    looks.feed.refresh([job(1, JobStatus.GENERATING)])

    assert looks.feed.snapshot.jobs[0].status is JobStatus.GENERATING


def test_a_first_read_that_a_fault_cut_short_is_completed_later(stack: CommandStack) -> None:
    looks = Looks(stack, *(job(number, ENDED, 24) for number in range(250)))
    whole = looks.table.jobs_of_ids

    def cut(ids: Iterable[str]) -> Iterator[Job]:
        for number, each in enumerate(whole(ids)):
            if number == 150:
                raise EndpointConnectionError(endpoint_url="https://dynamodb")
            yield each

    looks.table.jobs_of_ids = cut  # type: ignore[assignment]
    first = looks.look()
    looks.table.jobs_of_ids = whole

    second = looks.look()

    assert (len(first.jobs), len(second.jobs)) == (100, 250)
    assert len(first.board.faults) == 1
    assert second.board.faults == []


def test_a_row_that_cannot_be_read_is_said_and_the_rest_is_shown(stack: CommandStack) -> None:
    jobs = [job(number, ENDED, 24) for number in range(3)]
    stack.put(*jobs)
    later = {"Key": {"job_id": {"S": jobs[1].job_id}, "row": {"S": "job"}}}
    stack.dynamodb.update_item(
        TableName="jobs",
        **later,
        UpdateExpression="SET #status = :later",
        ExpressionAttributeNames={"#status": "status"},
        ExpressionAttributeValues={":later": {"S": "paused"}},
    )
    feed = JobFeed(stack.stack, NOW - timedelta(days=30), lambda: NOW)

    for _ in range(2):
        feed.look()

        assert numbers(feed.snapshot.jobs) == [0, 2]
        assert ["'paused' is not a valid JobStatus" in fault for fault in feed.snapshot.board.faults] == [True]


def test_an_earlier_state_that_arrives_late_does_not_replace_a_later_one(stack: CommandStack) -> None:
    looks = Looks(stack, job(1, JobStatus.FAILED, version=4))
    looks.look()

    looks.feed.refresh([job(1, JobStatus.GENERATING, version=5)])
    looks.feed.refresh([job(1, JobStatus.FAILED, version=4)])

    assert looks.feed.snapshot.jobs[0].status is JobStatus.GENERATING


def test_what_two_threads_publish_at_once_is_all_there(stack: CommandStack) -> None:
    looks = Looks(stack)
    looks.look()
    versions = [looks.feed.snapshot.version]

    def publish(start: int) -> None:
        for number in range(start, start + 100):
            looks.feed.refresh([job(number)])

    threads = [threading.Thread(target=publish, args=(100 * each,)) for each in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    versions += [each.version for each in looks.published if each.version > versions[0]]

    assert len(looks.feed.snapshot.jobs) == 400
    assert len(looks.feed.snapshot.changed_since(versions[0])) == 400
    assert versions == sorted(set(versions))
