"""One reader for all open pages: it looks while one is open, and wakes all of them."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import aclosing
from datetime import UTC, datetime, timedelta

import pytest

from dropreel.domain.job import Job, JobStatus
from dropreel_cli.web import updates as updates_module
from dropreel_cli.web.feed import JobFeed, Snapshot
from dropreel_cli.web.updates import Updates
from tests.support.command_stack import CommandStack, command_stack
from tests.support.sample_jobs import job_with
from tests.unit.web.fake_lists import FakeJobLists


class CountedFeed(JobFeed):
    """A feed that counts its looks."""

    looks = 0

    def look(self) -> object:  # type: ignore[override]
        self.looks += 1
        return super().look()


def now() -> datetime:
    return datetime.now(UTC)


@pytest.fixture
def stack(monkeypatch: pytest.MonkeyPatch) -> Iterator[CommandStack]:
    monkeypatch.setattr(updates_module, "poll_seconds", lambda _jobs: 0.05)
    monkeypatch.setattr(updates_module, "HEARTBEAT_SECONDS", 0.1)
    monkeypatch.setattr(updates_module, "_CHECK_SECONDS", 0.01)
    with command_stack(monkeypatch) as made:
        yield made


@pytest.fixture
def feed(stack: CommandStack) -> CountedFeed:
    feed = CountedFeed(stack.stack, now() - timedelta(days=1), now)
    feed.lists = FakeJobLists(stack.dynamodb, job())  # type: ignore[assignment]
    return feed


def job(status: JobStatus = JobStatus.GENERATING, polls: int = 0) -> Job:
    return job_with(created_at=now(), status=status, polls=polls)


async def until(condition: Callable[[], bool]) -> None:
    for _ in range(1000):
        if condition():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("it does not come true")


async def news(stream: AsyncIterator[Snapshot | None]) -> Snapshot:
    async for snapshot in stream:
        if snapshot is not None:
            return snapshot
    raise AssertionError("the stream has ended")


def test_without_a_page_the_stack_is_read_once(feed: CountedFeed) -> None:
    async def run() -> None:
        async with Updates(feed).running():
            await until(lambda: feed.snapshot.is_whole)
            await asyncio.sleep(0.3)

    asyncio.run(run())

    assert feed.looks == 1


def test_every_open_page_gets_each_change_and_the_table_is_read_once_for_all(feed: CountedFeed) -> None:
    async def run() -> tuple[list[Snapshot], int]:
        updates = Updates(feed)
        async with updates.running():
            await until(lambda: feed.snapshot.is_whole)
            version = feed.snapshot.version
            streams = [updates.snapshots(version) for _ in range(20)]
            waiting = [asyncio.create_task(news(stream)) for stream in streams]
            await asyncio.sleep(0.1)
            before = feed.looks
            feed.lists.put(job(polls=1))  # type: ignore[attr-defined]
            found = await asyncio.wait_for(asyncio.gather(*waiting), 5)
            return list(found), feed.looks - before

    found, looks = asyncio.run(run())

    assert {id(each) for each in found} == {id(found[0])}
    assert found[0].jobs[0].polls == 1
    assert looks <= 3


def test_the_more_jobs_are_in_work_the_less_often_the_stack_is_read(
    feed: CountedFeed, stack: CommandStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []

    def poll_seconds(jobs: int) -> float:
        asked.append(jobs)
        return 30.0

    monkeypatch.setattr(updates_module, "poll_seconds", poll_seconds)
    jobs = [job_with(job_id=f"{number:024x}", created_at=now(), status=JobStatus.HELD) for number in range(2_000)]
    feed.lists = FakeJobLists(stack.dynamodb, job(JobStatus.COMPLETED), *jobs)  # type: ignore[assignment]

    async def run() -> None:
        updates = Updates(feed)
        async with updates.running():
            await until(lambda: feed.snapshot.is_whole)
            page = updates.snapshots(0)
            await news(page)
            asked.clear()
            await until(lambda: bool(asked))

    asyncio.run(run())

    assert asked[-1] == 2_000


def test_a_page_that_comes_later_gets_what_it_has_missed(feed: CountedFeed) -> None:
    async def run() -> Snapshot:
        updates = Updates(feed)
        async with updates.running():
            await until(lambda: feed.snapshot.is_whole)
            return await news(updates.snapshots(0))

    snapshot = asyncio.run(run())

    assert [each.status for each in snapshot.changed_since(0)] == [JobStatus.GENERATING]


def test_a_stream_without_news_says_so(feed: CountedFeed) -> None:
    async def run() -> Snapshot | None:
        updates = Updates(feed)
        async with updates.running():
            await until(lambda: feed.snapshot.is_whole)
            async with aclosing(updates.snapshots(feed.snapshot.version)) as stream:  # type: ignore[type-var]
                return await asyncio.wait_for(anext(stream), 5)

    assert asyncio.run(run()) is None


def test_the_end_of_the_server_ends_every_stream(feed: CountedFeed) -> None:
    async def run() -> None:
        updates = Updates(feed)
        async with updates.running():
            await until(lambda: feed.snapshot.is_whole)

            async def follow() -> None:
                async for _ in updates.snapshots(feed.snapshot.version):
                    pass

            pages = [asyncio.create_task(follow()) for _ in range(3)]
            await asyncio.sleep(0.05)
            updates.close()
            await asyncio.wait_for(asyncio.gather(*pages), 2)

    asyncio.run(run())
