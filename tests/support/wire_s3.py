"""An S3 on loopback that shows what a PUT is on the wire, and answers as configured."""

import contextlib
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from tests.support.scripted_server import serving

ERROR = b"<Error><Code>%b</Code><Message>no</Message></Error>"


@dataclass
class WireS3:
    """Takes PUTs until the test ends.

    `breaks_off_after` so many bytes of a body it resets the connection. `refuses_with` is a status and a code that it
    answers at once. `is_silent` lets it take all and answer nothing.
    """

    port: int
    breaks_off_after: int | None = None
    refuses_with: tuple[int, bytes] | None = None
    is_silent: bool = False
    heads: list[dict[str, str]] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    """As they came, in chunks. One that has not come whole does not end in a chunk of no bytes."""
    over: threading.Event = field(default_factory=threading.Event)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def serve(self, connection: socket.socket) -> None:
        connection.settimeout(5)
        with connection, contextlib.suppress(OSError):
            head, _, body = _received_until(connection, b"", b"\r\n\r\n").partition(b"\r\n\r\n")
            lines = head.decode("latin-1").split("\r\n")[1:]
            self.heads.append({name.lower(): value for name, _, value in (line.partition(": ") for line in lines)})
            if self.refuses_with:
                connection.sendall(_answer(self.refuses_with[0], ERROR % self.refuses_with[1]))
                return
            connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
            self.bodies.append(_received_until(connection, body, b"\r\n0\r\n\r\n", self.breaks_off_after))
            if self.breaks_off_after is not None:
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            elif self.is_silent:
                self.over.wait(5)
            else:
                connection.sendall(_answer(200, b""))


def _received_until(connection: socket.socket, found: bytes, end: bytes, most: int | None = None) -> bytes:
    whole = bytearray(found)
    while end not in whole[-len(end) - 65_536 :] and (most is None or len(whole) < most):
        piece = connection.recv(65_536)
        if not piece:
            break
        whole += piece
    return bytes(whole)


def _answer(status: int, body: bytes) -> bytes:
    return b"HTTP/1.1 %d Said\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%b" % (status, len(body), body)


@contextmanager
def wire_s3() -> Iterator[WireS3]:
    """Run it for as long as the block lasts."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        s3 = WireS3(listener.getsockname()[1])
        with serving(listener, s3.serve, s3.over):
            yield s3


def unchunked(body: bytes) -> tuple[list[bytes], bytes]:
    """Take a body of chunks apart: those of HTTP, and those of S3's `aws-chunked`, are of one form. Return the rest too."""
    chunks: list[bytes] = []
    at = 0
    while True:
        end = body.index(b"\r\n", at)
        size, at = int(body[at:end], 16), end + 2
        if not size:
            return chunks, body[at:]
        chunks.append(body[at : at + size])
        assert body[at + size : at + size + 2] == b"\r\n"
        at += size + 2
