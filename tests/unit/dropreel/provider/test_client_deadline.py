"""The deadline of a whole submission or poll."""

import pytest

from dropreel.provider import client
from dropreel.provider.client import ProviderClient
from dropreel.provider.poll_answers import InProgress, PollFault
from dropreel.provider.submit_answers import Busy, KeyRefused, Refused, Unknown
from tests.support.deadlines import deadline_threads, open_files, open_files_fall_to, record_deadlines
from tests.support.provider_calls import (
    ACCEPTED,
    HEAD,
    KEY,
    OPEN_HEAD,
    SLOW,
    TOO_SLOW,
    answered,
    long_timeouts,
    poll,
    submit,
)
from tests.support.scripted_server import ScriptedServer

STALLED = [b"", b"HTTP/1.1 200", OPEN_HEAD, HEAD, HEAD + b'{"id": "gen_1"']


@pytest.mark.usefixtures("_short_deadline")
@pytest.mark.parametrize("name", SLOW)
def test_a_submission_with_a_slow_answer_may_have_been_paid(server: ScriptedServer, name):
    server.plays(*SLOW[name])

    assert submit(server.base_url) == Unknown(TOO_SLOW)
    assert server.played_out == 0


@pytest.mark.usefixtures("_short_deadline")
@pytest.mark.parametrize("sends", STALLED)
def test_a_submission_with_a_stalled_answer_may_have_been_paid(server: ScriptedServer, sends):
    server.plays(sends, hangs=True)

    assert submit(server.base_url) == Unknown(TOO_SLOW)
    assert server.played_out == 0


@pytest.mark.usefixtures("_short_deadline")
def test_an_answer_cut_by_the_deadline_is_not_accepted_even_if_valid(server: ScriptedServer):
    server.plays(answered(OPEN_HEAD, ACCEPTED), hangs=True)

    assert submit(server.base_url) == Unknown(TOO_SLOW)
    assert server.played_out == 0


@pytest.mark.usefixtures("_short_deadline")
@pytest.mark.parametrize("name", SLOW)
def test_a_poll_with_a_slow_answer_is_a_fault(server: ScriptedServer, name):
    server.plays(*SLOW[name])

    assert poll(server.base_url) == PollFault(TOO_SLOW)
    assert server.played_out == 0


@pytest.mark.usefixtures("_short_deadline")
@pytest.mark.parametrize("sends", STALLED)
def test_a_poll_with_a_stalled_answer_is_a_fault(server: ScriptedServer, sends):
    server.plays(sends, hangs=True)

    assert poll(server.base_url) == PollFault(TOO_SLOW)
    assert server.played_out == 0


@pytest.mark.usefixtures("_short_deadline")
@pytest.mark.parametrize(
    "body",
    [{"status": "failed"}, {"status": "created"}, {"status": "completed", "result": {"url": "https://a.example"}}],
)
def test_a_poll_cut_by_the_deadline_is_a_fault_even_if_valid(server: ScriptedServer, body):
    server.plays(answered(OPEN_HEAD, body), hangs=True)

    assert poll(server.base_url) == PollFault(TOO_SLOW)
    assert server.played_out == 0


@pytest.mark.parametrize("status", [429, 503])
def test_a_busy_answer_with_a_slow_body_is_busy(server: ScriptedServer, status, monkeypatch):
    long_timeouts(monkeypatch)
    deadlines = record_deadlines(monkeypatch, client)
    server.sent = deadlines.expire_soon
    server.plays(b"HTTP/1.1 %d Busy\r\nRetry-After: 30\r\nContent-Length: 500\r\n\r\n" % status, b"x" * 300)

    assert submit(server.base_url) == Busy(status, 30)
    assert server.played_out == 0


@pytest.mark.parametrize("status", [429, 503])
def test_a_busy_answer_with_cut_headers_has_no_retry_after(server: ScriptedServer, status, monkeypatch):
    long_timeouts(monkeypatch)
    deadlines = record_deadlines(monkeypatch, client)
    server.plays(b"HTTP/1.1 %d Busy\r\nRetry-After: 3" % status, hangs=True)
    server.sent = deadlines.expire_soon

    assert submit(server.base_url) == Busy(status, None)
    assert server.played_out == 0


@pytest.mark.parametrize("status", [401, 403])
def test_a_refused_key_with_a_slow_body_is_a_refused_key(server: ScriptedServer, status, monkeypatch):
    long_timeouts(monkeypatch)
    deadlines = record_deadlines(monkeypatch, client)
    server.sent = deadlines.expire_soon
    server.plays(b"HTTP/1.1 %d No\r\nContent-Length: 500\r\n\r\n" % status, b"x" * 300)

    assert submit(server.base_url) == KeyRefused(status)
    assert server.played_out == 0


@pytest.mark.parametrize("length", [b"", b"Content-Length: 500\r\n", b"Transfer-Encoding: chunked\r\n"])
def test_a_refusal_with_a_slow_body_is_a_refusal(server: ScriptedServer, length, monkeypatch):
    long_timeouts(monkeypatch)
    deadlines = record_deadlines(monkeypatch, client)
    server.plays(b"HTTP/1.1 400 Bad Request\r\n" + length + b"\r\n", b"0" * 300)
    server.sent = deadlines.expire_soon

    assert submit(server.base_url) == Refused(400, None)
    assert server.played_out == 0


def test_reading_the_key_does_not_count_for_the_deadline(server: ScriptedServer, monkeypatch):
    deadlines = record_deadlines(monkeypatch, client)
    server.answers(200, {"status": "created"})

    def key() -> str:
        assert deadlines.made == []
        return KEY

    assert ProviderClient(server.base_url, key).poll("gen_1") == InProgress("created")


@pytest.mark.parametrize("location", [b"http://[::1", b"\xff\xfe", b"http://", b"/elsewhere"])
def test_a_redirect_is_neither_parsed_nor_read(server: ScriptedServer, location, monkeypatch):
    monkeypatch.setattr(client, "read_body", lambda *_: pytest.fail("the body was read"))
    server.plays(b"HTTP/1.1 302 Found\r\nLocation: " + location + b"\r\n\r\n", hangs=True)

    assert submit(server.base_url) == Unknown("the provider answered 302")
    assert poll(server.base_url) == PollFault("the provider answered 302", 302)
    assert len(server.requests) == 2


def test_calls_leave_no_file_and_no_thread(server: ScriptedServer):
    before = open_files()

    for turn in range(10):
        server.answers((200, 429)[turn % 2], ACCEPTED)
        submit(server.base_url)
        poll(server.base_url)

    assert open_files_fall_to(before)
    assert deadline_threads() == []
