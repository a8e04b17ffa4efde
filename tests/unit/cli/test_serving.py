"""`dropreel board` without its extra, and the browser that it opens."""

import importlib.util
import sys
import webbrowser
from typing import Any

import pytest

from dropreel_cli.app import main
from dropreel_cli.exits import Exit
from dropreel_cli.output import Output
from dropreel_cli.serving import open_browser

ADDRESS = "http://127.0.0.1:8300/?token=secret"


class Browser:
    """A browser that keeps what it was asked to open."""

    def __init__(self, name: str = "firefox", *, works: bool = True) -> None:
        self.name = name
        self.works = works
        self.opened: list[str] = []

    def open(self, address: str) -> bool:
        self.opened.append(address)
        return self.works


@pytest.fixture
def browser(monkeypatch: pytest.MonkeyPatch) -> Browser:
    found = Browser()
    use(monkeypatch, found)
    monkeypatch.setenv("DISPLAY", ":0")
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    return found


def use(monkeypatch: pytest.MonkeyPatch, browser: Browser) -> None:
    monkeypatch.setattr(webbrowser, "get", lambda: browser)
    monkeypatch.setattr(webbrowser, "open", browser.open)


@pytest.mark.parametrize("missing", ["starlette", "pi_heif"])
def test_without_the_extra_a_sentence_says_how_to_get_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], missing: str
) -> None:
    find_spec = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == missing else find_spec(name))

    assert main(["board", "--local"]) == Exit.USAGE

    printed = capsys.readouterr().err
    assert f"({missing})" in printed
    assert "pipx install --force '.[board]'" in printed
    assert printed.count("\n") == 1


def test_the_browsers_command_line_has_a_ticket_and_never_the_token(browser: Browser) -> None:
    open_browser(ADDRESS, Output(), None)

    (opened,) = browser.opened
    assert opened.startswith("http://127.0.0.1:8300/?token=")
    assert "secret" not in opened


@pytest.mark.parametrize("lacking", ["terminal", "screen", "wish"])
def test_without_a_terminal_or_a_screen_or_a_wish_nothing_is_opened(
    browser: Browser, monkeypatch: pytest.MonkeyPatch, lacking: str
) -> None:
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    if lacking == "terminal":
        monkeypatch.setattr(sys.stdout, "isatty", lambda: False)
    if lacking == "screen":
        monkeypatch.delenv("DISPLAY")

    open_browser(ADDRESS, Output(), opens=False if lacking == "wish" else None)

    assert browser.opened == []


@pytest.mark.parametrize("found", [Browser(works=False), Browser("/usr/bin/w3m"), Browser("lynx")])
def test_a_browser_that_cannot_be_opened_is_said_and_no_failure(
    browser: Browser, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], found: Browser
) -> None:
    use(monkeypatch, found)

    open_browser(ADDRESS, Output(), opens=True)

    assert "open the address yourself" in capsys.readouterr().err
    assert found.opened == [] or found.name == "firefox"


def test_no_browser_at_all_is_no_failure(
    browser: Browser, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def none() -> Any:
        raise webbrowser.Error("could not locate runnable browser")

    monkeypatch.setattr(webbrowser, "get", none)

    open_browser(ADDRESS, Output(), opens=True)

    assert "open the address yourself" in capsys.readouterr().err
