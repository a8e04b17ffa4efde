"""How a job is saved, read and counted: in moto with the template's tables, and in the in-memory tables."""

from collections.abc import Iterator
from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from botocore.stub import Stubber
from hypothesis import given, settings
from hypothesis import strategies as st

from dropreel.adapters.job_table import JobTable, item_of, key_of
from dropreel.domain.events import event_id, mark_published
from dropreel.domain.images import Image, Prepared, PrepareReason
from dropreel.domain.job import (
    OPERATOR,
    PUBLISHING,
    Charge,
    EventType,
    Job,
    JobStatus,
    PollFaultNote,
    VideoObject,
    dead_letter,
    fail,
    hold,
    prepare,
    requeue,
    resume,
)
from dropreel.domain.next_steps import next_step
from dropreel.domain.options import Options
from dropreel.domain.reasons import Reason, ReasonCode
from tests.support.memory_dynamodb import MemoryDynamoDB
from tests.support.sample_jobs import IMAGE, NOON, PREPARED, job_with
from tests.support.sample_transitions import full_job

LATER = NOON + timedelta(minutes=5)
TIMED_OUT = Reason(ReasonCode.TIMED_OUT, "too late")
DEAD_LETTER = Reason(ReasonCode.DEAD_LETTER, "It could not be processed.")


@pytest.fixture
def table(dynamodb: Any) -> JobTable:
    return JobTable(dynamodb, "jobs")


@pytest.fixture
def stubbed() -> Iterator[Any]:
    client = boto3.client("dynamodb", "us-east-1", aws_access_key_id="test", aws_secret_access_key="test")
    with Stubber(client) as stubber:
        yield stubber


def saved(table: JobTable, before: Job | None, after: Job) -> Job:
    """Save what must be saved."""
    found = table.save(before, after)
    assert found is not None
    return found


def new(table: JobTable, **changes: Any) -> Job:
    """Let the table hold a job."""
    return saved(table, None, job_with(**changes))


def stored(table: JobTable, job: Job) -> Job:
    found = table.get(job.job_id)
    assert found is not None
    return found


def item(table: JobTable, job: Job) -> dict[str, Any]:
    """A job's row as DynamoDB has it."""
    found: dict[str, Any] = table.client.get_item(TableName="jobs", Key=key_of(job.job_id, "job"), ConsistentRead=True)[
        "Item"
    ]
    return found


def waiting(table: JobTable, *whats: str, until: datetime = LATER) -> list[list[str]]:
    return [list(table.waiting(what, until)) for what in whats]


# --- saving -------------------------------------------------------------------------------------------------------------


def test_a_new_job_is_saved_as_its_first_version(table: JobTable):
    job = job_with()

    assert table.save(None, job) == replace(job, version=1)
    assert table.get(job.job_id) == replace(job, version=1)


def test_a_job_that_was_never_saved_is_not_there(table: JobTable):
    assert table.get("0" * 24) is None


def test_a_job_that_exists_is_not_received_again(table: JobTable):
    there = new(table, status=JobStatus.GENERATING)

    assert table.save(None, job_with(status=JobStatus.DEFERRED)) is None
    assert stored(table, there) == there


def test_whoever_saves_first_wins_and_the_other_writes_nothing(table: JobTable):
    read = new(table, status=JobStatus.DEFERRED, generation_id=None)

    first = table.save(read, requeue(read, LATER))
    second = table.save(read, hold(read, TIMED_OUT, LATER))

    assert first == stored(table, read)
    assert (first.version, first.requeues) == (2, 1)
    assert second is None


def test_a_save_depends_on_the_version_alone(table: JobTable):
    read = new(table)
    outdated = replace(
        read, status=JobStatus.HELD, attempt=9, requeues=8, resumes=7, lease_until=LATER, reason=TIMED_OUT
    )

    done = saved(table, outdated, replace(outdated, warnings=("small",)))

    assert stored(table, read) == replace(read, version=2, warnings=("small",))
    assert done.version == 2


