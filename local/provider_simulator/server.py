"""Serves the simulator on a loopback address and shuts it down cleanly."""

import ipaddress
import os
import select
import signal
import socket
import sys
import threading
from types import FrameType
from typing import Any, cast

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from .app import create_app
from .connection import TRANSPORT_KEY
from .simulator import Simulator

_PARENT_CHECK_SECONDS = 0.5
_BACKLOG = 1024


class TransportConnection(H11Protocol):
    """Passes the transport to each request, so that a scripted fault can cut or reset the connection."""

    def connection_made(self, transport: Any) -> None:
        """Puts the transport into the state that uvicorn copies for each request."""
        super().connection_made(transport)
        self.app_state = {**self.app_state, TRANSPORT_KEY: transport}


class AnnouncedServer(uvicorn.Server):
    """Prints one line on standard output once it listens. Shuts down without answering open requests."""

    def __init__(self, config: uvicorn.Config, announcement: str) -> None:
        super().__init__(config)
        self._announcement = announcement

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Prints the line once the server has started."""
        await super().startup(sockets)
        if self.started:
            print(self._announcement, flush=True)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Aborts open connections: uvicorn would answer 500 to requests that wait in a scripted silence."""
        for connection in list(self.server_state.connections):
            if isinstance(connection, TransportConnection):
                connection.transport.abort()
        await super().shutdown(sockets)


def loopback_socket(host: str, port: int) -> socket.socket:
    """Binds a loopback address; port 0 is any free port. Raises ValueError for any other kind of address.

    The control endpoints need no key, so no other machine may reach the simulator.
    """
    address = ipaddress.ip_address("127.0.0.1" if host == "localhost" else host)
    if not address.is_loopback:
        raise ValueError(f"{host} is not a loopback address")
    family = socket.AF_INET6 if address.version == 6 else socket.AF_INET
    # asyncio sets TCP_NODELAY only if the protocol is given; without it small answers wait 40 ms (Nagle's algorithm).
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((str(address), port))
        listener.listen(_BACKLOG)
    except OSError:
        listener.close()
        raise
    return listener


def serve(simulator: Simulator, listener: socket.socket, stop_with_parent: bool) -> None:
    """Serves until SIGTERM or SIGINT, and with `stop_with_parent` until the parent process or standard input ends."""
    host, port = listener.getsockname()[:2]
    base_url = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
    config = uvicorn.Config(
        create_app(simulator),
        http=cast("Any", TransportConnection),
        ws="none",
        loop="asyncio",
        log_level="warning",
        access_log=False,
        timeout_graceful_shutdown=1,
    )
    server = AnnouncedServer(config, f"provider simulator listening on {base_url}")
    # uvicorn raises the signal again after its shutdown; without these handlers the process would not exit with 0.
    signal.signal(signal.SIGTERM, _exit_quietly)
    signal.signal(signal.SIGINT, _exit_quietly)
    if stop_with_parent:
        threading.Thread(target=_stop_with_parent, args=(server, os.getppid()), daemon=True).start()
    server.run(sockets=[listener])


def _exit_quietly(_signal: int, _frame: FrameType | None) -> None:
    sys.exit(0)


def _stop_with_parent(server: uvicorn.Server, parent: int) -> None:
    standard_input = sys.stdin.fileno()
    while os.getppid() == parent:
        readable, _, _ = select.select([standard_input], [], [], _PARENT_CHECK_SECONDS)
        # os.read, not sys.stdin: a thread that holds the lock of sys.stdin blocks the interpreter's exit.
        if readable and not os.read(standard_input, 1024):
            break
    server.should_exit = True
