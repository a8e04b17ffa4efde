"""Dropping pictures on the board: what becomes of them and what they cost is shown before anything is sent."""

import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from botocore.exceptions import EndpointConnectionError
from playwright.sync_api import Page, expect

from dropreel_cli.stack import Stack
from dropreel_cli.uploading import Uploader
from dropreel_cli.web.server import BoardServer
from tests.e2e.conftest import SAMPLE, Account
from tests.support.phone_pictures import photograph
from tests.support.pictures import jpeg


def image(number: int) -> bytes:
    """Return one of many different pictures."""
    return SAMPLE.read_bytes() + str(number).encode()


def choose(page: Page, *files: tuple[str, bytes]) -> None:
    """Choose files, as in the window of the operating system."""
    page.get_by_role("button", name="Make videos").click()
    given: Any = [{"name": name, "mimeType": "image/jpeg", "buffer": content} for name, content in files]
    page.get_by_label("Pictures").set_input_files(given)


def drop(page: Page, *paths: Path) -> None:
    """Drop files or folders of this machine onto the page."""
    session = page.context.new_cdp_session(page)
    data: Any = {"items": [], "files": [str(path) for path in paths], "dragOperationsMask": 1}
    for kind in ("dragEnter", "dragOver", "dragOver", "drop"):
        session.send("Input.dispatchDragEvent", {"type": kind, "x": 300, "y": 500, "data": data})


def open_options(page: Page) -> None:
    """Open the further options by the keyboard: the plan can move them while a mouse is on its way."""
    page.get_by_text("More options").press("Enter")


def set_folder(page: Page, folder: str) -> None:
    open_options(page)
    page.get_by_label("Folder in the bucket").fill(folder)


def folder_of(account: Account) -> str:
    """Return a folder of the bucket that no other test uses."""
    return account.new_key("").rstrip("/")


def keys(account: Account, folder: str) -> list[str]:
    """Return the keys below a folder, one for each version."""
    listed = account.client("s3").list_object_versions(Bucket=account.uploads, Prefix=f"{folder}/")
    return [version["Key"] for version in listed.get("Versions", [])]


def button(page: Page) -> Any:
    return page.locator("#drop-do")


def uploaded(page: Page) -> Any:
    return page.locator("#uploads .upload").first


def close_uploads(page: Page) -> None:
    for _ in range(page.locator("#uploads .upload").count()):
        page.locator("#uploads .upload").first.get_by_role("button", name="Close").click()


