"""A server on loopback that sends raw responses, byte for byte, and records its requests."""

import contextlib
import json
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Request:
    """One request as it was received."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True)
class Script:
    """The response to a request: bytes, then slow bytes one by one, then a pause with `hangs`, then a close or a reset."""

    sends: bytes = b""
    slow: bytes = b""
    hangs: bool = False
    resets: bool = False


SLOW_BYTE_SECONDS = 0.01
"""Between two slow bytes."""


@dataclass
class ScriptedServer:
    """Sends `script` on every connection, until the test ends. With `tls` it speaks https."""

    port: int
    tls: ssl.SSLContext | None = None
    script: Script = field(default_factory=Script)
    afterwards: list[Script] = field(default_factory=list)
    """The scripts of later connections, in place of `script`."""
    sent: Callable[[], object] = bool
    """Called each time `script.sends` was sent."""
    connections: int = 0
    played_out: int = 0
    """How many scripts were sent to their end: not those that the client ended."""
    requests: list[Request] = field(default_factory=list)
    over: threading.Event = field(default_factory=threading.Event)

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def answers(self, status: int, body: object = b"", **headers: str) -> None:
        """Answer with this status and body (bytes, or anything else as JSON)."""
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        lines = [f"HTTP/1.1 {status} Status", f"Content-Length: {len(content)}", "Connection: close"]
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        self.script = Script("\r\n".join([*lines, "", ""]).encode() + content)

    def plays(self, sends: bytes = b"", slow: bytes = b"", hangs: bool = False, resets: bool = False) -> None:
        """Send bytes as they are, then slow bytes one by one."""
        self.script = Script(sends, slow, hangs, resets)

    def serve(self, connection: socket.socket) -> None:
        self.connections += 1
        connection.settimeout(5)
        with contextlib.ExitStack() as stack:
            stack.enter_context(connection)
            stack.enter_context(contextlib.suppress(OSError))
            if self.tls is not None:
                connection = stack.enter_context(self.tls.wrap_socket(connection, server_side=True))
            request = _request_on(connection)
            if request is None:  # no HTTP, such as a TLS handshake
                connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
                return
            self.requests.append(request)
            script = self.script
            if self.afterwards:
                self.script = self.afterwards.pop(0)
            connection.sendall(script.sends)
            self.sent()
            for place in range(len(script.slow)):
                if self.over.wait(SLOW_BYTE_SECONDS):
                    return
                connection.sendall(script.slow[place : place + 1])
            if script.hangs:
                self.over.wait(5)
            self.played_out += not self.over.is_set()
            if script.resets:
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def _request_on(connection: socket.socket) -> Request | None:
    received = b""
    while b"\r\n\r\n" not in received:
        piece = connection.recv(65_536)
        if not piece or (received + piece)[0] == 0x16:
            return None
        received += piece
    head, _, body = received.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    method, target, _version = first.split(" ")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    while len(body) < int(headers.get("content-length", 0)):
        piece = connection.recv(65_536)
        if not piece:
            return None
        body += piece
    return Request(method, target, headers, body)


@contextmanager
def scripted_server(tls: ssl.SSLContext | None = None) -> Iterator[ScriptedServer]:
    """Run a server for as long as the block lasts."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = ScriptedServer(listener.getsockname()[1], tls)
        with serving(listener, server.serve, server.over):
            yield server


@contextmanager
def serving(listener: socket.socket, serve: Callable[[socket.socket], None], over: threading.Event) -> Iterator[None]:
    """Serve each connection in a thread of its own for as long as the block lasts; then set `over`."""

    def accept() -> None:
        while True:
            connection, _address = listener.accept()
            if over.is_set():
                connection.close()
                return
            threads.append(threading.Thread(target=serve, args=(connection,), daemon=True))
            threads[-1].start()

    threads = [threading.Thread(target=accept, daemon=True)]
    threads[0].start()
    try:
        yield
    finally:
        over.set()
        socket.create_connection(listener.getsockname()).close()  # ends the wait in accept()
        for thread in threads:
            thread.join(timeout=6)


def closed_port() -> int:
    """Return a port on loopback on which nothing listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])
