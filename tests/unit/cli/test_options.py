"""A value that the stack would reject is found before anything is started or uploaded."""

from collections.abc import Callable
from pathlib import Path

import pytest

from cli import __main__ as cli
from cli.options import image_fault, option_faults
from cli.stack import Stack
from local import run
from local.cloud import ROOT

SAMPLE = ROOT / "local" / "sample.jpg"


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("mode", "hd", "mode is 'hd'; allowed are fast, hq"),
        ("duration", "7", "duration is '7'; allowed are 5 and 10 (seconds)"),
        ("duration", "ten", "allowed are 5 and 10 (seconds)"),
        ("cfg_scale", "1.1", "cfg_scale is '1.1'; allowed is 0 to 1"),
        ("sound", "yes", "sound is 'yes'; allowed are true and false"),
        ("aspect_ratio", "4:3", "aspect_ratio is '4:3'; allowed are 16:9, 9:16, 1:1, auto"),
        ("prompt", "two\nlines", "control character U+000A"),
        ("prompt", "x" * 2501, "at most 2,500 are allowed"),
    ],
)
def test_a_value_that_is_not_allowed_is_a_fault(name: str, value: str, sentence: str) -> None:
    (fault,) = option_faults({name: value})

    assert sentence in fault


def test_every_value_that_the_provider_allows_is_accepted() -> None:
    assert option_faults({}) == []
    assert option_faults({"prompt": "pan über $5", "duration": "10", "sound": "FALSE", "cfg_scale": ".5"}) == []


def test_a_missing_file_and_a_folder_are_faults(tmp_path: Path) -> None:
    assert image_fault(SAMPLE) is None
    assert image_fault(tmp_path / "none.jpg") == f"There is no image {tmp_path / 'none.jpg'}."
    assert "aws s3 cp --recursive" in (image_fault(tmp_path) or "")


@pytest.fixture
def starting_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("it was called")

    monkeypatch.setattr(run, "running_cloud", refuse)
    monkeypatch.setattr(Stack, "find", refuse)
    monkeypatch.setattr("sys.argv", ["cli", "drop"])


@pytest.mark.parametrize("command", [run.main, cli.main], ids=["run", "drop"])
def test_nothing_is_started_or_uploaded_with_a_wrong_option(
    command: Callable[[], int],
    starting_fails: None,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("IMAGE", str(SAMPLE))
    monkeypatch.setenv("MODE", "hd")
    monkeypatch.setenv("DURATION", "7")

    assert command() == 2

    printed = capsys.readouterr().out
    assert "mode is 'hd'; allowed are fast, hq" in printed
    assert "duration is '7'" in printed
    assert "Nothing was " in printed
    assert ".local/logs" not in printed


@pytest.mark.parametrize("command", [run.main, cli.main], ids=["run", "drop"])
def test_nothing_is_started_for_a_missing_image(
    command: Callable[[], int],
    starting_fails: None,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("IMAGE", "no-such.jpg")

    assert command() == 2

    assert capsys.readouterr().out == "There is no image no-such.jpg.\n"
