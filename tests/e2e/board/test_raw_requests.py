"""Requests that no browser sends, byte by byte: none gets in, none keeps others out, and no log has the token."""

import socket
import time
from contextlib import suppress

import pytest
import requests

from dropreel_cli.web.server import BoardServer

HEAD = "GET / HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nCookie: {cookie}\r\n"


def answer_to(board: BoardServer, request: str, seconds: float = 10) -> bytes:
    """Return the beginning of the answer to these bytes."""
    cookie = f"{board.access.cookie}={board.access.session}"
    with socket.create_connection(("127.0.0.1", board.port), timeout=seconds) as connection:
        with suppress(ConnectionError):  # refused before all was sent
            connection.sendall(request.format(port=board.port, cookie=cookie).encode("latin-1"))
        return connection.recv(65536)


def status_of(answer: bytes) -> int:
    return int(answer.split()[1])


@pytest.mark.parametrize(
    ("request_text", "status"),
    [
        (HEAD + "\r\n", 200),
        (HEAD + "Host: evil.example\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: evil.example\r\nCookie: {cookie}\r\n\r\n", 403),
        ("GET http://evil.example/ HTTP/1.1\r\nHost: evil.example\r\nCookie: {cookie}\r\n\r\n", 403),
        ("GET / HTTP/1.0\r\nCookie: {cookie}\r\n\r\n", 403),
        (HEAD + "X-Forwarded-Host: evil.example\r\nX-Forwarded-For: 192.0.2.1\r\n\r\n", 200),
        (HEAD + "Sec-Fetch-Site: cross-site\r\n\r\n", 403),
        (HEAD + "Connection: Upgrade\r\nUpgrade: websocket\r\nOrigin: http://evil.example\r\n\r\n", 403),
        (HEAD + "X: " + "a" * 300_000, 400),
        ("GET / HTTP/1.1\r\nCookie: {cookie}\r\n\r\n", 400),
        ("\x16\x03\x01\x02\x00\x01", 400),
    ],
    ids=[
        *("own", "two hosts", "other host", "absolute", "HTTP 1.0", "forwarded", "other site", "WebSocket"),
        *("long header", "no host", "TLS"),
    ],
)
def test_a_request_byte_by_byte_has_its_answer(board: BoardServer, request_text: str, status: int) -> None:
    answer = answer_to(board, request_text)

    assert status_of(answer) == status
    assert b"\r\nserver:" not in answer.lower()
    assert b"access-control" not in answer.lower()


def test_slow_clients_keep_no_other_out(board: BoardServer) -> None:
    slow = [socket.create_connection(("127.0.0.1", board.port)) for _ in range(100)]
    try:
        for connection in slow:
            connection.sendall(b"POST /submissions/pause HTTP/1.1\r\nContent-Le")
        at = time.monotonic()
        answer = requests.get(board.address, timeout=10)
    finally:
        for connection in slow:
            connection.close()

    assert answer.status_code == 200
    assert time.monotonic() - at < 3


def test_a_body_that_never_ends_changes_nothing(board: BoardServer) -> None:
    head = HEAD.replace("GET /", "POST /submissions/pause") + "Origin: http://127.0.0.1:{port}\r\n"
    head += "Content-Type: application/json\r\nContent-Length: 10\r\n\r\n"

    with pytest.raises(TimeoutError):
        answer_to(board, head.replace("/submissions/pause", f"/jobs/{'0' * 24}/actions/resume") + "{{", seconds=0.5)

    assert requests.get(board.address, timeout=10).ok


def test_no_output_has_the_token_or_the_session(board: BoardServer, capfd: pytest.CaptureFixture[str]) -> None:
    requests.get(board.address, timeout=10)
    answer_to(board, HEAD.replace("GET /", "GET /?token=" + board.access.token) + "X: " + "a" * 70_000)
    answer_to(board, HEAD + "Bad Header\r\n\r\n")

    printed = "".join(capfd.readouterr())
    assert board.access.token not in printed
    assert board.access.session not in printed
