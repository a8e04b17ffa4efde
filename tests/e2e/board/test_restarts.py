"""A page that stays open while its board is ended and started again on the same port."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.support.board_server import running_board
from tests.support.command_stack import CommandStack
from tests.support.crowded_stack import crowded_stack

SOON = 30_000


@pytest.fixture
def crowd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CommandStack]:
    with pytest.MonkeyPatch.context() as patch, crowded_stack() as made:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield made


def offline(page: Page) -> str:
    """Return what the page shows at its lower edge."""
    return str(page.evaluate("getComputedStyle(document.body, '::after').content"))


def test_a_page_of_an_ended_board_says_what_to_open_and_then_shows_the_new_one(
    browser: Browser, crowd: CommandStack
) -> None:
    page = browser.new_context().new_page()
    with running_board(crowd.stack) as first:
        page.goto(first.address)
        before = page.locator("body").get_attribute("data-board")
        port = first.port
    expect(page.locator("body.offline")).to_be_attached(timeout=SOON)
    assert "is `dropreel board` running?" in offline(page)

    with running_board(crowd.stack, port=port) as second:
        said = page.locator("body[data-offline*='open the address that it printed']")
        expect(said).to_be_attached(timeout=SOON)
        page.context.new_page().goto(second.address)

        expect(page.locator("body:not(.offline)")).to_be_attached(timeout=SOON)
        page.wait_for_function("before => document.body.dataset.board !== before", arg=before, timeout=SOON)
    page.context.close()


def test_on_a_phone_what_is_said_of_an_ended_board_fits_and_is_not_covered(
    browser: Browser, crowd: CommandStack
) -> None:
    page = browser.new_context(viewport={"width": 390, "height": 844}).new_page()
    with running_board(crowd.stack) as first:
        page.goto(first.address)
    expect(page.locator("body.offline")).to_be_attached(timeout=SOON)

    page.get_by_role("button", name="Resume").click()

    expect(page.locator("#status")).to_contain_text("The board does not answer")
    width, height, left, bottom = page.evaluate(
        "['width', 'height', 'left', 'bottom'].map((name) => parseFloat(getComputedStyle(document.body, '::after')[name]))"
    )
    assert left + width <= 390 - left
    toast = page.locator("#status").bounding_box()
    assert toast is not None
    assert toast["y"] + toast["height"] <= 844 - bottom - height
    page.context.close()


@pytest.mark.exhaustive
def test_a_page_with_an_open_dialog_is_not_reloaded(browser: Browser, crowd: CommandStack) -> None:
    page = browser.new_context().new_page()
    with running_board(crowd.stack) as first:
        page.goto(first.address)
        page.get_by_role("button", name="Resubmit").click()
        expect(page.locator("#action-dialog")).to_be_visible()
        port = first.port

    with running_board(crowd.stack, port=port) as second:
        page.context.new_page().goto(second.address)

        expect(page.locator("body[data-offline*='reload this page']")).to_be_attached(timeout=SOON)
        expect(page.locator("#action-dialog")).to_be_visible()
    page.context.close()
