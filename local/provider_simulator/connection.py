"""Answers below HTTP: connections that are cut, reset, or closed before the body is whole.

ASGI cannot express these, so the server passes the transport with each request (see server.py).
"""

import asyncio
import contextlib
import socket
import struct
from collections.abc import Iterable
from typing import Literal

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

TRANSPORT_KEY = "transport"
"""Key of a connection's transport in the ASGI scope's state."""

_DRAIN_POLL_SECONDS = 0.01
_CLOSING_SECONDS = 5.0
# Long enough for what was sent to be read from a loopback socket before the reset overtakes it.
_BEFORE_RESET_SECONDS = 0.1


async def wait_or_disconnect(receive: Receive, seconds: float) -> None:
    """Waits until the time is over or the client disconnects. The request's body must have been read before."""

    async def disconnected() -> None:
        while (await receive())["type"] != "http.disconnect":
            pass

    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(disconnected(), seconds)


class CutConnection(Response):
    """No answer: the connection is closed instead."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 (ASGI passes it)
        """Closes the connection of this request."""
        _transport(scope).abort()
        await wait_or_disconnect(receive, _CLOSING_SECONDS)


class RawAnswer(Response):
    """A 200 written straight to the connection, so that its headers and its body may disagree.

    Each step is bytes to send or seconds to wait. Then the connection is closed, or reset (TCP RST).
    """

    def __init__(
        self, headers: dict[str, str], steps: Iterable[bytes | float], ending: Literal["close", "reset"] = "close"
    ) -> None:
        super().__init__()
        lines = ["HTTP/1.1 200 OK", *(f"{name}: {value}" for name, value in headers.items()), "Connection: close"]
        self._head = ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")
        self._steps = steps
        self._ending = ending

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 (ASGI passes it)
        """Writes head and steps, then ends the connection."""
        transport = _transport(scope)
        transport.write(self._head)
        for step in self._steps:
            if transport.is_closing():
                break
            if isinstance(step, bytes):
                transport.write(step)
                await _drain(transport)
            else:
                await wait_or_disconnect(receive, step)
        if self._ending == "reset":
            await _drain(transport)
            await asyncio.sleep(_BEFORE_RESET_SECONDS)
            _reset_on_close(transport)
            transport.abort()
        else:
            transport.close()
        await wait_or_disconnect(receive, _CLOSING_SECONDS)


def _transport(scope: Scope) -> asyncio.Transport:
    transport = scope.get("state", {}).get(TRANSPORT_KEY)
    if not isinstance(transport, asyncio.Transport):
        raise RuntimeError("This fault needs the simulator's own server, over a real connection.")
    return transport


async def _drain(transport: asyncio.Transport) -> None:
    while transport.get_write_buffer_size() and not transport.is_closing():
        await asyncio.sleep(_DRAIN_POLL_SECONDS)


def _reset_on_close(transport: asyncio.Transport) -> None:
    """Makes the next close send a reset (TCP RST): SO_LINGER with a time of zero does that."""
    connection: socket.socket | None = transport.get_extra_info("socket")
    if connection is not None:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
