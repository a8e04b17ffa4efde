"""Mails for people: subject and text, and that many jobs become one mail."""

from dataclasses import replace
from typing import Any

import pytest

from dropreel.domain.events import detail_of
from dropreel.domain.job import Charge, EventType, Job, JobStatus
from dropreel.domain.mails import MAX_LISTED, MAX_SUBJECT, MAX_TEXT, Mail, mails_of, notice_of
from dropreel.domain.reasons import Reason, ReasonCode
from tests.support.sample_jobs import job_with

FAILED = job_with(
    status=JobStatus.FAILED,
    charge=Charge.CHARGED,
    reason=Reason(ReasonCode.TIMED_OUT, "The generation was not finished after 60 minutes."),
)
HELD = job_with(
    status=JobStatus.HELD,
    generation_id=None,
    charge=Charge.NONE,
    reason=Reason(ReasonCode.DAILY_LIMIT, "The day's limit of $50.00 is reached."),
)
RESUME = (
    "Run `dropreel resume 0123456789abcdef01234567`: it continues with the generation that is already paid, and nothing is "
    "paid again."
)


def event_of(job: Job, kind: EventType, stack: str = "dropreel") -> dict[str, Any]:
    return {"detail-type": kind.value, "detail": detail_of(job, kind, stack)}


def mails(*events: dict[str, Any]) -> list[Mail]:
    return mails_of([notice_of(event) for event in events])


def mail(job: Job, kind: EventType, stack: str = "dropreel") -> Mail:
    (only,) = mails(event_of(job, kind, stack))
    return only


def held(count: int) -> list[dict[str, Any]]:
    return [event_of(replace(HELD, job_id=f"{place:024x}"), EventType.HELD) for place in range(count)]


def with_key(key: str) -> Job:
    return replace(FAILED, image=FAILED.image._replace(key=key))


def test_a_mail_says_what_happened_to_what_its_cost_and_what_to_do():
    found = mail(FAILED, EventType.FAILED)

    assert found.subject == "Dropreel dropreel: no video of beach.jpg"
    assert found.text.splitlines() == [
        "Dropreel, stack dropreel: A video was or may have been charged, and there is no video.",
        "",
        "Image: s3://uploads/holiday/beach.jpg",
        "What happened: The generation was not finished after 60 minutes.",
        "Cost: $0.47 was charged.",
        f"What to do: {RESUME}",
        "Details: dropreel show 0123456789abcdef01234567",
    ]


def test_a_mail_about_a_rehearsal_says_that_nothing_is_paid():
    found = mail(replace(FAILED, rehearsal=True), EventType.FAILED)

    assert found.subject == "Dropreel dropreel: rehearsal: no video of beach.jpg"
    first, *_, cost, _, _ = found.text.splitlines()
    assert first.startswith(
        "Dropreel, stack dropreel: Rehearsal, nothing is paid. A video was or may have been charged"
    )
    assert cost == "Cost: $0.47 of rehearsal money was charged."


def test_rehearsals_and_paid_jobs_have_mails_of_their_own():
    events = [event_of(replace(FAILED, rehearsal=rehearsal), EventType.FAILED) for rehearsal in (True, False)]

    assert [("rehearsal" in one.subject, one.places) for one in mails(*events)] == [(True, (0,)), (False, (1,))]


def test_an_event_of_the_first_release_is_no_rehearsal():
    event = event_of(FAILED, EventType.FAILED)
    del event["detail"]["metadata"]["rehearsal"]

    assert "ehearsal" not in "".join(mails(event)[0][:2])


@pytest.mark.parametrize(
    ("kind", "subject"),
    [
        (EventType.FAILED, "no video of beach.jpg"),
        (EventType.REJECTED, "no video of beach.jpg"),
        (EventType.UNKNOWN, "unknown whether beach.jpg was charged"),
        (EventType.HELD, "beach.jpg is held"),
        (EventType.DEFERRED, "beach.jpg is deferred"),
    ],
)
def test_the_subject_names_the_stack_the_image_and_what_it_is_about(kind: EventType, subject: str):
    assert mail(FAILED, kind, "shop").subject == f"Dropreel shop: {subject}"


