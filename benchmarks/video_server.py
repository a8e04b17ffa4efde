"""A server on 127.0.0.1 that streams a made-up MP4 of any size: `GET /video/BYTES`. It never holds more than a block."""

import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

VIDEO_SECONDS = 5
"""The duration in the video's header."""
_BLOCK = bytes(range(256)) * 4096


@contextmanager
def running_server() -> Iterator[str]:
    """Run the server on a free port, and yield its base address."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


def head_of_video(size: int) -> bytes:
    """Return the start of an MP4 of `size` bytes, up to the payload of its one `mdat`. Raises ValueError if it is too short.

    Source of the forms: ISO/IEC 14496-12.
    """
    movie_header = struct.pack(">IIIII", 0, 0, 0, 1000, VIDEO_SECONDS * 1000) + bytes(80)
    track = _box(b"trak", _box(b"mdia", _box(b"hdlr", bytes(8) + b"vide" + bytes(13))))
    head = _box(b"ftyp", b"isom\0\0\2\0isomiso2mp41") + _box(b"moov", _box(b"mvhd", movie_header) + track)
    rest = size - len(head)
    if rest < 16:
        raise ValueError(f"a video has at least {len(head) + 16} bytes")
    return head + struct.pack(">I4sQ", 1, b"mdat", rest)


def _box(kind: bytes, payload: bytes) -> bytes:
    return struct.pack(">I", 8 + len(payload)) + kind + payload


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        size = int(self.path.rpartition("/")[2])
        head, block = head_of_video(size), memoryview(_BLOCK)
        with suppress(ConnectionError):  # the client has closed
            self.send_response(200)
            self.send_header("Content-Length", str(size))
            self.end_headers()
            self.wfile.write(head)
            left = size - len(head)
            while left:
                left -= self.wfile.write(block[: min(left, len(block))])

    def log_message(self, *_: Any) -> None:
        """Print nothing: a line for each request would be part of what is measured."""
