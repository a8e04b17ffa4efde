"""The deadline of watched sockets."""

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from dropreel.adapters.http import Deadline
from tests.support.certificates import authority_file, server_context
from tests.support.deadlines import SOON, EarlyDeadline, deadline_threads, open_files
from tests.support.scripted_server import SLOW_BYTE_SECONDS, scripted_server

LATE = 60
NEVER = 10
"""A read time-out in seconds, much longer than between two slow bytes."""


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    ours, theirs = socket.socketpair()
    ours.settimeout(NEVER)
    with ours, theirs:
        yield ours, theirs


@contextmanager
def sending_slowly(sock: socket.socket) -> Iterator[None]:
    """Send one byte after the other, far beyond the deadline."""
    over = threading.Event()

    def send() -> None:
        for _ in range(200):
            if over.wait(SLOW_BYTE_SECONDS):
                return
            try:
                sock.sendall(b"x")
            except OSError:
                return

    thread = threading.Thread(target=send)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def wait_until_expired(deadline: Deadline) -> None:
    ours, theirs = socket.socketpair()
    ours.settimeout(NEVER)
    with ours, theirs:
        deadline.watch(ours)
        assert ours.recv(1) == b""
    assert deadline.expired


def test_a_blocked_read_ends_at_the_deadline(pair):
    ours, _theirs = pair

    with Deadline(SOON) as deadline:
        deadline.watch(ours)
        found = ours.recv(1)

    assert (found, deadline.expired) == (b"", True)


def test_slow_bytes_do_not_extend_the_deadline_even_within_one_read(pair):
    ours, theirs = pair

    with sending_slowly(theirs), Deadline(SOON) as deadline, ours.makefile("rb") as stream:
        deadline.watch(ours)
        found = stream.read(200)

    assert len(found) < 200
    assert deadline.expired


def test_every_watched_socket_is_shut_down():
    pairs = [socket.socketpair() for _ in range(5)]

    with Deadline(SOON) as deadline:
        for ours, _theirs in pairs:
            deadline.watch(ours)
        wait_until_expired(deadline)

    for ours, theirs in pairs:
        with ours, theirs:
            assert theirs.recv(1) == b""


def test_a_socket_watched_after_the_deadline_is_shut_down_at_once(pair):
    ours, theirs = pair

    with Deadline(0) as deadline:
        wait_until_expired(deadline)
        deadline.watch(ours)
        found = ours.recv(1)

    assert found == b""
    assert theirs.recv(1) == b""


def test_a_block_that_ends_in_time_leaves_its_sockets_open(pair):
    ours, theirs = pair

    with Deadline(LATE) as deadline:
        deadline.watch(ours)

    theirs.sendall(b"later")
    assert ours.recv(5) == b"later"
    assert not deadline.expired


def test_a_reused_file_number_is_not_taken_for_a_closed_socket(pair):
    with Deadline(SOON) as deadline:
        gone, far = socket.socketpair()
        number = gone.fileno()
        deadline.watch(gone)
        gone.close()
        far.close()
        again, theirs = socket.socketpair()  # takes the number that is free now
        wait_until_expired(deadline)

    with again, theirs:
        assert number in (again.fileno(), theirs.fileno())
        theirs.sendall(b"whole")
        assert again.recv(5) == b"whole"


def test_a_socket_that_is_shut_down_already_is_no_error():
    with socket.create_server(("127.0.0.1", 0)) as listener, Deadline(SOON) as deadline:
        ours = socket.create_connection(listener.getsockname())
        deadline.watch(ours)
        ours.shutdown(socket.SHUT_RDWR)
        listener.accept()[0].close()
        ours.close()
        wait_until_expired(deadline)


def test_many_deadlines_leave_no_file_and_no_thread(pair):
    ours, _theirs = pair
    before = open_files()

    for turn in range(200):
        with Deadline(0 if turn % 2 else LATE) as deadline:
            for _ in range(3):
                deadline.watch(ours)

    assert open_files() == before
    assert deadline_threads() == []


def test_many_threads_may_watch_at_the_deadline():
    before = open_files()
    started = threading.Barrier(5)
    pairs: list[tuple[socket.socket, socket.socket]] = []

    def watch(deadline: Deadline) -> None:
        started.wait()
        while not deadline.expired:
            ours, theirs = socket.socketpair()
            pairs.append((ours, theirs))
            deadline.watch(ours)
            if len(pairs) > 100:
                return

    with Deadline(SOON) as deadline:
        threads = [threading.Thread(target=watch, args=(deadline,)) for _ in range(4)]
        for thread in threads:
            thread.start()
        started.wait()
        for thread in threads:
            thread.join()
        wait_until_expired(deadline)
        ends = [theirs.recv(1) for _ours, theirs in pairs]

    for ours, theirs in pairs:
        ours.close()
        theirs.close()
    assert set(ends) <= {b""}
    assert open_files() == before


def test_a_socket_that_tls_wraps_later_is_shut_down(tmp_path: Path):
    trusting = ssl.create_default_context(cafile=authority_file(tmp_path))
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 200\r\n\r\n"

    with scripted_server(server_context(tmp_path, "cdn.example")) as server, EarlyDeadline(LATE) as deadline:
        server.plays(head, slow=b"x" * 200)
        bare = socket.create_connection(("127.0.0.1", server.port), timeout=NEVER)
        deadline.watch(bare)
        with trusting.wrap_socket(bare, server_hostname="cdn.example") as sock, sock.makefile("rb") as stream:
            sock.sendall(b"GET / HTTP/1.1\r\n\r\n")
            assert stream.read(len(head)) == head
            deadline.expire_soon()
            found = stream.read(200)

    assert len(found) < 200
