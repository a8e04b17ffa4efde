"""The board of a stack in moto, asked without a server."""

import tempfile
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from dropreel_cli.stack import Stack
from dropreel_cli.web.application import create_application
from dropreel_cli.web.feed import JobFeed
from dropreel_cli.web.guard import Access
from dropreel_cli.web.site import Site
from dropreel_cli.web.thumbnails import Thumbnails
from dropreel_cli.web.updates import Updates
from tests.support.command_stack import CommandStack, command_stack
from tests.support.drop_stack import drop_stack
from tests.unit.web.board_drop import Drop

HOST = "127.0.0.1:8300"
ORIGIN = f"http://{HOST}"


def now() -> datetime:
    return datetime.now(UTC)


class Board:
    """A board without a server: its site, and a client that has the session's cookie."""

    def __init__(self, stack: Stack, cache: Path) -> None:
        self.feed = JobFeed(stack, now() - timedelta(days=30), now)
        self.access = Access(frozenset({HOST}), 8300)
        self.site = Site(stack, Updates(self.feed), Thumbnails(stack.client("s3"), cache), " --stack shop")
        self.application: Any = create_application(self.site, self.access)
        self.client = TestClient(self.application, base_url=ORIGIN, follow_redirects=False, headers={"origin": ORIGIN})
        self.client.cookies.set(self.access.cookie, self.access.session)


@pytest.fixture
def board_of(tmp_path: Path) -> Callable[[Stack], Board]:
    """Return the board of a stack. Nothing is read before `feed.look()`."""
    return lambda stack: Board(stack, tmp_path / "thumbnails")


@pytest.fixture
def shop(monkeypatch: pytest.MonkeyPatch) -> Iterator[CommandStack]:
    with command_stack(monkeypatch) as made:
        yield made


@pytest.fixture
def board(shop: CommandStack, board_of: Callable[[Any], Board]) -> Board:
    return board_of(shop.stack)


@pytest.fixture
def drops_stack() -> Iterator[Stack]:
    with drop_stack(DailySpendLimitUsd="unlimited") as made:
        yield made


@pytest.fixture
def drop(
    drops_stack: Stack, board_of: Callable[[Stack], Board], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Any:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    board = board_of(drops_stack)
    yield Drop(board, drops_stack)
    board.site.drafts.close()
