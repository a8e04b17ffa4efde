"""Looks at the stack while a page is open, and wakes every open page when something has changed."""

from __future__ import annotations

import asyncio
import logging
import secrets
import threading
import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from dropreel_cli.following import poll_seconds

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from dropreel_cli.web.feed import JobFeed, Snapshot

_log = logging.getLogger(__name__)
HEARTBEAT_SECONDS = 15.0
"""A stream without news says so, so that a connection that is gone is noticed."""
_CHECK_SECONDS = 0.5
_END_SECONDS = 1.0


class Updates:
    """One reader for all pages. Without an open page nothing is read, after the first look."""

    def __init__(self, feed: JobFeed) -> None:
        self.feed = feed
        self.board_id = secrets.token_hex(8)
        """Identifies this board's versions: another board counts from 0 again."""
        feed.on_change = lambda _: self._wake()
        self._stop = threading.Event()
        self._asked = threading.Event()
        self._watchers = 0
        self._loop: asyncio.AbstractEventLoop | None = None
        self._changed = asyncio.Event()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Read in a thread of its own until the server ends."""
        self._loop = asyncio.get_running_loop()
        thread = threading.Thread(target=self._read, daemon=True)
        thread.start()
        try:
            yield
        finally:
            self.close()
            await asyncio.to_thread(thread.join, _END_SECONDS)  # a read of AWS cannot be interrupted

    @property
    def is_closed(self) -> bool:
        """Whether the server ends."""
        return self._stop.is_set()

    def close(self) -> None:
        """End the reading, and every stream."""
        self._stop.set()
        self._asked.set()
        self._wake()

    def ask(self) -> None:
        """Look at once: something was just changed from here."""
        self._asked.set()

    async def snapshots(self, version: int) -> AsyncIterator[Snapshot | None]:
        """Yield each snapshot that is newer than the last one, and None now and then where nothing has changed."""
        self._watchers += 1
        self.ask()
        try:
            while not self._stop.is_set():
                changed = self._changed
                snapshot = self.feed.snapshot
                if snapshot.version > version:
                    version = snapshot.version
                    yield snapshot
                    continue
                try:
                    await asyncio.wait_for(changed.wait(), HEARTBEAT_SECONDS)
                except TimeoutError:
                    yield None
        finally:
            self._watchers -= 1

    def _read(self) -> None:
        looked = 0.0
        while not self._stop.is_set():
            in_work = self.feed.snapshot.in_work
            is_due = self._watchers > 0 and time.monotonic() - looked >= poll_seconds(in_work)
            if not looked or is_due or self._asked.is_set():
                self._asked.clear()
                try:
                    self.feed.look()
                except Exception:  # the next look tries again
                    _log.exception("the stack could not be read")
                looked = time.monotonic()
            self._asked.wait(_CHECK_SECONDS)

    def _wake(self) -> None:
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._replace_event)

    def _replace_event(self) -> None:
        before, self._changed = self._changed, asyncio.Event()
        before.set()