@pytest.fixture
def holding(monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """Hold every upload until the event is set."""
    may_go, put = threading.Event(), Uploader._put

    def waits(uploader: Uploader, planned: Any) -> Any:
        may_go.wait(20)
        return put(uploader, planned)

    monkeypatch.setattr(Uploader, "_put", waits)
    return may_go


def test_a_dropped_folder_is_shown_priced_and_becomes_videos(account: Account, page: Page, tmp_path: Path) -> None:
    folder = folder_of(account)
    pictures = tmp_path / folder
    (pictures / "deep").mkdir(parents=True)
    (pictures / "beach.jpg").write_bytes(image(1))
    (pictures / "deep" / "phone.heic").write_bytes(photograph("HEIC", (1024, 1024)))
    (pictures / "copy.jpg").write_bytes(image(1))
    (pictures / "notes.jpg").write_text("not a picture")
    (pictures / ".DS_Store").write_bytes(b"\0")
    (pictures / "dropreel.json").write_text('{"prompt": "slow zoom out"}')

    drop(page, pictures)

    expect(button(page)).to_have_text("Make 2 videos for $0.94")
    rows = page.locator(".planned li")
    expect(rows.filter(has_text="notes.jpg")).to_contain_text("refused: The file is text")
    expect(rows.filter(has_text="copy.jpg")).to_contain_text("duplicate: the same picture")
    expect(rows.filter(has_text=".DS_Store")).to_contain_text("skipped")
    expect(rows.filter(has_text="beach.jpg").first).to_contain_text('prompt="slow zoom out"')
    phone = rows.filter(has_text="phone.heic")
    expect(phone).to_contain_text("prepared: the provider does not take this format")
    assert phone.locator("p").first.evaluate("(p) => getComputedStyle(p, '::before').content") == "none"
    phone.scroll_into_view_if_needed()
    expect(phone.locator("img")).to_have_js_property("naturalWidth", 640)
    assert keys(account, folder) == []

    button(page).click()

    expect(uploaded(page)).to_contain_text("2 images uploaded, $0.94.")
    assert sorted(keys(account, folder)) == [
        f"{folder}/{name}" for name in ("beach.jpg", "deep/phone.heic", "dropreel.json")
    ]
    expect(page.locator(".card", has_text=f"{folder}/deep/phone.heic")).to_be_visible(timeout=40_000)
    close_uploads(page)


def test_options_change_the_price_and_only_what_was_set_is_sent(account: Account, page: Page) -> None:
    folder = folder_of(account)
    choose(page, ("a.jpg", image(2)))
    expect(button(page)).to_have_text("Make 1 video for $0.47")

    page.locator("textarea[name=prompt]").fill("gentle\nwaves")
    set_folder(page, folder)
    page.get_by_label("hq 5 s").check()
    page.get_by_label("How closely to follow").fill("0.35")
    page.get_by_label("Sound").uncheck()
    expect(page.locator("#value-cfg_scale")).to_have_text("0.35")
    expect(page.locator("#count-prompt")).to_have_text("12")
    expect(button(page)).to_have_text("Make 1 video for $0.94")
    page.get_by_role("button", name="As the files say").last.click()
    expect(page.locator("#value-sound")).to_have_text("as the files say, else on")
    expect(page.locator(".planned li")).to_contain_text('prompt="gentle waves" mode=hq cfg_scale=0.35')
    button(page).click()

    expect(uploaded(page)).to_contain_text("1 image uploaded, $0.94.")
    metadata = account.client("s3").head_object(Bucket=account.uploads, Key=f"{folder}/a.jpg")["Metadata"]
    assert {name: value for name, value in metadata.items() if not name.startswith("dropreel-")} == {
        "prompt": "gentle waves",
        "mode": "hq",
        "cfg-scale": "0.35",
    }
    close_uploads(page)


def test_above_the_commands_limit_the_price_is_confirmed_once_more(account: Account, page: Page) -> None:
    folder = folder_of(account)
    choose(page, *((f"{number}.jpg", image(number)) for number in (3, 4, 5)))
    set_folder(page, folder)
    page.get_by_label("hq 5 s").check()
    page.get_by_label("10 s fast").check()
    expect(button(page)).to_have_text("Make 3 videos for $5.61")
    expect(page.locator(".planned li").first).to_contain_text(folder)

    button(page).click()
    expect(page.locator("#drop-confirm")).to_contain_text("The videos cost $5.61, up to $11.22 if generations fail.")
    page.get_by_role("button", name="Back").click()
    assert keys(account, folder) == []
    button(page).click()
    page.locator("#drop-confirm").get_by_role("button", name="Make 3 videos for $5.61").click()

    expect(uploaded(page)).to_contain_text("3 images uploaded, $5.61.")
    assert len(keys(account, folder)) == 3
    close_uploads(page)


def test_a_double_click_uploads_once(account: Account, page: Page) -> None:
    folder = folder_of(account)
    choose(page, ("a.jpg", image(6)))
    set_folder(page, folder)
    expect(page.locator(".planned li")).to_contain_text(folder)
    expect(button(page)).to_be_enabled()

    page.evaluate("const form = document.querySelector('#drop-upload'); form.requestSubmit(); form.requestSubmit()")

    expect(uploaded(page)).to_contain_text("1 image uploaded, $0.47.")
    assert keys(account, folder) == [f"{folder}/a.jpg"]
    close_uploads(page)


def test_an_upload_continues_without_its_page(account: Account, page: Page, holding: threading.Event) -> None:
    folder = folder_of(account)
    choose(page, ("a.jpg", image(7)))
    set_folder(page, folder)
    expect(page.locator(".planned li")).to_contain_text(folder)
    button(page).click()
    expect(uploaded(page)).to_contain_text("You can close this page: the upload continues")

    page.reload()

    expect(uploaded(page)).to_contain_text("Uploading: 0 of 1 image")
    holding.set()
    expect(uploaded(page)).to_contain_text("1 image uploaded, $0.47.")
    assert keys(account, folder) == [f"{folder}/a.jpg"]
    close_uploads(page)


def test_an_upload_that_failed_is_tried_again_with_its_options(
    account: Account, page: Page, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = folder_of(account)
    choose(page, ("a.jpg", image(8)))
    set_folder(page, folder)
    page.get_by_label("hq 5 s").check()
    expect(button(page)).to_have_text("Make 1 video for $0.94")

    def fails(*_: Any) -> None:
        raise EndpointConnectionError(endpoint_url="https://s3.invalid")

    with monkeypatch.context() as patch:
        patch.setattr(Uploader, "_put", fails)
        button(page).click()
        expect(uploaded(page)).to_contain_text("No image was uploaded.")
    expect(uploaded(page)).to_contain_text("Check the region and your network connection")
    page.get_by_role("button", name="Try again").click()
    expect(button(page)).to_have_text("Make 1 video for $0.94")
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Try again").click()
    button(page).click()

    expect(uploaded(page)).to_contain_text("1 image uploaded, $0.94.")
    assert keys(account, folder) == [f"{folder}/a.jpg"]
    close_uploads(page)


def test_what_is_not_valid_is_said_at_its_control_and_cannot_be_sent(page: Page) -> None:
    page.expected_faults = ["422"]  # type: ignore[attr-defined]
    choose(page, ("a.jpg", image(9)))
    expect(button(page)).to_have_text("Make 1 video for $0.47")

    set_folder(page, "a/../b")

    expect(page.locator("#fault-to")).to_contain_text("a folder in S3 has no . or ..")
    expect(button(page)).to_have_count(0)
    page.get_by_label("Folder in the bucket").fill("")
    expect(button(page)).to_have_text("Make 1 video for $0.47")


def test_a_folder_can_be_chosen_and_names_are_shown_as_text(page: Page, tmp_path: Path) -> None:
    folder = tmp_path / "holiday <b>"
    folder.mkdir()
    odd = "a'\"\n<img src=x onerror=alert(1)> 🐢 e\u0301.jpg"
    (folder / odd).write_bytes(jpeg())
    page.on("dialog", lambda dialog: pytest.fail(dialog.message))
    page.get_by_role("button", name="Make videos").click()

    page.get_by_label("A whole folder").set_input_files(folder)

    expect(page.locator(".planned .key")).to_have_text(f"holiday <b>/{odd}".replace("\n", "\\n"))
    assert page.locator(".planned img[src=x]").count() == 0


def test_without_anything_to_make_the_button_is_disabled(page: Page) -> None:
    choose(page, ("a.jpg", b"text"), ("b.jpg", b"other text"))

    expect(button(page)).to_have_text("Nothing to make")
    expect(button(page)).to_be_disabled()


def test_closing_removes_the_files_from_this_machine(page: Page, board: Any) -> None:
    drafts = board.site.drafts
    before = len(drafts._drafts)
    choose(page, ("a.jpg", image(10)))
    expect(button(page)).to_be_enabled()
    assert len(drafts._drafts) == before + 1

    page.keyboard.press("Escape")
    page.wait_for_timeout(300)

    assert len(drafts._drafts) == before
    expect(page.locator("#drop-dialog")).to_be_hidden()


def violations(page: Page) -> list[Any]:
    """Return what axe-core finds."""
    return [(each["id"], each["nodes"]) for each in Axe().run(page).response["violations"]]


@pytest.mark.parametrize("page", [{}, {"color_scheme": "dark"}], indirect=True, ids=["light", "dark"])
def test_the_dialog_is_accessible_and_fits_a_phone(
    page: Page, screenshots: Path, request: pytest.FixtureRequest
) -> None:
    scheme = request.node.callspec.id
    choose(page, *((f"{number}.jpg", image(number)) for number in range(11)), ("text.jpg", b"text"))
    expect(button(page)).to_have_text("Make 11 videos for $5.17")
    open_options(page)
    found = violations(page)
    page.screenshot(path=screenshots / f"drop-{scheme}.png")
    page.set_viewport_size({"width": 390, "height": 844})
    page.screenshot(path=screenshots / f"drop-{scheme}-phone.png")
    button(page).click()
    expect(page.locator("#drop-confirm")).to_be_visible()

    too_wide = page.evaluate(
        "[...document.querySelectorAll('html, dialog')].filter(each => each.scrollWidth > each.clientWidth).length"
    )

    assert found == []
    assert too_wide == 0


@pytest.mark.parametrize("page", [{"viewport": {"width": 390, "height": 844}}], indirect=True)
def test_what_chooses_files_fits_a_phone(page: Page) -> None:
    page.get_by_role("button", name="Make videos").click()

    dialog = page.locator("#drop-dialog")
    expect(dialog).to_be_visible()
    assert dialog.evaluate("(dialog) => dialog.scrollWidth <= dialog.clientWidth")


def test_the_dialog_keeps_the_focus_when_files_were_chosen(page: Page) -> None:
    page.get_by_role("button", name="Make videos").click()
    page.get_by_label("Pictures").focus()

    page.get_by_label("Pictures").set_input_files({"name": "a.jpg", "mimeType": "image/jpeg", "buffer": image(13)})

    expect(button(page)).to_be_enabled()
    expect(page.locator("#drop-title")).to_be_focused()
    page.keyboard.press("Tab")
    expect(page.locator("textarea[name=prompt]")).to_be_focused()


def test_a_negative_prompt_can_be_set_to_none(account: Account, page: Page) -> None:
    folder = folder_of(account)
    choose(page, ("a.jpg", image(14)))
    set_folder(page, folder)
    negative = page.locator("textarea[name=negative_prompt]")
    expect(page.locator("#value-negative_prompt")).to_have_text("as the files say, else none")

    negative.fill("people")
    negative.fill("")

    expect(page.locator("#value-negative_prompt")).to_have_text("none")
    expect(page.locator(".planned li")).to_contain_text('negative_prompt="" (set here)')
    button(page).click()
    expect(uploaded(page)).to_contain_text("1 image uploaded")
    metadata = account.client("s3").head_object(Bucket=account.uploads, Key=f"{folder}/a.jpg")["Metadata"]
    assert metadata["negative-prompt"] == ""
    close_uploads(page)


def test_the_options_show_the_prices_of_the_last_check(
    account: Account, board: BoardServer, page: Page, monkeypatch: pytest.MonkeyPatch
) -> None:
    choose(page, ("a.jpg", image(15)))
    open_options(page)
    expect(page.get_by_label("hq 5 s $0.94")).to_be_visible()
    prices = {"PricesUsd": "fast-5=0.60 fast-10=0.94 hq-5=1.20 hq-10=1.87"}
    raised = replace(account.stack, parameters={**account.stack.parameters, **prices})
    page.expected_faults = ["409"]  # type: ignore[attr-defined]

    with monkeypatch.context() as patch:
        patch.setattr(Stack, "renewed", lambda _: raised)
        button(page).click()
        expect(button(page)).to_have_text("Make 1 video for $0.60")
    board.site.renewed()

    expect(page.locator("#drop-error")).to_contain_text("Look at the price again")
    expect(page.get_by_label("hq 5 s $1.20")).to_be_visible()
    expect(page.get_by_label("5 s fast $0.60")).to_be_visible()


def test_the_keyboard_alone_is_enough(account: Account, page: Page) -> None:
    folder = folder_of(account)
    page.locator("#drop-button").focus()
    page.keyboard.press("Enter")
    given: Any = [{"name": "a.jpg", "mimeType": "image/jpeg", "buffer": image(12)}]
    page.get_by_label("Pictures").set_input_files(given)
    expect(button(page)).to_be_enabled()

    for _ in range(40):
        page.keyboard.press("Tab")
        at = page.evaluate(
            "[document.activeElement.tagName, document.activeElement.name ?? '', document.activeElement.id]"
        )
        if at[0] == "SUMMARY":
            page.keyboard.press("Enter")
        if at[1] == "to":
            page.keyboard.type(folder)
            expect(page.locator(".planned li")).to_contain_text(folder)
        if at[2] == "drop-do":
            page.keyboard.press("Enter")
            break

    expect(uploaded(page)).to_contain_text("1 image uploaded, $0.47.")
    assert keys(account, folder) == [f"{folder}/a.jpg"]
    close_uploads(page)
