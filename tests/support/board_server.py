"""The board of a stack, served on a free port of 127.0.0.1 in a thread of its own."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

from dropreel_cli.stack import Stack
from dropreel_cli.web.server import BoardServer


@contextmanager
def running_board(stack: Stack, days: float = 30, seconds: float = 30, **settings: Any) -> Iterator[BoardServer]:
    """Yield a board that has read its jobs once, within `seconds`."""
    server = BoardServer(stack, datetime.now(UTC) - timedelta(days=days), **settings)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    end = time.monotonic() + seconds
    while not (server.server.started and server.feed.snapshot.is_whole):
        assert thread.is_alive(), "the board has ended"
        assert time.monotonic() < end, "the board has not started"
        time.sleep(0.02)
    try:
        yield server
    finally:
        server.stop()
        thread.join(10)
        assert not thread.is_alive()