@pytest.mark.parametrize(
    ("charge", "attempt", "cost"),
    [
        (Charge.NONE, 1, "nothing was charged."),
        (Charge.CHARGED, 1, "$0.47 was charged."),
        (Charge.UNKNOWN, 1, "$0.47 may have been charged."),
        (Charge.CHARGED, 2, "$0.47 was charged for each of up to 2 attempts."),
        (Charge.UNKNOWN, 3, "$0.47 may have been charged for each of up to 3 attempts."),
    ],
)
def test_the_cost_is_in_words(charge: Charge, attempt: int, cost: str):
    job = replace(FAILED, charge=charge, attempt=attempt)

    assert f"\nCost: {cost}\n" in mail(job, EventType.FAILED).text


def test_the_providers_own_words_are_in_it():
    job = replace(FAILED, reason=Reason(ReasonCode.GENERATION_FAILED, "It failed.", provider_error="out of memory"))

    assert "\nThe provider says: out of memory\n" in mail(job, EventType.FAILED).text


def test_commands_name_a_stack_that_is_not_the_default_one():
    assert mail(FAILED, EventType.FAILED, "shop").text.endswith(f"dropreel show {FAILED.job_id} --stack shop\n")


def test_a_job_without_a_reason_has_fewer_lines():
    text = mail(replace(FAILED, reason=None), EventType.FAILED).text

    assert "What happened" not in text
    assert "None" not in text


@pytest.mark.parametrize("kind", [EventType.FAILED, EventType.HELD, EventType.DEFERRED, EventType.UNKNOWN])
def test_a_mail_is_no_json(kind: EventType):
    text = mail(FAILED, kind).text

    assert not set(text) & set('{}[]"')


def test_many_held_jobs_are_one_mail():
    (found,) = mails(*held(500))

    assert found.subject == "Dropreel dropreel: 500 images are held"
    assert found.text.count("\nImage: ") == MAX_LISTED
    assert found.text.endswith("\n\nAnd 480 more. To list them: dropreel jobs --status held\n")
    assert found.places == tuple(range(500))


def test_each_meaning_has_a_mail_of_its_own():
    events = [event_of(FAILED, EventType.FAILED), *held(2), event_of(FAILED, EventType.REJECTED)]

    assert [(one.subject, one.places) for one in mails(*events)] == [
        ("Dropreel dropreel: no video of 2 images", (0, 3)),
        ("Dropreel dropreel: 2 images are held", (1, 2)),
    ]


def test_a_repeated_event_is_counted_once_and_both_messages_end():
    event = event_of(FAILED, EventType.FAILED)

    (found,) = mails(event, event)

    assert found.subject == "Dropreel dropreel: no video of beach.jpg"
    assert found.text.count("Image: ") == 1
    assert found.places == (0, 1)


@pytest.mark.parametrize("name", ["été 日本.jpg", "a\nb.jpg", "a\x00\x7f\x85.jpg", "x" * 900 + ".jpg", "\U0001f600"])
def test_a_subject_is_one_that_sns_takes(name: str):
    subject = mail(with_key(f"in/{name}"), EventType.FAILED).subject

    assert subject.isascii()
    assert subject.isprintable()
    assert len(subject) <= MAX_SUBJECT < 100
    assert subject.startswith("Dropreel dropreel: no video of ")


def test_a_key_in_any_script_is_whole_in_the_text():
    assert "s3://uploads/in/été 日本.jpg\n" in mail(with_key("in/été 日本.jpg"), EventType.FAILED).text


def test_what_is_not_ours_adds_no_line():
    key = "a\nWhat to do: pay again\r\u2028.jpg"

    text = mail(with_key(key), EventType.FAILED).text

    assert len(text.splitlines()) == len(mail(FAILED, EventType.FAILED).text.splitlines())


def test_a_full_mail_is_smaller_than_sns_allows():
    reason = Reason(ReasonCode.GENERATION_FAILED, "\U0001f600" * 5_000, provider_error="\U0001f600" * 5_000)
    job = replace(with_key("\U0001f600" * 250), reason=reason)
    many = [event_of(replace(job, job_id=f"{place:024x}"), EventType.FAILED) for place in range(1000)]

    (found,) = mails(*many)

    assert len(found.text.encode()) < 256 * 1024
    assert "\U0001f600" * MAX_TEXT + " ..." in found.text


@pytest.mark.parametrize("kind", [EventType.SUBMITTED, EventType.COMPLETED])
def test_an_event_that_needs_nobody_has_no_mail(kind: EventType):
    with pytest.raises(KeyError):
        mail(FAILED, kind)
