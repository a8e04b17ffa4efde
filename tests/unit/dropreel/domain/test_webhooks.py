"""The body and the signature of a webhook, verified by the specification's own library; the delays between deliveries."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from dropreel.domain.errors import SettingsError
from dropreel.domain.events import detail_of
from dropreel.domain.job import EventType
from dropreel.domain.webhooks import LONGEST_SECONDS, MAX_RECEIVES, RETRY_SECONDS, body_of, headers_of, retry_seconds
from tests.support.sample_jobs import job_with

SECRET = "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwMfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
ANOTHER = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oDC2FVsBQIhrscChlQIMV+b5sS"


def event_of(kind: EventType = EventType.COMPLETED, **changes: Any) -> dict[str, Any]:
    detail = detail_of(job_with(**changes), kind, "shop")
    return {"id": "ignored", "detail-type": kind.value, "time": "2026-05-04T12:00:00Z", "detail": detail}


def sent(event: dict[str, Any], secret: str = SECRET, at: datetime | None = None) -> tuple[bytes, dict[str, str]]:
    body = body_of(event)
    return body, headers_of(event, body, secret, int((at or datetime.now(UTC)).timestamp()))


@pytest.mark.parametrize("prefix", ["", "whsec_"])
@pytest.mark.parametrize("kind", list(EventType))
def test_the_library_verifies_every_event(kind: EventType, prefix: str):
    event = event_of(kind)
    body, headers = sent(event, prefix + SECRET)

    verified = Webhook(f"whsec_{SECRET}").verify(body, headers)

    assert verified == {
        "type": kind.value.lower().replace(" ", "."),
        "timestamp": "2026-05-04T12:00:00Z",
        **event["detail"],
    }


def test_the_type_is_the_detail_type_with_dots():
    assert json.loads(body_of(event_of()))["type"] == "video.generation.completed"


def test_the_id_is_the_events_own_at_each_delivery():
    event = event_of()
    earlier, later = (sent(event, at=datetime(2026, 5, 4, hour, tzinfo=UTC)) for hour in (12, 13))

    assert earlier[1]["webhook-id"] == later[1]["webhook-id"] == event["detail"]["metadata"]["id"]
    assert earlier[0] == later[0]
    assert int(later[1]["webhook-timestamp"]) - int(earlier[1]["webhook-timestamp"]) == 3600
    assert earlier[1]["webhook-signature"] != later[1]["webhook-signature"]


def test_the_id_has_no_full_stop_which_separates_what_is_signed():
    assert {"." in event_of(kind)["detail"]["metadata"]["id"] for kind in EventType} == {False}


@pytest.mark.parametrize("minutes", [-6, 6])
def test_a_time_outside_of_the_tolerance_is_refused_by_the_receiver(minutes: int):
    body, headers = sent(event_of(), at=datetime.now(UTC) + timedelta(minutes=minutes))

    with pytest.raises(WebhookVerificationError):
        Webhook(SECRET).verify(body, headers)


def test_another_secret_another_body_and_another_id_are_refused():
    body, headers = sent(event_of())

    for secret, data, changed in (
        (ANOTHER, body, headers),
        (SECRET, body + b" ", headers),
        (SECRET, body, {**headers, "webhook-id": "0" * 32}),
        (SECRET, body, {**headers, "webhook-timestamp": str(int(headers["webhook-timestamp"]) + 1)}),
    ):
        with pytest.raises(WebhookVerificationError):
            Webhook(secret).verify(data, changed)


@pytest.mark.parametrize("secret", [f"{SECRET} {ANOTHER}", f"{ANOTHER}\n{SECRET}\n"])
def test_while_the_secret_is_rotated_both_verify(secret: str):
    body, headers = sent(event_of(), secret)

    assert len(headers["webhook-signature"].split(" ")) == 2
    assert Webhook(SECRET).verify(body, headers) == Webhook(ANOTHER).verify(body, headers)


@pytest.mark.parametrize(
    ("secret", "why"),
    [
        ("", "has 0 bytes"),
        (" ", "has 0 bytes"),
        ("whsec_", "has 0 bytes"),
        ("c2hvcnQ=", "has 5 bytes"),
        ("QUFB" * 22, "has 66 bytes"),
        ("not-base64!", "is not Base64"),
        ("QUFBQ", "is not Base64"),
        ("ключ", "is not Base64"),
        (f"{SECRET} c2hvcnQ=", "has 5 bytes"),
    ],
)
def test_a_secret_that_cannot_be_used_is_refused_and_not_repeated(secret: str, why: str):
    with pytest.raises(SettingsError, match=why) as caught:
        sent(event_of(), secret)

    assert all(part not in str(caught.value) for part in secret.split() if part != "whsec_")


def test_a_body_with_any_text_is_ascii():
    image = job_with().image._replace(key="été/日本 \U0001f600.jpg")
    body, headers = sent(event_of(image=image))

    assert body.isascii()
    assert Webhook(SECRET).verify(body, headers)["data"]["image"]["key"] == "été/日本 \U0001f600.jpg"


def test_the_delays_grow_and_add_up_to_more_than_a_day():
    assert [retry_seconds(receives) for receives in range(1, MAX_RECEIVES)] == list(RETRY_SECONDS)
    assert list(RETRY_SECONDS) == sorted(RETRY_SECONDS)
    assert 24 * 3600 <= sum(RETRY_SECONDS) <= 2 * 24 * 3600
    assert max(RETRY_SECONDS) < 12 * 3600  # SQS counts from the receive on


def test_the_longest_retry_after_fits_into_sqs_and_into_the_queues_retention():
    function_seconds, retention_days = 30, 10

    assert LONGEST_SECONDS + function_seconds < 12 * 3600
    assert retention_days * 86_400 > MAX_RECEIVES * LONGEST_SECONDS


@pytest.mark.parametrize("receives", [MAX_RECEIVES, MAX_RECEIVES + 1])
def test_after_the_last_delivery_a_message_becomes_a_dead_letter_at_once(receives: int):
    assert retry_seconds(receives) == 0
