"""`make run` and `make up` as a newcomer uses them, each with a local cloud of its own."""

import json
import os
import re
import signal
import subprocess
import sys
import time
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import requests

from local.cloud import ROOT
from tests.support.photographs import small_jpeg

PROMPT = 'pan "right" \\ über $5, `softly`'
ENVIRONMENT = {**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'layers/dropreel'}"}


@pytest.fixture(autouse=True)
def calm_provider() -> None:
    """These runs have providers of their own."""


@dataclass
class Up:
    """A running `make up` and what it printed."""

    process: "subprocess.Popen[str]"
    said: str

    @property
    def exports(self) -> list[str]:
        return re.findall(r"^  ((?:export|unset) .*)$", self.said, re.MULTILINE)

    @property
    def commands(self) -> dict[str, str]:
        """Each printed command under the line that says what it is for."""
        return dict(re.findall(r"^(\S.*)\n  (?!export|unset)(\S.*)$", self.said, re.MULTILINE))

    def shell(self, command: str, place: Path) -> str:
        """Run a command in a shell that has the exports and little else; return what it prints."""
        lines = "\n".join([*self.exports, command])
        poor = {"PATH": "/usr/local/bin:/usr/bin:/bin", "AWS_PROFILE": "work", "AWS_SESSION_TOKEN": "x"}
        done = subprocess.run(
            ["sh", "-c", lines], cwd=place, env=poor, capture_output=True, text=True, check=False, timeout=60
        )
        assert done.returncode == 0, done.stderr
        return done.stdout


