"""The one seam into requests and urllib3: sessions with a deadline, which can be limited to public addresses.

A session uses no proxy, no `.netrc`, no retries and no redirects. It knows whether a request that failed was never sent.
"""

import ipaddress
import logging
import socket
import threading
from contextlib import suppress
from functools import partial
from typing import Any, Self

import requests
from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import HTTPError, NewConnectionError
from urllib3.util.connection import create_connection

MAX_ADDRESSES_TRIED = 4
"""Addresses of one name that are connected to in turn. All are checked."""

_BODY_CHUNK_BYTES = 64 * 1024
_NEVER_PUBLIC = tuple(
    ipaddress.ip_network(network)
    for network in (
        "64:ff9b::/96",  # NAT64: holds an IPv4 address, and the standard library calls it global
        "64:ff9b:1::/48",
        "2002::/16",  # 6to4, the same
        "2001::/32",  # Teredo, the same
        "::/96",  # IPv4-compatible, deprecated
    )
)
_UNUSABLE_URL = (
    requests.exceptions.InvalidURL,
    requests.exceptions.MissingSchema,
    requests.exceptions.InvalidSchema,
)


# --- sessions -----------------------------------------------------------------------------------------------------------


def open_session(deadline: "Deadline", *, public_only: bool = False) -> "Session":
    """Return a session whose connections end at the deadline.

    `public_only`: https only, and no connection to a host that has an address which is not public.
    """
    return Session(deadline, public_only)


class Session(requests.Session):
    """A session of requests for one conversation. `send` and its shortcuts raise `requests.RequestException` only."""

    def __init__(self, deadline: "Deadline", public_only: bool) -> None:
        super().__init__()
        self.trust_env = False  # the environment's proxies and .netrc
        self.deadline = deadline
        self.public_only = public_only
        self.has_connected: bool | None = None
        """Whether a connection was made, its TLS handshake included; None before the first attempt."""
        self.adapters.clear()
        for prefix in ("https://",) if public_only else ("https://", "http://"):
            self.mount(prefix, _Adapter(self))
        # urllib3 warns of invalid headers with the whole URL, its signature included.
        logging.getLogger("urllib3.connection").setLevel(logging.ERROR)

    def send(self, request: requests.PreparedRequest, **options: Any) -> requests.Response:
        """Send one request. Errors of urllib3 that requests does not translate become ConnectionError."""
        try:
            return super().send(request, **options)
        except HTTPError as error:
            raise requests.ConnectionError(error, request=request) from error

    def get_redirect_target(self, resp: requests.Response) -> None:
        """Return None. Otherwise requests reads a redirect's body and parses its `Location` even if it does not follow it."""

    def was_never_sent(self, error: requests.RequestException) -> bool:
        """Return whether the request that raised this error was surely not sent.

        True for an unusable URL, and where the connection or its TLS handshake failed. In doubt False.
        """
        return isinstance(error, _UNUSABLE_URL) if self.has_connected is None else not self.has_connected


def read_body(response: requests.Response, deadline: "Deadline", max_bytes: int) -> bytes:
    """Return a streamed response's decoded body; of a longer one the beginning, of at least `max_bytes`.

    Raises RequestException if the connection broke or the deadline has passed: the body may then be cut.
    """
    body = bytearray()
    for chunk in response.iter_content(_BODY_CHUNK_BYTES):
        body += chunk
        if len(body) > max_bytes:
            break
    if deadline.expired:
        raise requests.Timeout
    return bytes(body)


class _Adapter(HTTPAdapter):
    """Makes connections of the classes below."""

    def __init__(self, session: Session) -> None:
        super().__init__(max_retries=0)
        self.poolmanager.pool_classes_by_scheme = {
            "http": partial(_HTTPPool, session=session),
            "https": partial(_HTTPSPool, session=session),
        }


