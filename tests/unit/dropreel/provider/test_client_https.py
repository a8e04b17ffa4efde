"""The provider's client over https."""

import socket

import pytest

from dropreel.provider import client
from dropreel.provider.poll_answers import PollFault
from dropreel.provider.submit_answers import Accepted, NotSent, Unknown
from tests.support.deadlines import record_deadlines
from tests.support.provider_calls import ACCEPTED, KEY, OPEN_HEAD, SLOW, TOO_SLOW, answered, long_timeouts, poll, submit
from tests.support.scripted_server import ScriptedServer


def address(server: ScriptedServer) -> str:
    return f"https://localhost:{server.port}"


def test_the_key_is_sent_to_the_host_of_the_certificate(https):
    server = https("localhost")
    server.answers(200, ACCEPTED)

    assert submit(address(server)) == Accepted("gen_1", "created")
    assert server.requests[0].headers["authorization"] == f"Bearer {KEY}"


def test_the_key_is_not_sent_if_the_certificate_is_for_another_name(https):
    server = https("api.nohuman.studio.evil")
    server.answers(200, ACCEPTED)

    assert isinstance(submit(address(server)), NotSent)
    assert isinstance(poll(address(server)), PollFault)
    assert (server.connections, server.requests) == (2, [])


@pytest.mark.parametrize("name", SLOW)
def test_a_slow_answer_over_https_may_have_been_paid(https, name, monkeypatch):
    long_timeouts(monkeypatch)
    deadlines = record_deadlines(monkeypatch, client)
    server = https("localhost")
    server.plays(*SLOW[name])
    server.sent = deadlines.expire_soon

    assert submit(address(server)) == Unknown("the provider's answer took longer than 45 seconds")
    assert server.played_out == 0


def test_an_answer_over_https_cut_by_the_deadline_is_not_accepted(https, monkeypatch):
    long_timeouts(monkeypatch)
    deadlines = record_deadlines(monkeypatch, client)
    server = https("localhost")
    server.plays(answered(OPEN_HEAD, ACCEPTED), hangs=True)
    server.sent = deadlines.expire_soon

    assert submit(address(server)) == Unknown("the provider's answer took longer than 45 seconds")
    assert server.played_out == 0


@pytest.mark.usefixtures("_short_deadline")
def test_a_handshake_cut_by_the_deadline_was_never_sent():
    with socket.create_server(("127.0.0.1", 0)) as silent:
        base_url = f"https://127.0.0.1:{silent.getsockname()[1]}"

        assert isinstance(submit(base_url), NotSent)
        assert poll(base_url) == PollFault(TOO_SLOW)
