"""What sending a dead letter back does, and what it may cost: from the message and its job."""

import json
from dataclasses import replace
from typing import Any

import pytest

from dropreel.domain.job import Job, JobStatus
from dropreel.domain.messages import Drop, RetryMessage, decode_message
from dropreel.domain.prices import DOCUMENTED, PriceTable
from dropreel_cli.dead_letters import DeadLetter
from dropreel_cli.exits import CommandError, Exit
from dropreel_cli.redrive import Redrivable, chosen_by, read_letters
from tests.support.fake_stack import DROP, JOB_ID, FakeStack
from tests.support.sample_events import load_event
from tests.support.sample_jobs import PRICE, job_with

CURRENT = RetryMessage(JOB_ID, 2, 1)
HIGHEST = 187
MORE = PriceTable.parse("fast-5=0.50 fast-10=1.00 hq-5=1.00 hq-10=2.00")
LESS = PriceTable.parse("fast-5=0.40 fast-10=0.90 hq-5=0.90 hq-10=1.80")


def redrivable(message: Drop | RetryMessage, job: Job | None = None, prices: PriceTable = DOCUMENTED) -> Redrivable:
    return Redrivable(DeadLetter("id", "receipt", "", 0.0), message, JOB_ID, job, prices=prices)


def job(**changes: Any) -> Job:
    return job_with(job_id=JOB_ID, **{"generation_id": None, "attempt": 2, "requeues": 1, **changes})


@pytest.mark.parametrize(
    ("message", "found", "effect", "cents"),
    [
        (CURRENT, job(status=JobStatus.DEFERRED), "is submitted", PRICE),
        (CURRENT, job(status=JobStatus.PREPARING), "is prepared, then submitted", PRICE),
        (RetryMessage(JOB_ID, 2, 0), job(status=JobStatus.PREPARING), "is prepared, then submitted", PRICE),
        (RetryMessage(JOB_ID, 2, 0), job(status=JobStatus.DEFERRED), "changes nothing: the job has a later message", 0),
        (RetryMessage(JOB_ID, 1, 1), job(status=JobStatus.PREPARING), "changes nothing: the job has a later message", 0),
        (CURRENT, job(status=JobStatus.GENERATING), "changes nothing: the job is generating", 0),
        (CURRENT, job(status=JobStatus.COMPLETED), "changes nothing: the job is completed", 0),
        (CURRENT, job(status=JobStatus.UNKNOWN), "changes nothing: the job is unknown", 0),
        (CURRENT, None, "changes nothing: there is no job of it", 0),
        (CURRENT._replace(generation_id="gen_1"), job(status=JobStatus.SUBMITTING),
         "saves generation gen_1, which is paid already", 0),
        (DROP, None, "becomes a job, is validated and submitted", HIGHEST),
        (DROP, job(status=JobStatus.DEFERRED, attempt=1, requeues=0, options=None), "is submitted", HIGHEST),
        (replace(DROP, image=DROP.image._replace(key="folder/image.jpg.json")), None,
         "changes nothing: there is no job of it", 0),
    ],
)  # fmt: skip
def test_the_effect_and_the_cost_of_a_message(message: Any, found: Job | None, effect: str, cents: int) -> None:
    one = redrivable(message, found)

    assert (one.effect, one.may_cost_cents) == (effect, cents)


@pytest.mark.parametrize(("prices", "cents"), [(MORE, 50), (LESS, PRICE)], ids=["up", "down"])
def test_a_changed_price_is_shown_where_it_is_higher(prices: PriceTable, cents: int) -> None:
    assert redrivable(CURRENT, job(status=JobStatus.DEFERRED), prices).may_cost_cents == cents


@pytest.mark.parametrize("status", [JobStatus.DEFERRED, JobStatus.PREPARING])
def test_a_current_message_of_a_job_in_the_submission_queue_does_what_is_said(status: JobStatus) -> None:
    """A message of either queue goes to the submission queue: SubmitGeneration sends that of a preparing job on."""
    stack = FakeStack()
    stack.put_job(status=status, generation_id=None, submitted_at=None, requeues=1)

    stack.run(RetryMessage(JOB_ID, 1, 1))

    assert len(stack.prepare_queue.sent) == (status is JobStatus.PREPARING)
    assert len(stack.provider.sent) == (status is JobStatus.DEFERRED)


def test_reading_finds_every_job_and_creates_none() -> None:
    stack = FakeStack()
    first = load_event("video_generation_requested")
    second = {**first, "detail": {**first["detail"], "options": {"mode": "hq"}}}  # the same request id
    created = stack.find_job.run(decode_message(first))
    bodies = [json.dumps(first), json.dumps(second), json.dumps(CURRENT.as_json()), "no JSON"]
    letters = [DeadLetter(str(number), "", body, 0.0) for number, body in enumerate(bodies)]
    asked = []

    def get_all(job_ids: Any) -> Any:
        asked.append(list(job_ids))
        return [job for job in map(stack.jobs.get, asked[-1]) if job is not None]

    readable, unreadable = read_letters(letters, get_all, stack.jobs.get, DOCUMENTED)

    assert [one.job for one in readable] == [created, None, None]
    assert len({one.job_id for one in readable}) == 3
    assert [one.message_id for one in unreadable] == ["3"]
    assert len(asked) == 1
    assert stack.database.jobs() == [created]


def test_a_name_takes_the_messages_of_one_job() -> None:
    first, copy = (
        redrivable(CURRENT, job(status=JobStatus.DEFERRED)),
        redrivable(CURRENT, job(status=JobStatus.DEFERRED)),
    )
    other = replace(redrivable(RetryMessage("f" * 24, 1, 0)), job_id="f" * 24)
    letters = [first, copy, other]

    for name in (JOB_ID, "holiday/beach.jpg", "s3://uploads/holiday/beach.jpg"):
        assert [one is not other for one in chosen_by([name, name], letters)] == [True, True]
    assert chosen_by(["f" * 24], letters) == [other]
    assert chosen_by([], letters) == letters


def test_a_name_without_a_message_or_with_several_jobs_is_a_wrong_call() -> None:
    first = redrivable(CURRENT, job(status=JobStatus.DEFERRED))
    second = replace(first, job_id="f" * 24, job=replace(job(status=JobStatus.DEFERRED), job_id="f" * 24))

    with pytest.raises(CommandError) as wrong:
        chosen_by(["holiday/beach.jpg", "nothing\x1b"], [first, second])

    assert wrong.value.exit_status is Exit.USAGE
    assert f"names several jobs. Take the id of one: {JOB_ID}, {'f' * 24}." in str(wrong.value)
    assert "No message in the dead-letter queue belongs to 'nothing\\x1b'" in str(wrong.value)
