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

QUICK = frozenset({
    "test_a_dropped_folder_is_shown_priced_and_becomes_videos",
    "test_a_double_click_uploads_once",
    "test_an_image_that_is_dropped_elsewhere_becomes_a_card_and_a_video",
    "test_a_job_is_submitted_again_only_after_it_was_said_that_it_may_be_paid_twice",
    "test_every_status_has_a_card_with_its_reason",
    "test_a_video_plays_in_its_card",
    "test_the_keyboard_alone_goes_through_the_cards_and_opens_one",
    "test_no_request_of_another_origin_works",
})  # fmt: skip
"""What `make test` runs in a browser. All others are a part of `make test-exhaustive`: a browser takes a processor."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the longer browser tests."""
    for item in items:
        name = getattr(item, "originalname", item.name)
        if item.path.is_relative_to(Path(__file__).parent) and name not in QUICK:
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