@pytest.mark.parametrize("version", [0, 2, 10])
def test_a_job_of_another_version_is_not_saved(table: JobTable, version):
    there = new(table)

    assert table.save(replace(there, version=version), replace(there, warnings=("small",))) is None
    assert stored(table, there) == there


def test_a_job_that_is_gone_is_not_saved(table: JobTable):
    job = job_with(version=1)

    assert table.save(job, replace(job, warnings=("small",))) is None
    assert table.get(job.job_id) is None


@pytest.mark.parametrize("status", [JobStatus.GENERATING, JobStatus.FAILED])
def test_polls_that_were_counted_meanwhile_are_not_lost_by_a_save(table: JobTable, status):
    """One save of a single row, and one of several in a transaction."""
    read = new(table, reserved_day="2026-05-04")
    table.count_poll(read, LATER, provider_status="processing")
    table.count_poll(read, LATER, fault="the provider answered 500")
    after = fail(read, TIMED_OUT, LATER) if status is JobStatus.FAILED else replace(read, warnings=("small",))

    saved(table, read, after)

    found = stored(table, read)
    assert (found.status, found.polls, found.poll_faults) == (status, 2, 1)
    assert found.provider_status == "processing"
    assert found.last_fault == PollFaultNote("the provider answered 500", LATER)


def test_what_is_none_is_no_attribute(table: JobTable):
    job = new(
        table, status=JobStatus.HELD, reason=TIMED_OUT, retry_at=LATER, pending_events=frozenset({EventType.HELD})
    )
    removed = {"reason", "next_step", "retry_at", "pending_events"}
    assert removed <= set(item(table, job))

    saved(table, job, replace(job, reason=None, retry_at=None, pending_events=frozenset()))

    assert removed.isdisjoint(item(table, job))
    assert {"NULL": True} not in item(table, job).values()
    assert (stored(table, job).reason, stored(table, job).pending_events) == (None, frozenset())


def test_an_ended_job_that_owes_nothing_is_in_no_index(table: JobTable):
    job = new(table, status=JobStatus.COMPLETED)

    assert "waiting" not in item(table, job)


def test_an_item_has_the_jobs_fields_the_indexes_keys_and_the_next_step():
    names = {each.name for each in fields(Job)} - {"job_id", "version"}

    assert set(item_of(job_with())) == {*names, "waiting", "listed", "image_key", "next_step"}


@pytest.mark.parametrize("status", sorted(set(JobStatus) - {JobStatus.COMPLETED, JobStatus.FAILED, JobStatus.REJECTED}))
def test_a_rehearsal_that_could_be_submitted_is_unreadable_before_0_2_0(table: JobTable, status: JobStatus):
    job = new(table, status=status, rehearsal=True, charge=Charge.UNKNOWN)

    assert item(table, job)["charge"] == {"S": "rehearsal-unknown"}  # 0.1.0 knows none, charged and unknown
    assert stored(table, job) == job


@pytest.mark.parametrize("status", [JobStatus.COMPLETED, JobStatus.FAILED, JobStatus.REJECTED])
def test_a_rehearsal_that_has_ended_is_readable_by_every_release(table: JobTable, status: JobStatus):
    waiting = new(table, status=JobStatus.GENERATING, rehearsal=True, charge=Charge.CHARGED)

    ended = saved(table, waiting, replace(waiting, status=status))

    assert item(table, ended)["charge"] == {"S": "charged"}
    assert stored(table, ended) == ended


@pytest.mark.parametrize(
    ("operation", "call"),
    [
        ("get_item", lambda table: table.get("a" * 24)),
        ("get_item", lambda table: table.holder_of("gen_1")),
        ("update_item", lambda table: table.save(None, job_with(generation_id=None))),
        ("transact_write_items", lambda table: table.save(None, job_with())),
        ("update_item", lambda table: table.count_poll(job_with(), LATER)),
        ("delete_item", lambda table: table.discard(job_with())),
        ("query", lambda table: table.history("a" * 24)),
        ("query", lambda table: list(table.waiting("held", LATER))),
    ],
)
def test_a_fault_of_dynamodb_is_no_answer(stubbed: Any, operation, call):
    stubbed.add_client_error(operation, "AccessDeniedException")

    with pytest.raises(ClientError, match="AccessDeniedException"):
        call(JobTable(stubbed.client, "jobs"))


