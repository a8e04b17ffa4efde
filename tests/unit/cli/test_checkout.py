"""A command that needs a checkout finds it, makes what it needs, and runs in the checkout's own environment."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from dropreel_cli import app
from dropreel_cli.checkout import PREPARED_VARIABLE, enter_checkout, find_checkout
from dropreel_cli.exits import CommandError, Exit

ROOT = Path(__file__).resolve().parents[3]


class Replaced(Exception):
    """The process was replaced by another one."""


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """A make that does nothing, and an execve that records its arguments."""
    calls: dict[str, Any] = {"status": 0}

    def make(command: list[str], **settings: Any) -> "subprocess.CompletedProcess[str]":
        calls["make"] = (command, settings)
        return subprocess.CompletedProcess(command, calls["status"])

    def replace(*arguments: Any) -> None:
        calls["replaced"] = arguments
        raise Replaced

    monkeypatch.setattr("dropreel_cli.checkout.subprocess.run", make)
    monkeypatch.setattr(os, "execve", replace)
    monkeypatch.delenv(PREPARED_VARIABLE, raising=False)
    monkeypatch.setattr(sys, "argv", ["dropreel", "up", "DefaultPrompt=pan $5 'left'"])
    return calls


def test_a_checkout_is_found_from_its_folders_and_from_nowhere_else(tmp_path: Path) -> None:
    assert find_checkout(ROOT) == ROOT
    assert find_checkout(ROOT / "docs" / "pictures") == ROOT
    assert find_checkout(tmp_path) is None


def test_a_folder_with_another_template_is_no_checkout(tmp_path: Path) -> None:
    (tmp_path / "template.yaml").touch()
    (tmp_path / "Makefile").touch()

    assert find_checkout(tmp_path) is None


@pytest.mark.parametrize("command", ["deploy", "remove", "run", "up", "down"])
def test_outside_of_a_checkout_it_says_how_to_get_one(
    command: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    started: dict[str, Any],
) -> None:
    monkeypatch.chdir(tmp_path)

    assert app.main([command]) == Exit.USAGE

    printed = capsys.readouterr()
    assert "This command needs a checkout of Dropreel's repository" in printed.err
    assert str(tmp_path) in printed.err
    assert "git clone" in printed.err
    assert printed.out == ""
    assert started == {"status": 0}


def test_the_process_is_replaced_by_the_checkouts_with_the_same_arguments(
    started: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT / "docs")
    monkeypatch.setenv("PYTHONPATH", "/elsewhere")
    monkeypatch.setenv("MAKEFLAGS", "--jobs=9")
    monkeypatch.setenv("AWS_PROFILE", "work")

    with pytest.raises(Replaced):
        enter_checkout(".venvs/run/installed", "build")

    command, settings = started["make"]
    assert command[0] == "make"
    assert command[-2:] == [".venvs/run/installed", "build"]
    assert settings["cwd"] == ROOT
    assert settings["stdout"] is sys.stderr  # standard output is for the result
    python, arguments, environment = started["replaced"]
    assert python == str(ROOT / ".venvs" / "run" / "bin" / "python")
    assert arguments == [python, "-P", "-m", "dropreel_cli", "up", "DefaultPrompt=pan $5 'left'"]
    assert environment[PREPARED_VARIABLE] == str(ROOT)
    assert environment["AWS_PROFILE"] == "work"
    for each in (environment, settings["env"]):
        assert {"PYTHONPATH", "MAKEFLAGS"} & set(each) == set()


def test_a_prepared_process_makes_nothing_and_prepares_none_of_its_children(
    started: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    monkeypatch.setenv(PREPARED_VARIABLE, str(ROOT))

    assert enter_checkout("build") == ROOT

    assert started == {"status": 0}
    assert PREPARED_VARIABLE not in os.environ


def test_what_is_prepared_for_another_checkout_does_not_count(
    started: dict[str, Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(ROOT)
    monkeypatch.setenv(PREPARED_VARIABLE, str(tmp_path))

    with pytest.raises(Replaced):
        enter_checkout("build")


def test_where_make_fails_nothing_is_started(started: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    started["status"] = 2

    with pytest.raises(CommandError, match=r"Nothing was started: `make .* build` failed in ") as raised:
        enter_checkout("build")

    assert raised.value.exit_status is Exit.FAILED
    assert "replaced" not in started


def test_a_machine_without_make_is_reported(started: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(*_: object, **__: object) -> None:
        raise FileNotFoundError("make")

    monkeypatch.chdir(ROOT)
    monkeypatch.setattr("dropreel_cli.checkout.subprocess.run", missing)

    with pytest.raises(CommandError, match="make is not installed"):
        enter_checkout("build")
