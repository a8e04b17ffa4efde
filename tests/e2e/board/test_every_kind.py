"""Jobs in every status, and names that try to break the page: shown as text, playable, searchable, without a fault."""

from collections.abc import Iterator
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from dropreel.domain.job import JobStatus
from dropreel_cli.output import printable
from dropreel_cli.web.server import BoardServer
from tests.e2e.board.crowd import fits, job_id
from tests.support.board_server import running_board
from tests.support.crowded_stack import HOSTILE, crowded_stack

PLACES = {status: number for number, status in enumerate(JobStatus)}
SETTINGS: dict[str, dict[str, Any]] = {
    "light": {"viewport": {"width": 1280, "height": 800}, "color_scheme": "light"},
    "dark": {"viewport": {"width": 1280, "height": 800}, "color_scheme": "dark"},
    "phone": {"viewport": {"width": 390, "height": 844}, "has_touch": True},
}
PAGES = ("/", "/videos", "/charges", f"/jobs/{job_id(PLACES[JobStatus.UNKNOWN])}", f"/jobs/{job_id(100)}")


@pytest.fixture(scope="module")
def board(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[BoardServer]:
    with pytest.MonkeyPatch.context() as patch, crowded_stack() as made:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        with running_board(made.stack) as server:
            yield server


def open_page(page: Page, board: BoardServer, path: str) -> None:
    page.goto(f"http://127.0.0.1:{board.port}{path}")
    expect(page.locator("h1")).to_be_visible()


def test_every_status_has_a_card_with_its_reason(page: Page) -> None:
    for status in JobStatus:
        card = page.locator(f"#job-{job_id(PLACES[status])}")
        expect(card.locator(".status")).to_have_text(status.value)
        expect(card.locator("video")).to_have_count(1 if status is JobStatus.COMPLETED else 0)
    expect(page.locator(f"#job-{job_id(PLACES[JobStatus.HELD])} .reason")).to_contain_text("daily limit")


@pytest.mark.parametrize("number", range(len(HOSTILE)))
def test_a_hostile_name_is_shown_as_text_on_every_page(page: Page, board: BoardServer, number: int) -> None:
    shown = printable(HOSTILE[number])

    for path in ("/", "/videos", f"/jobs/{job_id(100 + number)}"):
        open_page(page, board, path)
        heading = page.locator("h1" if path.startswith("/jobs/") else f"#job-{job_id(100 + number)} h2")
        assert " ".join(heading.inner_text().split()) == " ".join(shown.split())
        assert page.title() != "broken"
        assert page.locator("script:not([src])").count() == 0
        assert fits(page)


def test_spaces_of_a_name_are_shown(page: Page, board: BoardServer) -> None:
    number = 100 + HOSTILE.index(" spaces .jpg")

    assert page.locator(f"#job-{job_id(number)} h2").inner_text() == " spaces .jpg"
    open_page(page, board, f"/jobs/{job_id(number)}")
    assert page.locator("h1").inner_text() == " spaces .jpg"


def test_a_long_prompt_ends_with_an_ellipsis_on_its_card(page: Page) -> None:
    prompt = page.locator(f"#job-{job_id(100 + HOSTILE.index('long-' * 150 + 'name.jpg'))} .options q")

    assert prompt.evaluate("(q) => q.scrollHeight > q.clientHeight && getComputedStyle(q).webkitLineClamp") == "2"


@pytest.mark.parametrize("name", SETTINGS)
def test_axe_finds_nothing_on_any_page(browser: Browser, board: BoardServer, name: str) -> None:
    context = browser.new_context(**SETTINGS[name])
    page = context.new_page()
    page.goto(board.address)

    for path in PAGES:
        open_page(page, board, path)
        found = Axe().run(page).response["violations"]
        assert found == [], [(one["id"], one["nodes"][0]["html"]) for one in found]
        assert fits(page), path
    context.close()


def test_the_fields_of_the_search_stand_in_one_line(page: Page) -> None:
    fields = page.locator(".search input, .search select").all()

    assert len({field.evaluate("(e) => e.getBoundingClientRect().y") for field in fields}) == 1


@pytest.mark.parametrize("page", [SETTINGS["phone"]], indirect=True)
def test_no_word_of_the_options_is_cut_on_a_phone(page: Page, board: BoardServer) -> None:
    open_page(page, board, f"/jobs/{job_id(PLACES[JobStatus.UNKNOWN])}")

    names = page.locator(".options tbody th").all()
    assert names
    assert {
        name.evaluate(
            "(e) => { const r = document.createRange(); r.selectNodeContents(e); return r.getClientRects().length; }"
        )
        for name in names
    } == {1}


@pytest.mark.parametrize(
    ("verb", "text"),
    [
        ("Resume", "The job polls generation gen_6 again."),
        ("Adopt", "The job polls and delivers the generation that you name."),
        ("Resubmit", "MAY PAY TWICE"),
        ("Abandon", "the $0.47 that may have been charged stays counted."),
    ],
)
def test_a_question_is_accessible_and_esc_leaves_it(page: Page, verb: str, text: str) -> None:
    button = page.get_by_role("button", name=verb).first
    button.focus()

    page.keyboard.press("Enter")

    dialog = page.locator("#action-dialog")
    expect(dialog).to_be_visible()
    expect(dialog).to_contain_text(text)
    assert Axe().run(page).response["violations"] == []
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    expect(button).to_be_focused()


def test_a_video_plays_in_its_card(page: Page) -> None:
    video = page.locator(f"#job-{job_id(PLACES[JobStatus.COMPLETED])} video")

    video.evaluate("video => video.play()")

    page.wait_for_function("video => video.currentTime > 0.2", arg=video.element_handle())
    assert video.evaluate("video => video.videoWidth") > 0


def test_the_keyboard_alone_goes_through_the_cards_and_opens_one(page: Page) -> None:
    cards = page.locator(".card")
    cards.first.focus()

    page.keyboard.press("ArrowRight")
    expect(cards.nth(1)).to_be_focused()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowUp")
    page.keyboard.press("ArrowLeft")
    expect(cards.first).to_be_focused()
    page.keyboard.press("Enter")

    page.wait_for_url(f"**/jobs/{job_id(0)}")


def test_space_plays_and_pauses_the_video_of_a_card(page: Page) -> None:
    card = page.locator(f"#job-{job_id(PLACES[JobStatus.COMPLETED])}")
    video = card.locator("video").element_handle()
    card.focus()

    page.keyboard.press("Space")
    page.wait_for_function("video => !video.paused", arg=video)
    page.keyboard.press("Space")
    page.wait_for_function("video => video.paused", arg=video)


@pytest.mark.parametrize(
    ("field", "value", "found"),
    [("text", "ÜNÏCODE", 1), ("text", "slow push", 9), ("folder", "shop/", 9), ("day", "2020-01-01", 0)],
)
def test_a_search_finds_jobs_by_prompt_folder_and_day(page: Page, field: str, value: str, found: int) -> None:
    page.locator(f"[name={field}]").fill(value)
    page.keyboard.press("Enter")

    expect(page.locator("#total")).to_contain_text(f"{found} job")
    expect(page.locator(".card")).to_have_count(found)


def test_a_search_by_status_is_a_click(page: Page) -> None:
    page.get_by_role("link", name="1 held").click()

    expect(page.locator(".card")).to_have_count(1)
    expect(page.locator("[name=status]")).to_have_value("held")


def test_no_page_asks_anything_of_the_internet(browser: Browser, board: BoardServer) -> None:
    context = browser.new_context()
    page = context.new_page()
    asked: set[str] = set()
    page.on("request", lambda request: asked.add(request.url.split("/")[2].split(":")[0]))
    page.goto(board.address)

    for path in PAGES:
        open_page(page, board, path)
        page.wait_for_load_state("load")

    assert asked == {"127.0.0.1"}
    context.close()


def test_screenshots_of_light_and_dark_are_kept(browser: Browser, board: BoardServer, screenshots: object) -> None:
    for name, settings in SETTINGS.items():
        context = browser.new_context(**settings)
        page = context.new_page()
        page.goto(board.address)
        expect(page.locator(".card").first).to_be_visible()
        page.screenshot(path=f"{screenshots}/every-status-{name}.png")
        context.close()
