"""Scripted faults of the submission."""

import time
from typing import Any

import pytest
import requests

from local.provider_simulator.process import RunningSimulator

from .provider_caller import KEY, ProviderCaller


def script(simulator: RunningSimulator, **do: Any) -> None:
    simulator.client.set_faults([{"on": "submit", "times": 1, "do": do}])


def test_a_status_is_answered_with_its_headers_and_nothing_is_charged(
    simulator: RunningSimulator, provider: ProviderCaller
) -> None:
    script(simulator, kind="status", status=429, headers={"Retry-After": "3"})

    answer = provider.submit()

    assert (answer.status_code, answer.headers["Retry-After"]) == (429, "3")
    assert answer.json()["error"]["code"] == "scripted"
    [recorded] = simulator.client.submissions()
    assert (recorded["status_code"], recorded["paid"], recorded["id"]) == (429, False, None)


@pytest.mark.parametrize(("body", "text"), [("gateway trouble", "gateway trouble"), ({"a": [1]}, '{"a": [1]}')])
def test_the_body_of_a_status_may_be_text_or_json(
    simulator: RunningSimulator, provider: ProviderCaller, body: Any, text: str
) -> None:
    script(simulator, kind="status", status=502, body=body)

    answer = provider.submit()

    assert (answer.status_code, answer.text) == (502, text)


@pytest.mark.parametrize(
    ("content_type", "charset"),
    [(None, "utf-8"), ("text/html; charset=iso-8859-1", "iso-8859-1"), ("text/html", "utf-8")],
)
def test_the_body_of_a_status_is_in_the_charset_of_its_type(
    simulator: RunningSimulator, provider: ProviderCaller, content_type: str | None, charset: str
) -> None:
    script(simulator, kind="status", status=502, body="<h1>Größe</h1>", content_type=content_type)

    answer = provider.submit()

    assert answer.headers["Content-Type"] == (content_type or "text/plain; charset=utf-8")
    assert answer.content == "<h1>Größe</h1>".encode(charset)


@pytest.mark.parametrize("kind", [{"kind": "status", "status": 400}, {"kind": "answer"}])
def test_a_body_may_repeat_what_was_sent(
    simulator: RunningSimulator, provider: ProviderCaller, image_url: str, kind: dict[str, Any]
) -> None:
    script(simulator, **kind, body={"error": ["403 for {image_url}", {"key": "{api_key}"}], "retry_after": 3})

    answer = provider.submit()

    assert answer.json() == {"error": [f"403 for {image_url}", {"key": KEY}], "retry_after": 3}


def test_a_failure_may_repeat_the_images_address(
    simulator: RunningSimulator, provider: ProviderCaller, image_url: str
) -> None:
    script(simulator, kind="fail", error={"message": "403 for {image_url}"})

    progress = provider.wait_until_ended(provider.submit().json()["id"])

    assert progress["error"] == {"message": f"403 for {image_url}"}


def test_a_500_may_come_after_charging(simulator: RunningSimulator, provider: ProviderCaller) -> None:
    script(simulator, kind="status", status=500, paid=True)

    answer = provider.submit()

    [recorded] = simulator.client.submissions()
    assert answer.status_code == recorded["status_code"] == 500
    assert (recorded["paid"], recorded["price_cents"]) == (True, 47)
    assert provider.wait_until_ended(recorded["id"])["status"] == "completed"


@pytest.mark.parametrize("paid", [False, True])
def test_a_cut_connection_gives_no_answer_and_is_charged_only_if_scripted(
    simulator: RunningSimulator, provider: ProviderCaller, paid: bool
) -> None:
    script(simulator, kind="cut", paid=paid)

    with pytest.raises(requests.ConnectionError):
        provider.submit()

    [recorded] = simulator.client.submissions()
    assert (recorded["status_code"], recorded["paid"], recorded["id"] is not None) == (None, paid, paid)
    assert provider.submit().status_code == 200


@pytest.mark.parametrize("paid", [False, True])
def test_silence_lasts_longer_than_the_clients_time_out(
    simulator: RunningSimulator, provider: ProviderCaller, paid: bool
) -> None:
    script(simulator, kind="silence", seconds=5, paid=paid)

    with pytest.raises(requests.ReadTimeout):
        provider.submit(timeout=0.2)

    [recorded] = simulator.client.submissions()
    assert (recorded["status_code"], recorded["paid"]) == (None, paid)


def test_silence_ends_with_a_closed_connection(simulator: RunningSimulator, provider: ProviderCaller) -> None:
    script(simulator, kind="silence", seconds=0.3)

    began = time.monotonic()
    with pytest.raises(requests.ConnectionError):
        provider.submit()

    assert 0.3 <= time.monotonic() - began < 20


def test_a_delay_answers_late_but_as_usual(simulator: RunningSimulator, provider: ProviderCaller) -> None:
    script(simulator, kind="delay", seconds=0.3)

    began = time.monotonic()
    answer = provider.submit()

    assert time.monotonic() - began >= 0.3
    assert answer.json()["status"] == "created"
    assert simulator.client.summary()["paid"] == 1


@pytest.mark.parametrize("error", ["content policy", {"code": "nsfw", "details": [1, 2]}, None])
def test_a_generation_fails_with_the_scripted_error(
    simulator: RunningSimulator, provider: ProviderCaller, error: Any
) -> None:
    script(simulator, kind="fail", error=error)

    progress = provider.wait_until_ended(provider.submit().json()["id"])

    assert (progress["status"], progress["error"]) == ("failed", error)
    assert "result" not in progress
    assert simulator.client.summary()["paid"] == 1


def test_a_stuck_generation_stays_processing(simulator: RunningSimulator, provider: ProviderCaller) -> None:
    usual = provider.submit().json()["id"]
    script(simulator, kind="stuck")

    stuck = provider.submit().json()["id"]

    assert provider.wait_until_ended(usual)["status"] == "completed"
    assert provider.poll(stuck).json()["status"] == "processing"


@pytest.mark.parametrize(("body", "text"), [({"status": "created"}, '{"status": "created"}'), ("<html>", "<html>")])
def test_another_answer_is_sent_with_200_and_is_charged(
    simulator: RunningSimulator, provider: ProviderCaller, body: Any, text: str
) -> None:
    script(simulator, kind="answer", body=body)

    answer = provider.submit()

    assert (answer.status_code, answer.text) == (200, text)
    assert simulator.client.summary()["paid"] == 1


def test_another_answer_may_be_free(simulator: RunningSimulator, provider: ProviderCaller) -> None:
    script(simulator, kind="answer", body={"queued": True}, paid=False)

    assert provider.submit().json() == {"queued": True}
    assert simulator.client.summary()["paid"] == 0


def test_an_invalid_request_is_refused_whatever_the_fault_rules(
    simulator: RunningSimulator, provider: ProviderCaller
) -> None:
    script(simulator, kind="status", status=503)

    assert provider.submit(duration=6).status_code == 400
    assert provider.submit().status_code == 503
