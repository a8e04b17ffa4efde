"""The limit on a whole conversation, on bare sockets and beneath requests."""

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
import requests

from dropreel.adapters.http import TimedSession, TimeLimit
from dropreel.adapters.public_internet import mount_guard
from tests.support.certificates import authority_file, server_context
from tests.support.kept_limits import SOON, KeptLimit, limit_threads, open_files
from tests.support.scripted_server import DRIP_SECONDS, ScriptedServer, scripted_server

LATE = 60
NEVER = 10
"""A read time-out in seconds, which no byte that drips ever reaches."""


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    ours, theirs = socket.socketpair()
    ours.settimeout(NEVER)
    with ours, theirs:
        yield ours, theirs


@contextmanager
def dripping(sock: socket.socket) -> Iterator[None]:
    """Send a byte every now and then, far past the limit."""
    over = threading.Event()

    def drip() -> None:
        for _ in range(200):
            if over.wait(DRIP_SECONDS):
                return
            try:
                sock.sendall(b"x")
            except OSError:
                return

    thread = threading.Thread(target=drip)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def wait_for_the_end_of(limit: TimeLimit) -> None:
    ours, theirs = socket.socketpair()
    ours.settimeout(NEVER)
    with ours, theirs:
        limit.watch(ours)
        assert ours.recv(1) == b""
    assert limit.expired


# --- on bare sockets -------------------------------------------------------------------------------------------------


def test_who_waits_for_a_watched_socket_is_woken(pair):
    ours, _theirs = pair

    with TimeLimit(SOON) as limit:
        limit.watch(ours)
        found = ours.recv(1)

    assert (found, limit.expired) == (b"", True)


def test_a_drip_does_not_stretch_the_limit_even_inside_one_read(pair):
    ours, theirs = pair

    with dripping(theirs), TimeLimit(SOON) as limit, ours.makefile("rb") as stream:
        limit.watch(ours)
        found = stream.read(200)

    assert len(found) < 200
    assert limit.expired


def test_every_watched_socket_is_shut_down():
    pairs = [socket.socketpair() for _ in range(5)]

    with TimeLimit(SOON) as limit:
        for ours, _theirs in pairs:
            limit.watch(ours)
        wait_for_the_end_of(limit)

    for ours, theirs in pairs:
        with ours, theirs:
            assert theirs.recv(1) == b""


def test_a_socket_that_comes_too_late_is_shut_down_at_once(pair):
    ours, theirs = pair

    with TimeLimit(0) as limit:
        wait_for_the_end_of(limit)
        limit.watch(ours)
        found = ours.recv(1)

    assert found == b""
    assert theirs.recv(1) == b""


def test_a_block_that_ends_in_time_leaves_its_sockets_alone(pair):
    ours, theirs = pair

    with TimeLimit(LATE) as limit:
        limit.watch(ours)

    theirs.sendall(b"later")
    assert ours.recv(5) == b"later"
    assert not limit.expired


def test_a_socket_that_its_owner_has_closed_is_not_mistaken_for_another(pair):
    with TimeLimit(SOON) as limit:
        gone, far = socket.socketpair()
        number = gone.fileno()
        limit.watch(gone)
        gone.close()
        far.close()
        again, theirs = socket.socketpair()  # takes the number that is free now
        wait_for_the_end_of(limit)

    with again, theirs:
        assert number in (again.fileno(), theirs.fileno())
        theirs.sendall(b"whole")
        assert again.recv(5) == b"whole"


def test_a_socket_that_is_dead_already_does_no_harm():
    with socket.create_server(("127.0.0.1", 0)) as listener, TimeLimit(SOON) as limit:
        ours = socket.create_connection(listener.getsockname())
        limit.watch(ours)
        ours.shutdown(socket.SHUT_RDWR)
        listener.accept()[0].close()
        ours.close()
        wait_for_the_end_of(limit)


def test_nothing_is_left_of_many_limits(pair):
    ours, _theirs = pair
    before = open_files()

    for turn in range(200):
        with TimeLimit(0 if turn % 2 else LATE) as limit:
            for _ in range(3):
                limit.watch(ours)

    assert open_files() == before
    assert limit_threads() == []


