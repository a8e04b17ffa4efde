"""`dropreel up` and `down` as installed commands, from a folder of the checkout, with a local cloud of their own."""

import json
import os
import pty
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
import requests

from dropreel_cli.command_line import StackOptions
from dropreel_cli.connection import connect
from dropreel_cli.exits import Exit
from dropreel_cli.local_cloud import LOCAL_CLOUD_VARIABLE, CloudFiles
from local.cloud import ROOT
from tests.e2e.conftest import COMMAND, InstalledCommand
from tests.support.command_documents import validate_document


@pytest.fixture(autouse=True)
def reset_simulator() -> None:
    """Each cloud here has a simulator of its own."""


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CloudFiles:
    file = tmp_path / "local" / "cloud.json"
    monkeypatch.setenv(LOCAL_CLOUD_VARIABLE, str(file))
    return CloudFiles(file)


@pytest.fixture
def command(files: CloudFiles) -> InstalledCommand:
    subprocess.run(["make", ".venvs/command/dropreel"], cwd=ROOT, check=True, capture_output=True)
    return InstalledCommand(files.description)


def document(done: "subprocess.CompletedProcess[str]", name: str) -> Any:
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    validate_document(found, name)
    return found


def processes_with(text: str) -> set[int]:
    """Return the processes whose environment or command line has this text."""
    found = set()
    for place in Path("/proc").glob("[0-9]*"):
        try:
            if text.encode() in (place / "environ").read_bytes() + (place / "cmdline").read_bytes():
                found.add(int(place.name))
        except OSError:
            continue
    return found - {os.getpid()}


def wait_until(condition: Any, seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.1)


def test_a_cloud_stays_up_until_down_and_leaves_nothing(command: InstalledCommand, files: CloudFiles) -> None:
    folder = ROOT / "docs"
    nothing = command.run("down", cwd=folder)
    started = command.run("up", "MaxAttempts=3", "--json", cwd=folder)
    up = document(started, "up")
    try:
        stack = connect(StackOptions(local=True))
        again = command.run("up", cwd=folder)
        other = command.run("up", "MaxAttempts=4", cwd=folder)
        foreground = command.run("up", "--foreground", cwd=folder)
        running = processes_with(str(files.description))
        names = command.run("down", "--help", cwd=folder)
        page = requests.get(up["board"], timeout=30)
    finally:
        down = command.run("down", "--json", cwd=folder)

    assert (nothing.returncode, nothing.stdout) == (0, "No local cloud was running.\n")
    assert (
        "  MaxAttempts = 3\n  starting the local cloud\n  deploying template.yaml with sam deploy\n" in started.stderr
    )
    assert stack.parameters["MaxAttempts"] == "3"
    assert stack.endpoint_url == up["endpoint_url"]
    assert up["endpoint_url"].startswith("http://127.0.0.1:")
    assert up["simulator"].startswith("http://127.0.0.1:")
    assert again.returncode == 0
    assert "The local cloud is up already." in again.stderr
    assert f"export AWS_ENDPOINT_URL={up['endpoint_url']}" in again.stdout
    assert f"The board shows it all in a browser: {up['board']}\n" in again.stdout
    assert page.status_code == 200
    assert f"<title>Jobs · {up['stack']} · Dropreel</title>" in page.text
    assert (other.returncode, foreground.returncode) == (Exit.REFUSED, Exit.REFUSED)
    assert "its parameters cannot be changed. Stop it first: dropreel down" in other.stderr
    assert up["pid"] in running
    assert names.returncode == 0
    assert document(down, "down")["was_running"] is True
    wait_until(lambda: not processes_with(str(files.description)), seconds=10)
    with pytest.raises(requests.ConnectionError):
        requests.get(up["board"], timeout=10)
    assert [one.suffix for one in sorted(files.description.parent.iterdir())] == [".lock", ".log"]
    lost = command.run("down", cwd=folder)
    assert (lost.returncode, lost.stdout) == (0, "No local cloud was running.\n")


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ("DefaultMode=hd", "DefaultMode is 'hd'; allowed are fast, hq."),
        ("UploadsPrefix=shop/", "UploadsPrefix needs an ExistingUploadsBucketName"),
    ],
)
def test_a_wrong_parameter_starts_nothing(
    command: InstalledCommand, files: CloudFiles, given: str, sentence: str
) -> None:
    done = command.run("up", given, cwd=ROOT)

    assert done.returncode == Exit.USAGE
    assert sentence in done.stderr
    assert not files.description.parent.exists()


def test_ctrl_c_while_it_starts_leaves_no_cloud(command: InstalledCommand, files: CloudFiles) -> None:
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [str(COMMAND), "up"], cwd=ROOT, env=command.environment, stdin=theirs, stdout=theirs, stderr=theirs
    )
    os.close(theirs)
    try:
        wait_until(files.is_running)
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=40) == Exit.STOPPED
    finally:
        process.kill()
        os.close(ours)

    assert not files.is_running()
    assert not files.description.exists()
    wait_until(lambda: not processes_with(str(files.description)), seconds=10)


@pytest.mark.exhaustive
def test_after_a_kill_the_cloud_is_reported_and_another_starts(command: InstalledCommand, files: CloudFiles) -> None:
    first = document(command.run("up", "--json", cwd=ROOT), "up")
    os.kill(first["pid"], signal.SIGKILL)
    wait_until(lambda: not files.is_running())
    wait_until(lambda: not processes_with(str(files.description)), seconds=20)  # the engine and the simulator end, too

    second = document(command.run("up", "--json", cwd=ROOT), "up")

    assert second["pid"] != first["pid"]
    assert command.run("down", cwd=ROOT).stdout == "The local cloud is down.\n"