class _HTTPConnection(HTTPConnection):
    """A connection that its session's deadline watches, and that reports to the session whether it was made."""

    def __init__(self, *arguments: Any, session: Session, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._session = session

    def connect(self) -> None:
        self._session.has_connected = self._session.has_connected or False
        super().connect()
        self._session.has_connected = True

    def _new_conn(self) -> socket.socket:
        sock: socket.socket = _connect_to_public(self) if self._session.public_only else super()._new_conn()
        self._session.deadline.watch(sock)
        return sock


class _HTTPSConnection(_HTTPConnection, HTTPSConnection):
    """The same with TLS: its `connect` ends with the handshake."""


class _HTTPPool(HTTPConnectionPool):
    ConnectionCls = _HTTPConnection


class _HTTPSPool(HTTPSConnectionPool):
    ConnectionCls = _HTTPSConnection


# --- the deadline -------------------------------------------------------------------------------------------------------


class Deadline:
    """Limits what happens in a `with` block to `seconds`. Then `expired` is True and every watched socket is shut down.

    A read time-out starts again with each byte, so a server that sends slowly could hold a caller for hours; a thread shuts
    the socket down instead. To the reader this looks like the end of the body: check `expired` before taking it for whole.
    Name resolution and connecting are not interrupted; their sockets are shut down as soon as they are watched.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.expired = False
        self._is_over = False
        self._watched: list[socket.socket] = []
        self._lock = threading.Lock()
        self._timer = threading.Timer(seconds, self.expire)
        self._timer.name = "deadline"
        self._timer.daemon = True

    def __enter__(self) -> Self:
        self._timer.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._timer.cancel()
        with self._lock:
            self._is_over = True
            for duplicate in self._watched:
                duplicate.close()
            self._watched.clear()
        self._timer.join()

    def watch(self, sock: socket.socket) -> None:
        """Shut this socket down at the deadline, even if TLS wraps it later. The caller still closes its own socket."""
        duplicate = socket.fromfd(sock.fileno(), sock.family, sock.type)
        with self._lock:
            if not self.expired and not self._is_over:
                self._watched.append(duplicate)
                return
        with duplicate:
            _shut_down(duplicate)

    def expire(self) -> None:
        """Shut down what is watched, as at the deadline. Does nothing after the `with` block."""
        with self._lock:
            if self._is_over:
                return
            self.expired = True
            for duplicate in self._watched:
                _shut_down(duplicate)


def _shut_down(sock: socket.socket) -> None:
    with suppress(OSError):  # it may be closed already
        sock.shutdown(socket.SHUT_RDWR)


# --- public addresses ---------------------------------------------------------------------------------------------------


def is_public(address: str) -> bool:
    """Return whether an IP address is public: not private, loopback, link-local, multicast, reserved or a tunnel to such."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address) and ip.ipv4_mapped is not None:
        ip = ip.ipv4_mapped
    never = any(ip in network for network in _NEVER_PUBLIC if network.version == ip.version)
    return ip.is_global and not ip.is_multicast and not ip.is_reserved and not never


def resolve_public(host: str, port: int) -> list[str]:
    """Return all addresses of a host. Raises OSError if it has none or one that is not public."""
    addresses = [str(entry[4][0]) for entry in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]
    for address in addresses:
        if not is_public(address):
            raise PermissionError(f"{host} has the address {address}, which is not public")
    return addresses


def _connect_to_public(connection: HTTPConnection) -> socket.socket:
    """Resolve the host once, check every address, and connect to one of those: the name cannot change in between."""
    host = connection._dns_host
    try:
        addresses = resolve_public(host, connection.port)
    except (OSError, UnicodeError) as error:
        raise NewConnectionError(connection, str(error)) from error
    failure: OSError | None = None
    for address in addresses[:MAX_ADDRESSES_TRIED]:
        try:
            return create_connection(
                (address, connection.port), connection.timeout, socket_options=connection.socket_options
            )
        except OSError as error:
            failure = error
    raise NewConnectionError(connection, f"no address of {host} could be reached: {failure}") from failure
