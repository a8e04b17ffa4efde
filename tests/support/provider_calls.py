"""The two calls of the provider's client, with a key and an image, and answers of a scripted server."""

import json

import pytest

from dropreel.domain.options import Options
from dropreel.provider import client
from dropreel.provider.client import ProviderClient
from dropreel.provider.poll_answers import PollAnswer
from dropreel.provider.submit_answers import SubmitAnswer

KEY = "nh-secret-5f1d"
SIGNATURE = "X-Amz-Signature=5ec2e7f0a1b2c3d4"
IMAGE_URL = f"https://uploads.s3.amazonaws.com/beach.jpg?versionId=v1&{SIGNATURE}"
OPTIONS = Options("Wellen – 海", "fast", "blur", "16:9", 5, 0.5, True)
ACCEPTED = {"id": "gen_1", "model": "nohuman-x33", "status": "created", "poll_url": "/v1/videos/generations/gen_1"}
UNREADABLE = {
    "nothing": b"",
    "no JSON": b"<html>OK</html>",
    "half a JSON": b'{"id": "gen_1", "sta',
    "no object": b'["gen_1"]',
    "a text": b'"gen_1"',
    "not UTF-8": b'{"id": "\xff\xfe"',
    "nested without end": b"[" * 200_000,
    "an endless number": b'{"id": ' + b"1" * 5000 + b"}",
    "too long": b'{"id": "gen_1", "x": "' + b"x" * 1_100_000 + b'"}',
}
CUTS = {
    "before the answer": (b"", False),
    "before the answer, with a reset": (b"", True),
    "inside the status line": (b"HTTP/1.1 20", False),
    "inside the headers": (b"HTTP/1.1 200 OK\r\nContent-Type: appl", False),
    "inside the headers, with a reset": (b"HTTP/1.1 200 OK\r\nContent-Type: appl", True),
    "inside the body": (b'HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n{"id": "gen_1"}', False),
    "inside a chunk": (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n40\r\n{", False),
    "not HTTP": (b"SSH-2.0-OpenSSH_9.6\r\n", False),
    "not gzip": (b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 5\r\n\r\nhello", False),
}
HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n"
OPEN_HEAD = b"HTTP/1.1 200 OK\r\n\r\n"
CHUNKED_HEAD = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
SLOW: dict[str, tuple[bytes, bytes]] = {
    "a body that is slow": (HEAD, b" " * 300),
    "a body without a length that is slow": (OPEN_HEAD, b" " * 300),
    "a chunk that is slow": (CHUNKED_HEAD + b"1000\r\n", b" " * 300),
    "chunks that are slow": (CHUNKED_HEAD, b"1\r\n \r\n" * 50),
    "headers that are slow": (b"HTTP/1.1 200 OK\r\n", b"X: y\r\n" * 50),
    "a status that is slow": (b"", b"HTTP/1.1 200 " + b"O" * 300),
    "endless interim answers": (b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 15),
}
TOO_SLOW = "the provider's answer took longer than 0.1 seconds"


def submit(base_url: str) -> SubmitAnswer:
    return ProviderClient(base_url, lambda: KEY).prepare(OPTIONS, IMAGE_URL).send()


def poll(base_url: str, generation_id: str = "gen_1") -> PollAnswer:
    return ProviderClient(base_url, lambda: KEY).poll(generation_id)


def answered(head: bytes, body: object) -> bytes:
    return head + json.dumps(body).encode()


def long_timeouts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "SUBMIT_TIMEOUT", (10, 10))
    monkeypatch.setattr(client, "POLL_TIMEOUT", (10, 10))


def assert_shows_no_secret(*values: object) -> None:
    text = " ".join(f"{value!r} {value}" for value in values)
    assert KEY not in text
    assert "5ec2e7" not in text