def test_many_threads_may_watch_while_the_time_ends():
    before = open_files()
    started = threading.Barrier(5)
    pairs: list[tuple[socket.socket, socket.socket]] = []

    def watch(limit: TimeLimit) -> None:
        started.wait()
        while not limit.expired:
            ours, theirs = socket.socketpair()
            pairs.append((ours, theirs))
            limit.watch(ours)
            if len(pairs) > 100:
                return

    with TimeLimit(SOON) as limit:
        threads = [threading.Thread(target=watch, args=(limit,)) for _ in range(4)]
        for thread in threads:
            thread.start()
        started.wait()
        for thread in threads:
            thread.join()
        wait_for_the_end_of(limit)
        ends = [theirs.recv(1) for _ours, theirs in pairs]

    for ours, theirs in pairs:
        ours.close()
        theirs.close()
    assert set(ends) <= {b""}
    assert open_files() == before


def test_a_socket_that_is_wrapped_in_tls_afterwards_is_shut_down_all_the_same(tmp_path: Path):
    trusting = ssl.create_default_context(cafile=authority_file(tmp_path))
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 200\r\n\r\n"

    with scripted_server(server_context(tmp_path, "cdn.example")) as server, KeptLimit(LATE) as limit:
        server.plays(head, drips=b"x" * 200)
        bare = socket.create_connection(("127.0.0.1", server.port), timeout=NEVER)
        limit.watch(bare)
        with trusting.wrap_socket(bare, server_hostname="cdn.example") as sock, sock.makefile("rb") as stream:
            sock.sendall(b"GET / HTTP/1.1\r\n\r\n")
            assert stream.read(len(head)) == head
            limit.expire_soon()
            found = stream.read(200)

    assert len(found) < 200


# --- beneath requests ------------------------------------------------------------------------------------------------


def asked(server: ScriptedServer, limit: TimeLimit, **options: Any) -> requests.Response:
    with TimedSession(limit) as session:
        return session.get(server.base_url, timeout=NEVER, stream=True, **options)


@pytest.mark.parametrize(
    "sends",
    [b"", b"HTTP/1.1 ", b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 200 OK\r\nX: "],
    ids=["status", "code", "headers", "value"],
)
def test_headers_that_drip_are_cut(server: ScriptedServer, sends):
    server.plays(sends, drips=b"9" * 300)

    with TimeLimit(SOON) as limit, suppress(requests.RequestException):
        asked(server, limit).close()

    assert (limit.expired, server.played_out) == (True, 0)


def test_an_endless_row_of_interim_answers_is_cut(server: ScriptedServer):
    server.plays(drips=b"HTTP/1.1 100 Continue\r\n\r\n" * 20)

    with TimeLimit(SOON) as limit, pytest.raises(requests.RequestException):
        asked(server, limit)

    assert (limit.expired, server.played_out) == (True, 0)


def test_what_comes_in_time_is_left_as_it_is(server: ScriptedServer):
    server.answers(200, b"whole")

    with TimeLimit(LATE) as limit:
        response = asked(server, limit)
        assert response.content == b"whole"

    assert not limit.expired


def test_an_adapter_that_is_mounted_later_is_watched_too(monkeypatch):
    watched: list[socket.socket] = []
    monkeypatch.setattr(TimeLimit, "watch", lambda _limit, sock: watched.append(sock))
    ours, theirs = socket.socketpair()
    monkeypatch.setattr(
        socket, "getaddrinfo", lambda *_, **__: [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("8.8.8.8", 443))]
    )
    monkeypatch.setattr("dropreel.adapters.public_internet.create_connection", lambda *_, **__: ours)
    theirs.close()

    with ours, TimeLimit(LATE) as limit, TimedSession(limit) as session:
        mount_guard(session)
        with pytest.raises(requests.ConnectionError):
            session.get("https://cdn.example/", timeout=1)

    assert watched == [ours]


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("location", [b"/elsewhere", b"http://[::1", b"\xff\xfe", b"http://"])
def test_no_answer_leads_anywhere_else_nor_is_it_read_for_that(server: ScriptedServer, status, location):
    server.plays(b"HTTP/1.1 %d Found\r\nLocation: %b\r\n\r\n" % (status, location), hangs=True)

    with TimeLimit(LATE) as limit, asked(server, limit, allow_redirects=False) as response:
        assert response.status_code == status
        assert not response._content_consumed

    assert len(server.requests) == 1


def test_odd_headers_do_not_bring_the_address_into_the_log(server: ScriptedServer, caplog):
    server.plays(b"HTTP/1.1 200 OK\r\nno header\r\n\r\n")

    with TimeLimit(LATE) as limit, TimedSession(limit) as session:
        session.get(f"{server.base_url}/v.mp4?sig=5ec2e7")

    assert "5ec2e7" not in caplog.text
