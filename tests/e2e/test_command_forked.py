"""A call in a forked process is the same as a start of the executable."""

import shutil
from pathlib import Path

import pytest

from tests.e2e.conftest import SAMPLE, InstalledCommand
from tests.e2e.recorded_calls import RecordedCalls


@pytest.mark.parametrize(
    ("status", "arguments"),
    [
        (0, ("policy", "operator", "--local")),
        (0, ("pause", "--help")),
        (0, ("spend", "--days", "1", "--csv", "--local")),
        (1, ("show", "nichts über Wolken.jpg", "--json", "--local")),
        (2, ("policy", "owner", "--json", "--local")),
        (2, ("no-such-command",)),
        (6, ("drop", "image.jpg", "--to", "forked", "--yes-below", "0", "--local")),
    ],
)
def test_status_and_streams_are_the_same(
    dropreel: InstalledCommand, tmp_path: Path, status: int, arguments: tuple[str, ...]
) -> None:
    shutil.copy(SAMPLE, tmp_path / "image.jpg")

    started = dropreel.run(*arguments, cwd=tmp_path, COLUMNS="60")
    forked = dropreel.call(*arguments, cwd=tmp_path, COLUMNS="60")

    assert (forked.returncode, forked.stdout, forked.stderr) == (started.returncode, started.stdout, started.stderr)
    assert started.returncode == status
    assert started.stdout or started.stderr


def test_the_calls_of_aws_are_recorded_in_both(dropreel: InstalledCommand, tmp_path: Path) -> None:
    recorded = []
    for name in ("run", "call"):
        folder = tmp_path / name
        folder.mkdir()
        calls = RecordedCalls(folder)
        assert getattr(dropreel, name)("jobs", "--local", **calls.environment).returncode == 0
        recorded.append(calls.actions)

    assert recorded[0] == recorded[1]
    assert recorded[0]


def test_each_call_is_a_new_process_with_its_own_environment(dropreel: InstalledCommand, tmp_path: Path) -> None:
    lost = dropreel.call("jobs", "--local", cwd=tmp_path, DROPREEL_LOCAL_CLOUD="/nowhere")
    found = dropreel.call("jobs", "--local")

    assert (lost.returncode, found.returncode) == (3, 0)
    assert "dropreel up" in lost.stderr


def test_a_signal_is_the_status_as_the_executables(dropreel: InstalledCommand, tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text("import os, signal\nos.kill(os.getpid(), signal.SIGTERM)\n")

    done = [start("--help", PYTHONPATH=str(tmp_path)) for start in (dropreel.run, dropreel.call)]

    assert [one.returncode for one in done] == [-15, -15]
