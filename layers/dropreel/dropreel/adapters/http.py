"""A limit on a whole conversation, which a slow drip of headers or body cannot stretch.

A read time-out starts anew with each byte, and one call may wait for thousands of them, so that its caller cannot look
at a clock meanwhile. Only another thread can end such a call: by shutting down the socket that it waits for.
"""

import logging
import socket
import threading
from contextlib import suppress
from typing import Any, Self

import requests
from requests.adapters import BaseAdapter, HTTPAdapter
from urllib3 import HTTPConnectionPool


class TimeLimit:
    """So many seconds for what happens in a `with` block. Then `expired` is True and every watched socket is shut down.

    To its reader that looks like the other side's end of a body: look at `expired` before a short one is taken for a
    whole. The limit does not reach into resolving a name or connecting, which have time-outs of their own; what they
    give too late is shut down at once.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.expired = False
        self._ended = False
        self._watched: list[socket.socket] = []
        self._lock = threading.Lock()
        self._timer = threading.Timer(seconds, self._expire)
        self._timer.name = "time-limit"
        self._timer.daemon = True

    def __enter__(self) -> Self:
        self._timer.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._timer.cancel()
        with self._lock:
            self._ended = True
            for twin in self._watched:
                twin.close()
            self._watched.clear()
        self._timer.join()

    def watch(self, sock: socket.socket) -> None:
        """Shut this socket down when the time is up, whatever wraps it later. Its owner closes it as ever."""
        twin = socket.fromfd(sock.fileno(), sock.family, sock.type)
        with self._lock:
            if not self.expired and not self._ended:
                self._watched.append(twin)
                return
        with twin:
            _shut_down(twin)

    def _expire(self) -> None:
        with self._lock:
            if self._ended:
                return
            self.expired = True
            for twin in self._watched:
                _shut_down(twin)


class TimedSession(requests.Session):
    """A session whose every socket is watched by a limit, whatever adapters are mounted.

    It takes no proxy and no `.netrc` from the machine. It knows no redirects: requests would read a redirect's body
    whole, and raise for an odd `Location`, even where redirects are not to be followed.
    """

    def __init__(self, limit: TimeLimit) -> None:
        self._limit = limit
        super().__init__()
        self.trust_env = False
        # urllib3 warns of odd headers with the whole address, signature and all.
        logging.getLogger("urllib3.connection").setLevel(logging.ERROR)

    def mount(self, prefix: str | bytes, adapter: BaseAdapter) -> None:
        """Use this adapter for addresses that begin so, and watch the sockets that it opens."""
        if isinstance(adapter, HTTPAdapter):
            manager = adapter.poolmanager
            pools = manager.pool_classes_by_scheme
            manager.pool_classes_by_scheme = {scheme: _watched(pool, self._limit) for scheme, pool in pools.items()}
        super().mount(prefix, adapter)

    def get_redirect_target(self, resp: requests.Response) -> None:
        """Return None: no answer leads anywhere else."""


def _watched(pool: type[HTTPConnectionPool], limit: TimeLimit) -> type[HTTPConnectionPool]:
    connection: Any = pool.ConnectionCls

    def _new_conn(self: Any) -> socket.socket:
        sock: socket.socket = connection._new_conn(self)
        limit.watch(sock)
        return sock

    watched = type("_WatchedConnection", (connection,), {"_new_conn": _new_conn})
    return type("_WatchedPool", (pool,), {"ConnectionCls": watched})


def _shut_down(sock: socket.socket) -> None:
    with suppress(OSError):  # the other side was first
        sock.shutdown(socket.SHUT_RDWR)
