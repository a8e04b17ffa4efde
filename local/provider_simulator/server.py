"""Serves the simulator on a loopback address, and stops it cleanly."""

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


class ReachableConnection(H11Protocol):
    """Hands each request its transport, so that a scripted fault can cut or reset the connection."""

    def connection_made(self, transport: Any) -> None:
        """Keeps the transport where uvicorn takes the state of each request from."""
        super().connection_made(transport)
        self.app_state = {**self.app_state, TRANSPORT_KEY: transport}


class AnnouncedServer(uvicorn.Server):
    """Prints one line on standard output as soon as it answers, and goes down without a last word to anyone."""

    def __init__(self, config: uvicorn.Config, announcement: str) -> None:
        super().__init__(config)
        self._announcement = announcement

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Announces the server once it has started."""
        await super().startup(sockets)
        if self.started:
            print(self._announcement, flush=True)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Drops open connections: uvicorn would answer 500 to a request that a scripted silence keeps waiting."""
        for connection in list(self.server_state.connections):
            if isinstance(connection, ReachableConnection):
                connection.transport.abort()
        await super().shutdown(sockets)


def loopback_socket(host: str, port: int) -> socket.socket:
    """Binds a loopback address; port 0 is any free port. Raises ValueError for any other kind of address.

    Its control endpoints need no key, so the simulator must never be reachable from another machine.
    """
    address = ipaddress.ip_address("127.0.0.1" if host == "localhost" else host)
    if not address.is_loopback:
        raise ValueError(f"{host} is not a loopback address")
    family = socket.AF_INET6 if address.version == 6 else socket.AF_INET
    # asyncio spares only sockets that say they are TCP the 40 ms that small answers otherwise wait (Nagle's algorithm).
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
    """Serves until SIGTERM or SIGINT, or until the parent process or standard input ends if that was asked for."""
    host, port = listener.getsockname()[:2]
    base_url = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
    config = uvicorn.Config(
        create_app(simulator),
        http=cast("Any", ReachableConnection),
        ws="none",
        loop="asyncio",
        log_level="warning",
        access_log=False,
        timeout_graceful_shutdown=1,
    )
    server = AnnouncedServer(config, f"provider simulator listening on {base_url}")
    # uvicorn raises the signal again once it is down; without these the process would then die of it.
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
        # os.read and not sys.stdin: a thread inside the latter's lock breaks the interpreter's exit.
        if readable and not os.read(standard_input, 1024):
            break
    server.should_exit = True
