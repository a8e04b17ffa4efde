"""Polling: the stages of a generation, and the address that a completed one returns."""

import time
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from local.provider_simulator.process import RunningSimulator

from .decoded_video import decode
from .provider_caller import ProviderCaller


def test_a_generation_is_created_then_processing_then_completed(
    simulator: RunningSimulator, provider: ProviderCaller
) -> None:
    simulator.client.set_pace(created_seconds=0.3, processing_seconds=0.3)
    generation_id = provider.submit().json()["id"]

    seen = []
    deadline = time.monotonic() + 10
    while "completed" not in seen and time.monotonic() < deadline:
        status = provider.poll(generation_id).json()["status"]
        seen += [status] if status not in seen else []
        time.sleep(0.02)

    assert seen == ["created", "processing", "completed"]


def test_before_the_end_an_answer_holds_neither_result_nor_error(
    simulator: RunningSimulator, provider: ProviderCaller
) -> None:
    simulator.client.set_pace(created_seconds=0, processing_seconds=60)
    generation_id = provider.submit().json()["id"]

    answer = provider.poll(generation_id).json()

    assert answer == {"id": generation_id, "model": "nohuman-x33", "status": "processing"}


def test_a_change_of_pace_affects_later_submissions_only(simulator: RunningSimulator, provider: ProviderCaller) -> None:
    simulator.client.set_pace(created_seconds=60)
    slow = provider.submit().json()["id"]

    simulator.client.set_pace(created_seconds=0)
    quick = provider.submit().json()["id"]

    assert provider.wait_until_ended(quick)["status"] == "completed"
    assert provider.poll(slow).json()["status"] == "created"


def test_an_unknown_id_is_not_found(provider: ProviderCaller) -> None:
    answer = provider.poll("gen_img2v_unknown000")

    assert answer.status_code == 404
    assert answer.json()["error"]["code"] == "not_found"


def test_a_completed_generation_leads_to_a_video_without_any_key(
    simulator: RunningSimulator, provider: ProviderCaller, finished: dict[str, Any]
) -> None:
    url = finished["result"]["url"]

    answer = provider.download(url)

    assert url.startswith(f"{simulator.base_url}/results/{finished['id']}.mp4?expires=")
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "video/mp4"
    assert answer.headers["Content-Length"] == str(len(answer.content))
    assert decode(answer.content).frame_count == 120
    assert simulator.client.summary()["downloads"] == {finished["id"]: 1}


def test_the_address_is_valid_for_an_hour_by_default(
    simulator: RunningSimulator, provider: ProviderCaller, finished: dict[str, Any]
) -> None:
    simulator.client.set_pace(result_url_seconds=7)
    short_lived = provider.wait_until_ended(provider.submit().json()["id"])

    assert _life_of(finished["result"]["url"]) == pytest.approx(3600, abs=5)
    assert _life_of(short_lived["result"]["url"]) == pytest.approx(7, abs=5)


def test_each_poll_returns_a_new_address(provider: ProviderCaller, finished: dict[str, Any]) -> None:
    later = provider.poll(finished["id"]).json()

    assert later["result"]["url"] != finished["result"]["url"]
    assert provider.download(later["result"]["url"]).ok
    assert provider.download(finished["result"]["url"]).ok


@pytest.mark.parametrize("change", ["signature", "expires", "id", "nothing given"])
def test_an_address_that_was_changed_is_forbidden(
    provider: ProviderCaller, finished: dict[str, Any], change: str
) -> None:
    url = finished["result"]["url"]
    changed = {
        "signature": url[:-1] + ("0" if url[-1] != "0" else "1"),
        "expires": url.replace("expires=", "expires=9"),
        "id": url.replace(finished["id"], "gen_img2v_another000"),
        "nothing given": url.partition("?")[0],
    }[change]

    answer = provider.download(changed)

    assert (answer.status_code, answer.json()["error"]["code"]) == (403, "bad_signature")


def test_many_submissions_of_one_image_share_one_video(simulator: RunningSimulator, provider: ProviderCaller) -> None:
    answers = provider.submit_at_once(20)

    ends = [provider.wait_until_ended(answer.json()["id"]) for answer in answers]

    assert simulator.client.summary()["paid"] == 20
    assert {end["status"] for end in ends} == {"completed"}
    assert len({provider.download(end["result"]["url"]).content for end in ends}) == 1


def _life_of(url: str) -> float:
    return int(parse_qs(urlsplit(url).query)["expires"][0]) - time.time()
