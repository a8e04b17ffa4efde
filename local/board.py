"""The board of the local cloud, served by the cloud's own process where the packages of the extra `board` are installed."""

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

from dropreel_cli.connection import connect_local
from dropreel_cli.exits import CommandError
from dropreel_cli.serving import missing_packages

_DAYS = timedelta(days=30)
_END_SECONDS = 5.0


@contextmanager
def served_board(described: Mapping[str, Any]) -> Iterator[str | None]:
    """Serve the board of a local cloud, as its file describes it, and yield the address with its token; None where it cannot."""
    if missing_packages():
        yield None
        return
    from dropreel_cli.web.server import BoardServer

    try:
        server = BoardServer(connect_local(described), datetime.now(UTC) - _DAYS, arguments=" --local")
    except CommandError:
        yield None
        return
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    try:
        yield server.address
    finally:
        server.stop()
        thread.join(_END_SECONDS)
