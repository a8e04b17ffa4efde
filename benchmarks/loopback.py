"""A server on 127.0.0.1 that the sides of a benchmark fetch from. It runs as a process of its own.

`GET /video/BYTES` streams a made-up MP4 of so many bytes, of which it never holds more than a block. `GET` and `HEAD`
of `/files/NAME` give a file of its folder, whole or by range.
"""

import os
import struct
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from benchmarks.measure import ROOT

_READY = "listening on "
_START_SECONDS = 20.0
_STOP_SECONDS = 5.0
_BLOCK = bytes(range(256)) * 4096
VIDEO_SECONDS = 5
"""How long a made-up video says that it plays."""


@contextmanager
def running_server(folder: Path) -> Iterator[str]:
    """Run the server on a free port, give its base address, and stop it at the end whatever happens."""
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.loopback", str(folder)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        too_late = threading.Timer(_START_SECONDS, process.kill)
        too_late.start()
        line = process.stdout.readline() if process.stdout else ""
        too_late.cancel()
        if not line.startswith(_READY):
            raise RuntimeError(f"the loopback server did not start: {line!r}")
        yield line.removeprefix(_READY).strip()
    finally:
        with suppress(subprocess.TimeoutExpired):
            process.communicate(timeout=_STOP_SECONDS)  # closes its standard input, its life line
        process.kill()
        process.wait()


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
    folder = Path()

    def do_HEAD(self) -> None:
        self._answer(200, len(_content(self._file())))

    def do_GET(self) -> None:
        with suppress(ConnectionError):  # who has enough goes away
            if self.path.startswith("/video/"):
                self._stream(int(self.path.rpartition("/")[2]))
            else:
                self._give(_content(self._file()), self.headers.get("Range"))

    def log_message(self, *_: Any) -> None:
        """Print nothing: a line for each request would be part of what is measured."""

    def _file(self) -> Path:
        return self.folder / self.path.rpartition("/")[2]

    def _stream(self, size: int) -> None:
        self._answer(200, size)
        head = head_of_video(size)
        self.wfile.write(head)
        left, block = size - len(head), memoryview(_BLOCK)
        while left:
            left -= self.wfile.write(block[: min(left, len(block))])

    def _give(self, content: bytes, wanted: str | None) -> None:
        if wanted is None:
            self._answer(200, len(content))
            self.wfile.write(content)
            return
        first, _, last = wanted.removeprefix("bytes=").partition("-")
        part = memoryview(content)[int(first) : int(last) + 1]
        self._answer(206, len(part), {"Content-Range": f"bytes {first}-{int(first) + len(part) - 1}/{len(content)}"})
        self.wfile.write(part)

    def _answer(self, status: int, length: int, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(length), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()


@cache
def _content(file: Path) -> bytes:
    """Return a file's bytes, kept: no side shall wait for a disk."""
    return file.read_bytes()


def main() -> None:
    """Serve until standard input ends."""
    _Handler.folder = Path(sys.argv[1])
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    sys.stdout.write(f"{_READY}http://127.0.0.1:{server.server_port}\n")
    sys.stdout.flush()
    while os.read(0, 4096):
        pass


if __name__ == "__main__":
    main()
