"""What a command is doing at the moment, on standard error."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import TracebackType

    from rich.console import Console

PLAIN_SECONDS = 5
"""Without a terminal, seconds between two lines."""


class StatusLine:
    """A live line on a terminal; elsewhere a line now and then, and none for what is quick."""

    def __init__(self, console: Console, text: str) -> None:
        self._console = console
        self._live = console.status(text) if console.is_terminal else None
        self._said = time.monotonic()

    def __enter__(self) -> StatusLine:
        if self._live:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live:
            self._live.stop()

    def __call__(self, text: str) -> None:
        """Show what is being done."""
        if self._live:
            self._live.update(text)
        elif time.monotonic() - self._said >= PLAIN_SECONDS:
            self._said = time.monotonic()
            self._console.print(text, markup=False, soft_wrap=True)
