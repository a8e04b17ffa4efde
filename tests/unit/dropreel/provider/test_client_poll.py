"""What the provider's client makes of the answer to a poll."""

import pytest

from dropreel.provider.poll_answers import Finished, GenerationFailed, InProgress, PollFault
from tests.support.provider_calls import CUTS, UNREADABLE, poll
from tests.support.scripted_server import ScriptedServer


@pytest.mark.parametrize("status", ["created", "processing"])
def test_an_unfinished_generation_is_in_progress(server: ScriptedServer, status):
    server.answers(200, {"id": "gen_1", "status": status})

    assert poll(server.base_url) == InProgress(status)


def test_a_completed_generation_has_a_url(server: ScriptedServer):
    server.answers(200, {"status": "completed", "result": {"url": "https://cdn.example/v.mp4?sig=1"}})

    assert poll(server.base_url) == Finished("https://cdn.example/v.mp4?sig=1")


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"error": "no faces"}, "no faces"),
        ({"error": {"code": "moderation", "message": "no faces"}}, "moderation: no faces"),
        ({"error": None, "message": "no faces"}, "no faces"),
        ({"error": None, "failure_reason": "no faces"}, "no faces"),
        ({"error": {"detail": [{"loc": ["image"], "msg": "no faces"}]}}, "image: no faces"),
        ({}, "the provider gave no reason"),
        ({"prompt": "an unsafe road", "error": None}, "the provider gave no reason"),
    ],
)
def test_a_failed_generation_has_the_providers_error_text(server: ScriptedServer, fields, text):
    server.answers(200, {"status": "failed", **fields})

    assert poll(server.base_url) == GenerationFailed(text)


@pytest.mark.parametrize("status", [400, 401, 403, 404, 429, 500, 503, 302, 204])
def test_a_poll_with_another_status_than_200_is_a_fault(server: ScriptedServer, status):
    server.answers(status, b"", Location=f"{server.base_url}/elsewhere")

    answer = poll(server.base_url)

    assert isinstance(answer, PollFault)
    assert answer.status_code == status
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    ("status", "body", "fault"),
    [
        (
            502,
            b"<html><h1>Bad Gateway</h1></html>",
            PollFault("the provider answered 502: Bad Gateway", 502, "Bad Gateway"),
        ),
        (401, {"error": "no such key"}, PollFault("the provider answered 401: no such key", 401, "no such key")),
        (402, b"", PollFault("the provider answered 402", 402, None, no_balance=True)),
        (
            429,
            {"msg": "Out of credits"},
            PollFault("the provider answered 429: Out of credits", 429, "Out of credits", True),
        ),
        (429, {"msg": "Slow down"}, PollFault("the provider answered 429: Slow down", 429, "Slow down")),
        (500, {"msg": "Out of credits"}, PollFault("the provider answered 500: Out of credits", 500, "Out of credits")),
        (
            200,
            {"code": 1, "msg": "try later"},
            PollFault("the provider answered the unknown status 'None': 1: try later", 200, "1: try later"),
        ),
    ],
)
def test_a_poll_fault_keeps_the_providers_error_text(server: ScriptedServer, status, body, fault):
    server.answers(status, body)

    assert poll(server.base_url) == fault


def test_a_polls_error_text_is_cut_to_fit_the_job(server: ScriptedServer):
    server.answers(500, b"so " * 5000)

    answer = poll(server.base_url)

    assert isinstance(answer, PollFault)
    assert len(answer.message) < 350


@pytest.mark.parametrize("name", UNREADABLE)
def test_a_poll_that_cannot_be_read_is_a_fault(server: ScriptedServer, name):
    server.answers(200, UNREADABLE[name])

    assert isinstance(poll(server.base_url), PollFault)


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"status": "paused"},
        {"status": None},
        {"status": 1},
        {"status": ["failed"]},
        {"status": "FAILED"},
        {"status": "x" * 100_000},
        {"status": "completed"},
        {"status": "completed", "result": None},
        {"status": "completed", "result": "https://cdn.example/v.mp4"},
        {"status": "completed", "result": {"url": ""}},
        {"status": "completed", "result": {"url": 5}},
    ],
)
def test_an_undocumented_state_is_a_fault(server: ScriptedServer, body):
    server.answers(200, body)

    answer = poll(server.base_url)

    assert isinstance(answer, PollFault)
    assert len(answer.message) < 200


@pytest.mark.parametrize("name", CUTS)
def test_a_poll_that_breaks_off_is_a_fault(server: ScriptedServer, name):
    sends, resets = CUTS[name]
    server.plays(sends, resets=resets)

    assert isinstance(poll(server.base_url), PollFault)


def test_a_poll_that_is_not_answered_in_time_is_a_fault(server: ScriptedServer):
    server.plays(hangs=True)

    assert isinstance(poll(server.base_url), PollFault)


@pytest.mark.parametrize("host", ["127.0.0.1:1", "does-not-exist.invalid"])
def test_a_poll_of_an_unreachable_provider_is_a_fault(host):
    assert isinstance(poll(f"http://{host}"), PollFault)
