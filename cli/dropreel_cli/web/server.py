"""Serves the board on this machine until Ctrl-C."""

from __future__ import annotations

import os
import socket
import sys
import threading
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import uvicorn

from dropreel_cli.exits import CommandError, Exit
from dropreel_cli.web.access import Access, host_of
from dropreel_cli.web.application import create_application
from dropreel_cli.web.feed import JobFeed
from dropreel_cli.web.site import Site
from dropreel_cli.web.thumbnails import Thumbnails, cache_folder
from dropreel_cli.web.updates import Updates

if TYPE_CHECKING:
    from types import FrameType

    from dropreel_cli.stack import Stack

LOOPBACK = "127.0.0.1"
_LOOPBACKS = (LOOPBACK, "[::1]", "localhost")
_ALL_ADDRESSES = {"0.0.0.0": LOOPBACK, "[::]": "[::1]"}  # noqa: S104 # nosec B104 - compared, and warned about
"""What stands for every address of this machine, and the loopback address that is one of them."""
_MAX_CONNECTIONS = 250
"""More get 503: each takes memory, and one page takes six at most."""
_SECONDS_TO_END = 3.0
"""After so long, Ctrl-C no longer waits for a request to AWS."""


class BoardServer:
    """A board on a port of its own; `address` has the token. Raises CommandError where the port is taken."""

    def __init__(
        self, stack: Stack, since: datetime, *, host: str = LOOPBACK, port: int = 0, arguments: str = ""
    ) -> None:
        self._socket = _listen(host, port)
        self.port: int = self._socket.getsockname()[1]
        self._host = host_of(host)
        self.access = Access(
            frozenset(f"{name}:{self.port}" for name in _names_of(self._host)),
            self.port,
            on_all_addresses=self._host in _ALL_ADDRESSES,
        )
        self.feed = JobFeed(stack, since, lambda: datetime.now(UTC))
        self.updates = Updates(self.feed)
        thumbnails = Thumbnails(stack.client("s3"), cache_folder(stack.arn))
        self.site = Site(stack, self.updates, thumbnails, arguments)
        self.server = _Server(self.updates, self.create_config())

    def create_config(self) -> uvicorn.Config:
        """Return the server's settings. No line of its log has an address, so none has the token."""
        return uvicorn.Config(
            create_application(self.site, self.access),
            http="h11",
            ws="none",
            log_level="warning",
            access_log=False,
            server_header=False,
            proxy_headers=False,
            limit_concurrency=_MAX_CONNECTIONS,
            timeout_graceful_shutdown=1,
            lifespan="on",
        )

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine reaches it."""
        return self._host in _LOOPBACKS or self._host.startswith("127.")

    @property
    def address(self) -> str:
        """The address to open on this machine, with the token."""
        return self._address(_ALL_ADDRESSES.get(self._host, self._host))

    @property
    def network_address(self) -> str | None:
        """The address to open on another device; None where there is no other than `address`."""
        return self._address(_outer_address(self._socket.family)) if self._host in _ALL_ADDRESSES else None

    def _address(self, host: str) -> str:
        return f"http://{host}:{self.port}/?token={self.access.token}"

    def run(self) -> None:
        """Serve until Ctrl-C, or until `stop`."""
        threading.Thread(target=self.site.thumbnails.trim, daemon=True).start()
        try:
            self.server.run(sockets=[self._socket])
        finally:
            self.close()
            self.site.drafts.close()

    def stop(self) -> None:
        """End the server; may be called from another thread."""
        self.updates.close()
        self.server.should_exit = True

    def close(self) -> None:
        """Close the port of a server that does not run."""
        self._socket.close()


class _Server(uvicorn.Server):
    """A server that a signal ends at once: open streams end with it, and the signal is not raised again."""

    def __init__(self, updates: Updates, config: uvicorn.Config) -> None:
        super().__init__(config)
        self._updates = updates

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002 - the signature of handlers
        """End. A request to AWS that takes long cannot be interrupted: the process ends without it."""
        if self.should_exit:
            self.force_exit = True
            return
        self.should_exit = True
        self._updates.close()
        watchdog = threading.Timer(_SECONDS_TO_END, _end_process)
        watchdog.daemon = True
        watchdog.start()


def _end_process() -> None:
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(Exit.DONE)


def _names_of(host: str) -> set[str]:
    """Return the names by which a board that listens on this address is reached."""
    if host in _ALL_ADDRESSES:
        name = socket.gethostname().lower()
        return {*_LOOPBACKS, name, f"{name.partition('.')[0]}.local"}
    return {*_LOOPBACKS} if host in _LOOPBACKS else {host}


def _outer_address(family: int) -> str:
    """Return the address by which other devices reach this machine. Nothing is sent."""
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1" if family == socket.AF_INET else "2001:db8::1", 9))
            return host_of(probe.getsockname()[0])
        except OSError:
            return socket.gethostname().lower()


def _listen(host: str, port: int) -> socket.socket:
    why = f"The board cannot listen on {host}, port {port or 'any'}"
    try:
        found = socket.getaddrinfo(host.strip("[]"), port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (OSError, UnicodeError) as error:
        raise CommandError(f"{why}: {error}. --host is an address of this machine.", Exit.USAGE) from error
    family, kind, protocol, _, address = min(found, key=lambda one: one[0] != socket.AF_INET)
    listening = socket.socket(family, kind, protocol)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(address)
        listening.listen(128)
    except OSError as error:
        listening.close()
        raise CommandError(f"{why}: {error.strerror or error}. Choose another --port, or none.", Exit.FAILED) from error
    return listening