# --- a round trip of every field ------------------------------------------------------------------------------------------

TIMES = st.datetimes(timezones=st.just(UTC))
TEXTS = st.text(max_size=8)
REASONS = st.builds(
    Reason, st.sampled_from(ReasonCode), TEXTS, st.lists(TEXTS, max_size=2).map(tuple), st.none() | TEXTS
)
PIXELS = st.none() | st.integers(1, 20_000)
COPIES = st.builds(Prepared, size=st.integers(0, 2**40), width=st.integers(1, 20_000), height=st.integers(1, 20_000))
JOBS = st.builds(
    Job,
    job_id=st.just("a" * 24),
    status=st.sampled_from(JobStatus),
    attempt=st.integers(1, 120),
    image=st.builds(
        Image,
        TEXTS,
        TEXTS,
        *[st.none() | TEXTS] * 2,
        PIXELS,
        *[st.none() | TEXTS] * 2,
        PIXELS,
        PIXELS,
        prepared=st.none() | COPIES,
    ),
    created_at=TIMES,
    updated_at=TIMES,
    version=st.just(0),
    request_id=st.none() | TEXTS,
    request_fingerprint=st.none() | TEXTS,
    is_copy=st.booleans(),
    options=st.none()
    | st.builds(
        Options,
        prompt=TEXTS,
        mode=st.sampled_from(["fast", "hq"]),
        negative_prompt=TEXTS,
        aspect_ratio=st.sampled_from(["16:9", "9:16", "1:1"]),
        duration=st.sampled_from([5, 10]),
        cfg_scale=st.sampled_from([0.0, 0.35, 0.5, 1.0]),
        sound=st.booleans(),
    ),
    option_sources=st.dictionaries(TEXTS, TEXTS, max_size=2),
    warnings=st.lists(TEXTS, max_size=2).map(tuple),
    cost_cents=st.integers(0, 10_000),
    charge=st.sampled_from(Charge),
    reserved_day=st.none() | st.just("2026-05-04"),
    lease_until=st.none() | TIMES,
    requeues=st.integers(0, 10_000),
    retry_at=st.none() | TIMES,
    waiting_since=st.none() | TIMES,
    notices=st.dictionaries(st.sampled_from([EventType.HELD, EventType.DEFERRED]), REASONS),
    submitted_at=st.none() | TIMES,
    generation_id=st.none() | st.sampled_from(["gen_1", "gen_2"]),
    provider_status=st.none() | TEXTS,
    watched_since=st.none() | TIMES,
    resumes=st.integers(0, 99),
    polls=st.integers(0, 10_000),
    poll_faults=st.integers(0, 10_000),
    not_found_since=st.none() | TIMES,
    last_fault=st.none() | st.builds(PollFaultNote, TEXTS, TIMES),
    reason=st.none() | REASONS,
    video=st.none()
    | st.builds(
        VideoObject,
        TEXTS,
        TEXTS,
        st.integers(0, 2**40),
        TEXTS,
        TEXTS,
        st.none() | st.sampled_from([5.0, 5.04]),
        PIXELS,
        PIXELS,
    ),
    pending_events=st.frozensets(st.sampled_from(EventType)),
)
MANY = settings(max_examples=100, deadline=None)


@MANY
@given(JOBS)
def test_any_job_is_read_back_as_it_was_saved(job: Job):
    table = JobTable(MemoryDynamoDB(), "jobs")  # type: ignore[arg-type]

    assert saved(table, None, job) == stored(table, job)


@MANY
@given(JOBS, JOBS)
def test_whatever_changes_of_a_job_is_read_back_as_it_was_saved(before: Job, after: Job):
    table = JobTable(MemoryDynamoDB(), "jobs")  # type: ignore[arg-type]
    read = saved(table, None, before)

    assert saved(table, read, replace(after, version=read.version)) == stored(table, after)


