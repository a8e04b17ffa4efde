"""Scripted faults of the poll."""

import time
from typing import Any

import pytest
import requests

from local.provider_simulator.process import RunningSimulator

from .provider_caller import ProviderCaller


def script(simulator: RunningSimulator, **do: Any) -> None:
    simulator.client.set_faults([{"on": "poll", "times": 1, "do": do}])


@pytest.mark.parametrize("status", [401, 404, 429, 500, 503])
def test_a_status_is_answered_once_and_the_generation_continues(
    simulator: RunningSimulator, provider: ProviderCaller, finished: dict[str, Any], status: int
) -> None:
    script(simulator, kind="status", status=status)

    assert provider.poll(finished["id"]).status_code == status
    assert provider.poll(finished["id"]).json()["status"] == "completed"


def test_a_cut_connection_gives_no_answer(
    simulator: RunningSimulator, provider: ProviderCaller, finished: dict[str, Any]
) -> None:
    script(simulator, kind="cut")

    with pytest.raises(requests.ConnectionError):
        provider.poll(finished["id"])


def test_silence_gives_no_answer(
    simulator: RunningSimulator, provider: ProviderCaller, finished: dict[str, Any]
) -> None:
    script(simulator, kind="silence", seconds=5)

    with pytest.raises(requests.ReadTimeout):
        provider.poll(finished["id"], timeout=0.2)


def test_a_delay_answers_late_but_as_usual(
    simulator: RunningSimulator, provider: ProviderCaller, finished: dict[str, Any]
) -> None:
    script(simulator, kind="delay", seconds=0.2)

    began = time.monotonic()
    answer = provider.poll(finished["id"])

    assert time.monotonic() - began >= 0.2
    assert answer.json()["status"] == "completed"


@pytest.mark.parametrize(
    ("body", "text"), [({"status": "paused"}, '{"status": "paused"}'), ({}, "{}"), ("<html>", "<html>")]
)
def test_another_answer_is_sent_with_200(
    simulator: RunningSimulator, provider: ProviderCaller, finished: dict[str, Any], body: Any, text: str
) -> None:
    script(simulator, kind="answer", body=body)

    answer = provider.poll(finished["id"])

    assert (answer.status_code, answer.text) == (200, text)


def test_a_completed_generation_returns_exactly_the_scripted_address(
    simulator: RunningSimulator, provider: ProviderCaller
) -> None:
    script(simulator, kind="result_url", url="http://169.254.169.254/latest/meta-data")

    progress = provider.wait_until_ended(provider.submit().json()["id"])

    assert progress["result"] == {"url": "http://169.254.169.254/latest/meta-data"}


def test_an_expired_address_is_forbidden_and_the_next_one_is_valid(
    simulator: RunningSimulator, provider: ProviderCaller
) -> None:
    script(simulator, kind="expired_url")

    progress = provider.wait_until_ended(provider.submit().json()["id"])
    expired = provider.download(progress["result"]["url"])
    fresh = provider.download(provider.poll(progress["id"]).json()["result"]["url"])

    assert (expired.status_code, expired.json()["error"]["code"]) == (403, "expired")
    assert fresh.status_code == 200


def test_polls_before_the_end_do_not_use_up_a_fault_of_the_address(
    simulator: RunningSimulator, provider: ProviderCaller
) -> None:
    simulator.client.set_pace(processing_seconds=0.3)
    script(simulator, kind="result_url", url="http://elsewhere.example/v.mp4")
    generation_id = provider.submit().json()["id"]

    assert provider.poll(generation_id).json()["status"] == "processing"
    assert provider.wait_until_ended(generation_id)["result"]["url"] == "http://elsewhere.example/v.mp4"
