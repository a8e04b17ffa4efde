"""make's variables arrive as arguments of the command, unchanged by any shell."""

import sys
from pathlib import Path

import pytest

from dropreel.domain.options import OPTION_NAMES
from dropreel_cli import make_arguments
from dropreel_cli.app import application
from dropreel_cli.checkout import PREPARED_VARIABLE
from dropreel_cli.image_options import FLAGS
from dropreel_cli.make_arguments import VariableFault, arguments_of

PROMPT = '-pan "right" über $5 $(exit) `a` it\'s \\ \n #1'


@pytest.mark.parametrize(
    ("target", "environment", "arguments"),
    [
        ("run", {}, ["run"]),
        ("run", {"IMAGE": "-a.jpg", "PROMPT": PROMPT}, ["run", f"--prompt={PROMPT}", "--", "-a.jpg"]),
        ("run", {"CFG_SCALE": "0.5", "SOUND": ""}, ["run", "--cfg-scale=0.5"]),
        ("run", {"SOUND": "FALSE"}, ["run", "--no-sound"]),
        ("run", {"SOUND": "true", "MODE": "hq"}, ["run", "--mode=hq", "--sound"]),
        ("run", {"STACK": "shop", "YES": "1", "DAILY_SPEND_LIMIT_USD": "1"}, ["run"]),
        ("up", {}, ["up", "--foreground", "--"]),
        ("up", {"DAILY_SPEND_LIMIT_USD": "1"}, ["up", "--foreground", "--"]),
        ("deploy", {}, ["deploy", "--"]),
        ("deploy", {"YES": "0", "GUIDED": "no"}, ["deploy", "--"]),
        ("deploy", {"YES": "1", "GUIDED": "1"}, ["deploy", "--guided", "--yes", "--"]),
        ("deploy", {"STACK": "shop", "NOHUMAN_API_KEY": "s3cret"}, ["deploy", "--stack=shop", "--"]),
        ("remove", {"STACK": "shop", "YES": "1"}, ["remove", "--yes", "--stack=shop"]),
        ("remove", {"GUIDED": "1"}, ["remove"]),
        (
            "drop",
            {"IMAGE": "my.jpg", "STACK": "shop", "MODE": "hq"},
            ["drop", "--mode=hq", "--stack=shop", "--yes", "--wait", "--download=output", "--", "my.jpg"],
        ),
    ],
)
def test_a_target_is_a_command(target: str, environment: dict[str, str], arguments: list[str]) -> None:
    assert arguments_of(target, environment) == arguments


@pytest.mark.parametrize("target", ["up", "deploy"])
def test_a_parameter_is_taken_from_makes_command_line_only(target: str) -> None:
    environment = {
        "MAKE_VARIABLES": "DAILY_SPEND_LIMIT_USD NOTIFICATION_EMAIL PYTHON DEFAULT_PROMPT",
        "DAILY_SPEND_LIMIT_USD": "1",
        "NOTIFICATION_EMAIL": "",
        "DEFAULT_PROMPT": PROMPT,
        "MAX_ATTEMPTS": "3",
        "PYTHON": "python3.13",
    }

    arguments = arguments_of(target, environment)

    given = arguments[arguments.index("--") + 1 :]
    assert sorted(given) == ["DailySpendLimitUsd=1", f"DefaultPrompt={PROMPT}", "NotificationEmail="]


def test_drop_needs_an_image() -> None:
    with pytest.raises(VariableFault, match=r"IMAGE is required: make drop IMAGE=my\.jpg"):
        arguments_of("drop", {"PROMPT": "pan"})


def test_a_folder_is_asked_about_and_an_image_is_not(tmp_path: Path) -> None:
    assert "--yes" in arguments_of("drop", {"IMAGE": str(tmp_path / "my.jpg")})
    assert "--yes" not in arguments_of("drop", {"IMAGE": str(tmp_path)})


def test_a_drop_without_an_image_is_status_2(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["make_arguments", "drop"])
    monkeypatch.setenv(PREPARED_VARIABLE, "")
    monkeypatch.delenv("IMAGE", raising=False)

    assert make_arguments.main() == 2
    assert "IMAGE is required: make drop IMAGE=my.jpg" in capsys.readouterr().err


def test_a_sound_that_is_neither_true_nor_false_is_refused() -> None:
    with pytest.raises(VariableFault, match="SOUND is 'yes'; allowed are true and false"):
        arguments_of("run", {"SOUND": "yes"})


def test_the_flags_are_the_options_of_an_image() -> None:
    assert set(FLAGS) == set(OPTION_NAMES)


@pytest.mark.parametrize("target", ["run", "up", "drop", "deploy", "remove"])
def test_the_command_takes_what_make_hands_over(target: str) -> None:
    """Click refuses unknown options and too many arguments when it parses."""
    everything = dict.fromkeys(("IMAGE", "STACK", "YES", "GUIDED", *(flag.upper() for flag in FLAGS)), "1")
    everything |= {"SOUND": "true", "MODE": "hq", "ASPECT_RATIO": "1:1", "DURATION": "5", "CFG_SCALE": "1"}
    everything |= {"MAKE_VARIABLES": "DAILY_SPEND_LIMIT_USD MODE", "DAILY_SPEND_LIMIT_USD": "1"}
    name, *arguments = arguments_of(target, everything)
    command = application.get_command(application.make_context("dropreel", [name]), name)
    assert command is not None

    command.make_context(name, arguments)
