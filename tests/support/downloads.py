"""Downloads of a video from a scripted server."""

from typing import Any

import pytest

from dropreel.adapters.video_source import VideoSource
from dropreel.domain.errors import VideoFault
from dropreel.media.video_stream import VideoStream
from tests.support.scripted_server import ScriptedServer
from tests.support.tiny_video import tiny_video

TARGET = "/v/gen_1.mp4?sig=5ec2e7"
CDN = "https://cdn.example" + TARGET
HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n"
OPEN_HEAD = b"HTTP/1.1 200 OK\r\n\r\n"
CHUNKED_HEAD = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
SLOW: dict[str, tuple[bytes, bytes]] = {
    "a body that is slow": (HEAD, bytes(300)),
    "a body without a length that is slow": (OPEN_HEAD, bytes(300)),
    "a chunk that is slow": (CHUNKED_HEAD + b"1000\r\n", bytes(300)),
    "chunks that are slow": (CHUNKED_HEAD, b"".join(b"1\r\n%c\r\n" % byte for byte in tiny_video()[:50])),
    "the length of a chunk that is slow": (CHUNKED_HEAD, b"0" * 300),
    "headers that are slow": (b"HTTP/1.1 200 OK\r\n", b"X: y\r\n" * 50),
    "a status that is slow": (b"", b"HTTP/1.1 200 " + b"O" * 300),
    "a body that is slow later": (HEAD + tiny_video()[:500], bytes(300)),
}


def fetch(url: str, base_url: str, max_bytes: int = 10_000_000, length: int = -1) -> tuple[bytes, VideoStream]:
    with VideoSource(base_url, max_bytes).open(url) as stream:
        found = b""
        while piece := stream.read(length):
            found += piece
        return found, stream


def fault_of(server: ScriptedServer, **options: Any) -> str:
    with pytest.raises(VideoFault) as caught:
        fetch(server.base_url + TARGET, server.base_url, **options)
    return str(caught.value)