def test_a_job_with_every_field_is_read_back_as_it_was_saved(table: JobTable):
    job = full_job(JobStatus.GENERATING, version=0, pending_events=frozenset({EventType.HELD, EventType.SUBMITTED}))

    assert saved(table, None, job) == stored(table, job)


# --- what the operator reads on it ------------------------------------------------------------------------------------------


def test_a_prepared_image_is_read_back_as_it_was_saved(table: JobTable):
    image = IMAGE._replace(format="HEIC", prepared=PREPARED)

    read = saved(table, None, job_with(status=JobStatus.DEFERRED, image=image, modified_at=NOON))

    found = table.get(read.job_id)
    assert found is not None
    assert (found.image, found.modified_at) == (image, NOON)
    assert found.image.prepared is not None
    assert {type(reason) for reason in found.image.prepared.reasons} == {PrepareReason}


def test_a_job_from_before_images_were_prepared_is_read(table: JobTable):
    job = saved(table, None, job_with(status=JobStatus.DEFERRED))

    found = table.get(job.job_id)

    assert found is not None
    assert (found.image.prepared, found.modified_at) == (None, None)


def test_an_image_that_is_prepared_again_has_none_meanwhile(table: JobTable):
    image = IMAGE._replace(prepared=PREPARED)
    job = saved(table, None, job_with(status=JobStatus.DEFERRED, image=image))

    saved(table, job, prepare(job, LATER))

    found = table.get(job.job_id)
    assert found is not None
    assert (found.status, found.image, found.requeues) == (JobStatus.PREPARING, IMAGE, job.requeues + 1)


def test_what_to_do_next_is_on_the_item_beside_every_reason(table: JobTable):
    failed = new(table, status=JobStatus.FAILED, reason=TIMED_OUT)
    assert item(table, failed)["next_step"] == {"S": next_step(failed)}
    assert "nothing is paid again" in item(table, failed)["next_step"]["S"]

    resumed = saved(table, failed, resume(failed, LATER))
    assert "next_step" not in item(table, failed)

    saved(table, resumed, fail(resumed, Reason(ReasonCode.CONTENT_REFUSED, "x"), LATER))
    assert "change the image or the prompt" in item(table, failed)["next_step"]["S"]


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        (JobStatus.REJECTED, Reason(ReasonCode.IMAGE_FORMAT, "x")),
        (JobStatus.DEFERRED, DEAD_LETTER),
        (JobStatus.DEFERRED, Reason(ReasonCode.GENERATION_FAILED, "x")),
        (JobStatus.HELD, Reason(ReasonCode.DAILY_LIMIT, "x")),
    ],
)
def test_a_job_that_waits_or_has_ended_says_what_to_do(table: JobTable, status, reason):
    job = new(table, status=status, reason=reason, generation_id=None)

    assert item(table, job)["next_step"] == {"S": next_step(job)}


# --- who waits --------------------------------------------------------------------------------------------------------------


def test_who_waits_is_found_oldest_first_and_only_until_a_time(table: JobTable):
    for number, minutes in enumerate([3, 1, 2, 9]):
        held = {"status": JobStatus.HELD, "generation_id": None, "created_at": NOON + timedelta(minutes=minutes)}
        new(table, job_id=f"{number:024}", **held)
    new(table, job_id="f" * 24)

    found = list(table.waiting(JobStatus.HELD, NOON + timedelta(minutes=3)))

    assert found == [f"{number:024}" for number in (1, 2, 0)]


def test_all_pages_of_who_waits_are_read(stubbed: Any):
    last = {"job_id": {"S": "a"}, "row": {"S": "job"}}
    stubbed.add_response("query", {"Items": [{"job_id": {"S": "a"}}], "LastEvaluatedKey": last})
    stubbed.add_response("query", {"Items": [{"job_id": {"S": "b"}}]})

    assert list(JobTable(stubbed.client, "jobs").waiting("held", NOON)) == ["a", "b"]