@pytest.fixture(scope="module")
def up() -> Iterator[Up]:
    """`make up` with a limit that two pictures do not pass and the third does."""
    variables = {
        "DAILY_SPEND_LIMIT_USD": "1",
        "POLL_INTERVAL_SECONDS": "1",
        "GENERATION_TIMEOUT_MINUTES": "30",
        "DEFAULT_PROMPT": PROMPT,
    }
    process = subprocess.Popen(
        [sys.executable, "-m", "local.up"],
        cwd=ROOT,
        env={**ENVIRONMENT, **variables, "MAKE_VARIABLES": " ".join(variables)},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    said = ""
    for line in process.stdout:
        said += line
        if line.startswith("Ctrl-C"):
            break
    assert process.poll() is None, said
    try:
        yield Up(process, said)
    finally:
        process.send_signal(signal.SIGINT)
        rest, _ = process.communicate(timeout=30)
    assert process.returncode == 0
    assert "Stopping." in rest
    assert "Video Generation Completed  sample.jpg" in rest


def _until(up: Up, place: Path, command: str, wanted: str, seconds: float = 60) -> str:
    end = time.monotonic() + seconds
    while wanted not in (found := up.shell(up.commands[command], place)):
        assert time.monotonic() < end, f"{wanted!r} did not come: {found}"
        time.sleep(0.5)
    return found


def test_every_printed_command_works_with_the_printed_exports(up: Up, tmp_path: Path) -> None:
    assert "DailySpendLimitUsd = 1" in up.said
    up.shell(up.commands["Drop a picture"], tmp_path)
    _until(up, tmp_path, "The jobs", "completed\tsample.jpg")
    _until(up, tmp_path, "The events, one a line", "Video Generation Completed")
    _until(up, tmp_path, "The executions of the state machine", "SUCCEEDED")

    printed = {what: up.shell(line, tmp_path) for what, line in up.commands.items() if what != "Drop a picture"}

    assert re.search(r" sample-gen_\w+\.mp4$", printed["The videos"], re.MULTILINE)
    receipt = json.loads(printed["The newest receipt"])
    assert receipt["options"]["prompt"]["value"] == "slow zoom out"
    assert printed["What was reserved a day, in US cents"].endswith("\t47\n")
    for queue in ("Images that wait to be submitted", "Messages that could not be worked on"):
        counts = json.loads(printed[queue])
        assert counts == {"ApproximateNumberOfMessages": "0", "ApproximateNumberOfMessagesNotVisible": "0"}
    events = [json.loads(line)["detail-type"] for line in printed["The events, one a line"].splitlines()]
    assert events == ["Video Generation Submitted", "Video Generation Completed"]
    assert len(up.commands) == 9


def test_the_simulators_page_is_there(up: Up) -> None:
    (address,) = re.findall(r"^The provider simulator: (\S+)$", up.said, re.MULTILINE)

    assert "nohuman image-to-video (simulator)" in requests.get(address, timeout=10).text


def test_a_picture_above_the_limit_is_held(up: Up, tmp_path: Path) -> None:
    (tmp_path / "picture.jpg").write_bytes(small_jpeg())
    (bucket,) = re.findall(r" (s3://\S+/) --metadata", up.said)

    for number in range(3):  # $0.47 each, and the limit is $1
        up.shell(f"aws s3 cp picture.jpg {bucket}{number}.jpg", tmp_path)

    assert re.search(r"\theld\t\d\.jpg\t", _until(up, tmp_path, "The jobs", "\theld\t"))
    jobs = up.commands["The jobs"].partition(" --query")[0]
    prompts = json.loads(up.shell(f"{jobs} --query \"Items[?row.S=='job'].options.M.prompt.S\"", tmp_path))
    assert set(prompts) == {PROMPT, "slow zoom out"}


def _listening(pids: set[int]) -> set[str]:
    """Return the addresses on which these processes listen, as the kernel writes them: hexadecimal, by words of the host."""
    owned = set()
    for pid in pids:
        for one in Path(f"/proc/{pid}/fd").iterdir():
            try:
                owned.add(one.readlink().name)
            except OSError:
                continue
    found = set()
    for table in ("tcp", "tcp6", "udp", "udp6"):
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            _, local, remote, _, *_, inode = line.split()[:10]
            is_open_to_all = set(remote.replace(":", "")) == {"0"}
            if f"socket:[{inode}]" in owned and is_open_to_all:
                found.add(local.partition(":")[0])
    return found


def _family(pid: int) -> set[int]:
    """Return a process and all that come from it."""
    parents: dict[int, int] = {}
    for place in Path("/proc").glob("[0-9]*"):
        try:
            parents[int(place.name)] = int((place / "stat").read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue
    found = {pid}
    while more := {one for one, parent in parents.items() if parent in found} - found:
        found |= more
    return found


@pytest.mark.skipif(not Path("/proc/net/tcp").exists(), reason="only Linux tells it there")
def test_nothing_listens_beyond_loopback(up: Up) -> None:
    loopback = {"0100007F", "00000000000000000000000001000000"}

    addresses = _listening(_family(up.process.pid))

    assert addresses
    assert addresses <= loopback


def test_a_second_run_beside_it_works_and_keeps_its_own_logs(up: Up, tmp_path: Path) -> None:
    """A whole folder: what is in it, its subfolder, its options, and what is no image."""
    (logs,) = re.findall(r"^Logs: (\S+)/$", up.said, re.MULTILINE)
    before = (ROOT / logs / "engine.log").stat().st_size
    name = unicodedata.normalize("NFD", "Grüße aus 100% Köln + Bonn.jpg")
    folder = tmp_path / "Mein Ordner"
    (folder / "sub").mkdir(parents=True)
    (folder / name).write_bytes(small_jpeg())
    (folder / f"{name}.json").write_text('{"duration": 10}')
    (folder / "sub" / "dropreel.json").write_text('{"mode": "hq", "sound": false}')
    (folder / "sub" / "b.jpg").write_bytes(small_jpeg())
    (folder / "notes.txt").write_text("milk, bread, eggs\n")

    done = subprocess.run(
        [sys.executable, "-m", "local.run"],
        cwd=ROOT,
        env={**ENVIRONMENT, "IMAGE": f"{folder}/", "COLUMNS": "160"},
        capture_output=True,
        text=True,
        check=False,
        timeout=180,
    )

    assert done.returncode == 1, done.stdout + done.stderr
    assert "Dropping 3 images and 2 files with options" in done.stdout
    table = done.stdout.partition("image ")[2]
    assert re.search(r"notes\.txt +rejected +\S", table)
    assert re.search(r"sub/b\.jpg +completed +\$0\.94 +output/sub/b-gen_\w+\.mp4", table)
    assert re.search(r"Bonn\.jpg +completed +\$0\.94 +output/", table)
    assert "$1.88 at the provider" in table
    assert "Look into" not in done.stdout
    assert len(list((ROOT / "output" / "sub").glob("b-gen_*.mp4"))) >= 1
    assert (ROOT / ".local" / "logs" / "latest").readlink().name != Path(logs).name
    assert (ROOT / logs / "engine.log").stat().st_size >= before


@pytest.mark.parametrize(("name", "told"), [("gone.jpg", "There is no image"), ("empty", "There is no image in")])
def test_a_mistake_is_told_at_once_and_does_not_send_anybody_to_the_logs(tmp_path: Path, name: str, told: str) -> None:
    (tmp_path / "empty").mkdir()

    done = subprocess.run(
        [sys.executable, "-m", "local.run"],
        cwd=ROOT,
        env={**ENVIRONMENT, "IMAGE": str(tmp_path / name)},
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )

    assert done.returncode == 2
    assert told in done.stdout
    assert "logs" not in done.stdout
