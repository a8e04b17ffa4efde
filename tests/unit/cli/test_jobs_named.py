"""A job is named by its id, its image's key or address, or its generation's id; what is unclear is said, and nothing is guessed."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import boto3
import pytest

from dropreel.adapters.job_table import JobTable
from dropreel.domain.job import Job, JobStatus
from dropreel_cli.exits import CommandError, Exit
from dropreel_cli.job_lists import JobLists
from dropreel_cli.jobs_named import MOST_CANDIDATES, jobs_named
from tests.integration.conftest import make_table
from tests.support.moto_account import moto_account
from tests.support.sample_jobs import IMAGE, NOON, job_with


@pytest.fixture
def table() -> Iterator[JobTable]:
    with moto_account():
        make_table("jobs")
        yield JobTable(boto3.client("dynamodb"), "jobs")


def put(table: JobTable, number: int, **changes: object) -> Job:
    fields = {
        "job_id": f"{number:024x}",
        "generation_id": f"gen_{number}",
        "created_at": NOON + timedelta(seconds=number),
    }
    job = job_with(**{**fields, **changes})
    bare = table.save(None, replace(job, generation_id=None))
    assert bare is not None
    saved = table.save(bare, replace(bare, generation_id=job.generation_id))
    assert saved is not None
    return saved


def named(table: JobTable, *names: str) -> list[Job]:
    return jobs_named(names, table, JobLists(table.client, table.table))


def test_every_kind_of_name_finds_the_job_once(table: JobTable) -> None:
    job = put(table, 1)
    other = put(table, 2, image=IMAGE._replace(key="Zoë/[red] cup.jpg"))

    names = (job.job_id, "gen_1", "holiday/beach.jpg", "s3://uploads/holiday/beach.jpg")
    for name in names:
        assert named(table, name) == [job]
    assert named(table, *names, "Zoë/[red] cup.jpg") == [job, other]


def test_a_key_of_several_jobs_is_refused_with_the_candidates(table: JobTable) -> None:
    jobs = [put(table, number, status=JobStatus.FAILED) for number in range(3)]

    with pytest.raises(CommandError) as refused:
        named(table, "holiday/beach.jpg")

    assert refused.value.exit_status is Exit.USAGE
    lines = str(refused.value).splitlines()
    assert lines[0] == "'holiday/beach.jpg' names several jobs. Take the id of one:"
    assert [line.split()[0] for line in lines[1:]] == [job.job_id for job in reversed(jobs)]
    assert lines[1].endswith("2026-05-04 12:00:02  failed")


def test_the_address_tells_two_buckets_with_the_same_key_apart(table: JobTable) -> None:
    job = put(table, 1)
    put(table, 2, image=IMAGE._replace(bucket="pictures"))

    assert named(table, "s3://uploads/holiday/beach.jpg") == [job]


def test_at_most_ten_candidates_are_listed(table: JobTable) -> None:
    for number in range(MOST_CANDIDATES + 2):
        put(table, number)

    with pytest.raises(CommandError, match=r"  and more$") as refused:
        named(table, "holiday/beach.jpg")
    assert len(str(refused.value).splitlines()) == MOST_CANDIDATES + 2


@pytest.mark.parametrize(
    "name",
    ["f" * 24, "no such key", "", "s3://uploads/", "x" * 5000, "\udcff", "gen_9", "s3://other/holiday/beach.jpg"],
)
def test_a_name_of_no_job_is_a_wrong_call(table: JobTable, name: str) -> None:
    put(table, 1)

    with pytest.raises(CommandError, match="There is no job '") as refused:
        named(table, name)

    assert refused.value.exit_status is Exit.USAGE
    str(refused.value).encode()


def test_all_wrong_names_are_said_at_once(table: JobTable) -> None:
    with pytest.raises(CommandError) as refused:
        named(table, "one", "\x1b[31mtwo")

    assert [line.split("'")[1] for line in str(refused.value).splitlines()] == ["one", "\\x1b[31mtwo"]