def test_a_job_is_found_by_what_it_waits_for_as_it_goes_on(table: JobTable):
    failed = new(table, status=JobStatus.FAILED, reason=TIMED_OUT, pending_events=frozenset({EventType.FAILED}))
    lists = (PUBLISHING, JobStatus.FAILED, JobStatus.GENERATING)
    owing = waiting(table, *lists)

    published = saved(table, failed, mark_published(failed, EventType.FAILED, event_id(failed, EventType.FAILED)))
    ended = waiting(table, *lists)
    saved(table, published, resume(published, LATER))

    assert owing == [[failed.job_id], [], []]
    assert ended == [[], [], []]
    assert waiting(table, *lists) == [[], [], [failed.job_id]]


def test_a_dead_letter_waits_for_the_operator_once_published(table: JobTable):
    job = new(table, status=JobStatus.DEFERRED, generation_id=None)
    lists = (JobStatus.DEFERRED, OPERATOR, JobStatus.HELD)

    noted = saved(table, job, dead_letter(job, DEAD_LETTER, NOON))
    owing = waiting(table, *lists)
    marked = saved(table, noted, mark_published(noted, EventType.DEFERRED, event_id(noted, EventType.DEFERRED)))
    published = waiting(table, *lists)
    saved(table, marked, hold(marked, Reason(ReasonCode.DAILY_LIMIT, "x"), LATER))  # its message was sent back

    assert owing == [[job.job_id], [], []]
    assert published == [[], [job.job_id], []]
    assert waiting(table, *lists) == [[], [], [job.job_id]]


# --- polls ------------------------------------------------------------------------------------------------------------------


def test_polls_and_faults_of_two_readers_add_up(table: JobTable):
    read = new(table)
    table.count_poll(read, LATER, provider_status="processing")
    table.count_poll(read, LATER, fault="the provider answered 500")
    table.count_poll(read, LATER)

    found = stored(table, read)
    assert (found.polls, found.poll_faults) == (3, 1)
    assert (found.provider_status, found.updated_at) == ("processing", LATER)
    assert found.last_fault == PollFaultNote("the provider answered 500", LATER)


def test_a_poll_changes_nothing_that_a_save_depends_on(table: JobTable):
    read = new(table)

    table.count_poll(read, LATER, provider_status="processing")

    found = stored(table, read)
    assert found == replace(read, polls=1, provider_status="processing", updated_at=LATER)
    assert found.is_at_same_step(read)


def test_since_when_the_provider_answers_404_is_kept_and_forgotten(table: JobTable):
    job = new(table)

    table.count_poll(job, LATER, fault="the provider answered 404", not_found_since=NOON)
    lost = stored(table, job)
    table.count_poll(job, LATER, fault="the provider answered 404")
    still_lost = stored(table, job)
    table.count_poll(job, LATER, provider_status="processing", not_found_since=None)

    assert (lost.not_found_since, still_lost.not_found_since) == (NOON, NOON)
    assert stored(table, job).not_found_since is None
    assert "not_found_since" not in item(table, job)


@pytest.mark.parametrize(
    "change",
    [{"status": status} for status in JobStatus if status is not JobStatus.GENERATING]
    + [{"generation_id": "gen_2"}, {"generation_id": None}],
)
def test_a_poll_of_a_job_that_has_gone_on_counts_nothing(table: JobTable, change):
    there = new(table, **change)

    table.count_poll(job_with(), LATER, provider_status="failed", fault="x", not_found_since=LATER)

    assert stored(table, there) == there


def test_a_poll_of_a_job_that_is_gone_makes_none(table: JobTable):
    table.count_poll(job_with(), LATER, fault="x")

    assert table.get(job_with().job_id) is None


# --- discarding -------------------------------------------------------------------------------------------------------------


def test_an_unchanged_job_is_discarded(table: JobTable):
    job = new(table, status=JobStatus.DEFERRED)

    assert table.discard(job)
    assert table.get(job.job_id) is None
    assert not table.discard(job)


def test_a_job_that_was_changed_is_not_discarded(table: JobTable):
    read = new(table, status=JobStatus.DEFERRED, generation_id=None)
    now = saved(table, read, requeue(read, LATER))

    assert not table.discard(read)
    assert stored(table, read) == now
