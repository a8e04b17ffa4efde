"""Sessions: their deadline, redirects, logs, and which requests were never sent."""

import socket
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import requests

from dropreel.adapters.http import Deadline, open_session
from tests.support.certificates import authority_file, server_context
from tests.support.deadlines import SOON
from tests.support.scripted_server import ScriptedServer, closed_port, scripted_server

LATE = 60
NEVER = 10
"""A read time-out in seconds, much longer than between two slow bytes."""


def get(server: ScriptedServer, deadline: Deadline, **options: Any) -> requests.Response:
    with open_session(deadline) as session:
        return session.get(server.base_url, timeout=NEVER, stream=True, **options)


@pytest.mark.parametrize(
    "sends",
    [b"", b"HTTP/1.1 ", b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 200 OK\r\nX: "],
    ids=["status", "code", "headers", "value"],
)
def test_slow_headers_end_at_the_deadline(server: ScriptedServer, sends):
    server.plays(sends, slow=b"9" * 300)

    with Deadline(SOON) as deadline, suppress(requests.RequestException):
        get(server, deadline).close()

    assert (deadline.expired, server.played_out) == (True, 0)


def test_endless_interim_responses_end_at_the_deadline(server: ScriptedServer):
    server.plays(slow=b"HTTP/1.1 100 Continue\r\n\r\n" * 20)

    with Deadline(SOON) as deadline, pytest.raises(requests.RequestException):
        get(server, deadline)

    assert (deadline.expired, server.played_out) == (True, 0)


def test_a_response_in_time_is_left_as_it_is(server: ScriptedServer):
    server.answers(200, b"whole")

    with Deadline(LATE) as deadline:
        response = get(server, deadline)
        assert response.content == b"whole"

    assert not deadline.expired


def test_a_connection_to_a_public_address_is_watched_too(monkeypatch):
    watched: list[socket.socket] = []
    monkeypatch.setattr(Deadline, "watch", lambda _deadline, sock: watched.append(sock))
    ours, theirs = socket.socketpair()
    monkeypatch.setattr(
        socket, "getaddrinfo", lambda *_, **__: [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("8.8.8.8", 443))]
    )
    monkeypatch.setattr("dropreel.adapters.http.create_connection", lambda *_, **__: ours)
    theirs.close()

    with ours, Deadline(LATE) as deadline, pytest.raises(requests.ConnectionError):
        open_session(deadline, public_only=True).get("https://cdn.example/", timeout=1)

    assert watched == [ours]


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("location", [b"/elsewhere", b"http://[::1", b"\xff\xfe", b"http://"])
def test_a_redirect_is_neither_followed_nor_read(server: ScriptedServer, status, location):
    server.plays(b"HTTP/1.1 %d Found\r\nLocation: %b\r\n\r\n" % (status, location), hangs=True)

    with Deadline(LATE) as deadline, get(server, deadline, allow_redirects=False) as response:
        assert response.status_code == status
        assert not response.raw.closed

    assert len(server.requests) == 1


def test_invalid_headers_do_not_write_the_url_to_the_log(server: ScriptedServer, caplog):
    server.plays(b"HTTP/1.1 200 OK\r\nno header\r\n\r\n")

    with Deadline(LATE) as deadline, open_session(deadline) as session:
        session.get(f"{server.base_url}/v.mp4?sig=5ec2e7")

    assert "5ec2e7" not in caplog.text


# --- which requests were never sent ----------------------------------------------------------------------------------


def was_never_sent(url: str, **options: Any) -> bool:
    with Deadline(LATE) as deadline, open_session(deadline) as session:
        with pytest.raises(requests.RequestException) as caught:
            session.post(url, data=b"paid", timeout=(2, 0.2), **options)
        return session.was_never_sent(caught.value)


@pytest.mark.parametrize(
    "url", ["nonsense", "ftp://127.0.0.1/", "http://", "http://[::1", f"https://{'a' * 70}.example/"]
)
def test_a_request_to_an_unusable_url_was_never_sent(url):
    assert was_never_sent(url)


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_request_without_a_connection_was_never_sent(scheme):
    assert was_never_sent(f"{scheme}://127.0.0.1:{closed_port()}/")
    assert was_never_sent(f"{scheme}://does-not-exist.invalid/")


def test_a_request_to_a_private_address_was_never_sent(server: ScriptedServer):
    with Deadline(LATE) as deadline, open_session(deadline, public_only=True) as session:
        with pytest.raises(requests.ConnectionError) as caught:
            session.post(f"https://127.0.0.1:{server.port}/", data=b"paid", timeout=1)
        assert session.was_never_sent(caught.value)
    assert server.connections == 0


def test_a_request_after_a_failed_handshake_was_never_sent(server: ScriptedServer):
    assert was_never_sent(f"https://127.0.0.1:{server.port}/")
    assert server.requests == []


def test_a_handshake_that_gets_no_answer_was_never_sent():
    with socket.create_server(("127.0.0.1", 0)) as silent:
        assert was_never_sent(f"https://127.0.0.1:{silent.getsockname()[1]}/")


BROKEN = {
    "no answer": (b"", True),
    "an end before the answer": (b"", False),
    "no HTTP": (b"SSH-2.0-OpenSSH_9.6\r\n", False),
    "two lengths": (b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\nContent-Length: 11\r\n\r\n", False),
    "a cut body": (b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n", False),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_request_that_was_sent_may_have_arrived(server: ScriptedServer, name):
    sends, hangs = BROKEN[name]
    server.plays(sends, hangs=hangs)

    assert not was_never_sent(server.base_url)
    assert len(server.requests) == 1


@pytest.mark.parametrize("name", BROKEN)
def test_a_request_that_was_sent_over_https_may_have_arrived(tmp_path: Path, name):
    sends, hangs = BROKEN[name]
    with scripted_server(server_context(tmp_path, "localhost")) as server:
        server.plays(sends, hangs=hangs)

        assert not was_never_sent(f"https://localhost:{server.port}/", verify=authority_file(tmp_path))

    assert len(server.requests) == 1


def test_a_second_connection_that_fails_leaves_the_first_request_open(server: ScriptedServer):
    """One request of the session was sent: no later failure may say otherwise."""
    server.plays()
    with Deadline(LATE) as deadline, open_session(deadline) as session:
        with pytest.raises(requests.ConnectionError):
            session.post(server.base_url, data=b"paid", timeout=1)
        with pytest.raises(requests.ConnectionError) as caught:
            session.post(f"http://127.0.0.1:{closed_port()}/", data=b"paid", timeout=1)

        assert not session.was_never_sent(caught.value)
