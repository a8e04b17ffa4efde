"""The board of the local cloud's stack, in a headless browser."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from dropreel_cli.web.server import BoardServer
from tests.e2e.conftest import Account
from tests.support.board_server import running_board
from tests.support.browser import running_browser


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Make the browser tests a part of `make test-exhaustive`: a browser takes a processor."""
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent):
            item.add_marker(pytest.mark.exhaustive)


@pytest.fixture(scope="package")  # with Playwright an event loop runs in this thread, where later tests start their own
def browser() -> Iterator[Browser]:
    with running_browser() as found:
        yield found


@pytest.fixture(scope="package")
def board(account: Account, browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[BoardServer]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        with running_board(account.stack) as server:
            yield server


@pytest.fixture
def page(board: BoardServer, browser: Browser, request: pytest.FixtureRequest) -> Iterator[Page]:
    """A page of the board; `@pytest.mark.parametrize("page", [settings], indirect=True)` sets the context's settings."""
    settings: dict[str, Any] = getattr(request, "param", {})
    context = browser.new_context(**{"viewport": {"width": 1280, "height": 800}, **settings})
    page = context.new_page()
    faults: list[str] = []
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("console", lambda message: faults.append(message.text) if message.type == "error" else None)
    page.goto(board.address)
    yield page
    context.close()
    expected: list[str] = getattr(page, "expected_faults", [])
    assert [fault for fault in faults if not any(part in fault for part in expected)] == []


@pytest.fixture
def screenshots() -> Path:
    """Where screenshots are kept."""
    folder = Path(__file__).parents[3] / ".local" / "screenshots"
    folder.mkdir(parents=True, exist_ok=True)
    return folder
