"""The options of an image on the command line, found wrong before anything is started or uploaded, and amounts of dollars."""

from pathlib import Path

import click
import pytest

from dropreel_cli import app
from dropreel_cli.checkout import PREPARED_VARIABLE
from dropreel_cli.dollars import Dollars
from dropreel_cli.exits import Exit
from dropreel_cli.image_options import checked_options, folder_prefix
from dropreel_cli.option_metadata import ascii_text, fits_metadata, merged_sidecar
from dropreel_cli.stack import Stack
from local.cloud import ROOT
from local.run import image_fault

SAMPLE = ROOT / "local" / "sample.jpg"


def test_every_invalid_option_is_said_at_once() -> None:
    with pytest.raises(click.UsageError) as caught:
        checked_options({"mode": "fsat", "duration": "7", "prompt": " "})

    lines = caught.value.message.splitlines()
    assert lines == [
        "--mode: mode is 'fsat'; allowed are fast, hq; did you mean fast?",
        "--duration: duration is '7'; allowed are 5 and 10 (seconds)",
        "--prompt: prompt is ' '; it must not be empty",
        "Nothing was done.",
    ]


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
    with pytest.raises(click.UsageError) as caught:
        checked_options({name: value})

    fault, *rest = caught.value.message.splitlines()
    assert sentence in fault
    assert rest == ["Nothing was done."]


def test_every_value_that_the_provider_allows_is_accepted() -> None:
    everything = {"prompt": "pan über $5", "duration": "10", "sound": "FALSE", "cfg_scale": ".5"}

    assert checked_options({}) == {}
    assert checked_options(everything) == everything


@pytest.mark.parametrize("command", ["run", "drop"])
def test_nothing_is_started_or_uploaded_with_a_wrong_option(
    command: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    refuse_all(monkeypatch)

    assert app.main([command, str(SAMPLE), "--mode=hd", "--duration=7"]) == Exit.USAGE

    printed = capsys.readouterr().err
    assert "mode is 'hd'; allowed are fast, hq" in printed
    assert "duration is '7'" in printed
    assert "Nothing was " in printed
    assert ".local/logs" not in printed


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("run", "There is no image no-such.jpg."),
        ("drop", "There is no file or folder no-such.jpg. Nothing was done."),
    ],
)
def test_nothing_is_started_for_a_missing_image(
    command: str, message: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    refuse_all(monkeypatch)

    assert app.main([command, "no-such.jpg"]) == Exit.USAGE
    assert capsys.readouterr().err.splitlines()[-1] == message


def test_a_missing_file_is_a_fault_of_a_run(tmp_path: Path) -> None:
    assert image_fault(SAMPLE) is None
    assert image_fault(tmp_path / "none.jpg") == f"There is no image {tmp_path / 'none.jpg'}."


def refuse_all(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no local cloud start and no stack be found."""

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("it was called")

    monkeypatch.setenv(PREPARED_VARIABLE, str(ROOT))
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr("local.run.running_cloud", refuse)
    monkeypatch.setattr(Stack, "find", refuse)


@pytest.mark.parametrize(
    ("folder", "prefix"), [("", ""), ("/", ""), ("a", "a/"), ("/a/b/", "a/b/"), ("ü x", "ü x/"), ("a//b", "a//b/")]
)
def test_a_folder_is_the_beginning_of_the_keys(folder: str, prefix: str) -> None:
    assert folder_prefix(folder) == prefix


@pytest.mark.parametrize("folder", ["..", "a/../b", "./a", "s3://bucket/a"])
def test_a_folder_that_s3_clients_change_is_refused(folder: str) -> None:
    with pytest.raises(click.UsageError):
        folder_prefix(folder)


@pytest.mark.parametrize(("text", "cents"), [("5", 500), ("0", 0), ("12.5", 1250), ("$0.47", 47)])
def test_dollars_are_whole_cents(text: str, cents: int) -> None:
    assert Dollars().convert(text, None, None) == cents


@pytest.mark.parametrize("text", ["nan", "-1", "1e9", "1.234", "five", "", "inf"])
def test_what_is_no_amount_is_refused(text: str) -> None:
    with pytest.raises(click.UsageError, match="not an amount of dollars"):
        Dollars().convert(text, None, None)


def test_text_that_looks_encoded_is_encoded() -> None:
    assert ascii_text("plain") == "plain"
    assert ascii_text("=?utf-8?q?x?=").startswith("=?utf-8?")
    assert ascii_text("=?utf-8?q?x?=") != "=?utf-8?q?x?="


def test_metadata_holds_two_kilobytes() -> None:
    assert fits_metadata({"prompt": "x" * 1800})
    assert not fits_metadata({"prompt": "x" * 2000})
    assert not fits_metadata({"prompt": "ü" * 1000})


def test_a_sidecar_that_is_not_valid_is_left_as_it_is() -> None:
    assert merged_sidecar("a.jpg.json", b"{broken", {"mode": "hq"}) == b"{broken"
