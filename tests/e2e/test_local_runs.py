"""`make run` and `make up` with their defaults and with variables, each with a local cloud of its own."""

import json
import os
import re
import signal
import subprocess
import time
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import requests

from dropreel.domain.prices import PRICE_CENTS, usd
from dropreel_cli.local_cloud import LOCAL_CLOUD_VARIABLE
from local.cloud import ROOT
from tests.e2e.conftest import COMMAND, RUN_PYTHON
from tests.support.photographs import small_jpeg

PROMPT = 'pan "right" \\ über $5, `softly`'
PRICE = PRICE_CENTS["fast", 5]
LIMIT_USD = str(usd(5 * PRICE // 2))
"""Two images of the default options fit under it, and a third does not."""
MAKE = [str(RUN_PYTHON), "-m", "dropreel_cli.make_arguments"]
"""What make calls, with its variables as environment."""


@pytest.fixture(autouse=True)
def reset_simulator() -> None:
    """Each run has a simulator of its own."""


@dataclass
class Up:
    """A running `make up` and what it printed."""

    process: "subprocess.Popen[str]"
    printed: str

    @property
    def exports(self) -> list[str]:
        return re.findall(r"^  ((?:export|unset) .*)$", self.printed, re.MULTILINE)

    @property
    def commands(self) -> dict[str, str]:
        """Each printed command by the line above it, its purpose."""
        return dict(re.findall(r"^(\S.*)\n  (?!export|unset)(\S.*)$", self.printed, re.MULTILINE))

    def shell(self, command: str, place: Path) -> str:
        """Run a command in a shell that has the exports and a minimal environment; return what it prints."""
        lines = "\n".join([*self.exports, command])
        minimal = {"PATH": "/usr/local/bin:/usr/bin:/bin", "AWS_PROFILE": "work", "AWS_SESSION_TOKEN": "x"}
        done = subprocess.run(
            ["sh", "-c", lines], cwd=place, env=minimal, capture_output=True, text=True, check=False, timeout=60
        )
        assert done.returncode == 0, done.stderr
        return done.stdout


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    """`make up` with a spend limit, a prompt and quick polls."""
    file = tmp_path_factory.mktemp("up") / "cloud.json"
    temporary = tmp_path_factory.mktemp("tmp")
    variables = {
        "DAILY_SPEND_LIMIT_USD": LIMIT_USD,
        "POLL_INTERVAL_SECONDS": "1",
        "GENERATION_TIMEOUT_MINUTES": "30",
        "DEFAULT_PROMPT": PROMPT,
    }
    named = {"MAKE_VARIABLES": " ".join(variables), LOCAL_CLOUD_VARIABLE: str(file), "TMPDIR": str(temporary)}
    process = subprocess.Popen(
        [*MAKE, "up"],
        cwd=ROOT,
        env={**os.environ, **variables, **named},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert process.stdout is not None
    printed = ""
    for line in process.stdout:
        printed += line
        if line.startswith("Ctrl-C"):
            break
    assert process.poll() is None, printed
    try:
        yield Up(process, printed)
    finally:
        process.send_signal(signal.SIGINT)
        rest, _ = process.communicate(timeout=30)
    assert process.returncode == 0
    assert "Stopped." in rest
    assert not file.exists()
    assert list(temporary.iterdir()) == []
    assert "Video Generation Completed  sample.jpg" in rest


def _until(up: Up, place: Path, command: str, wanted: str, seconds: float = 60) -> str:
    end = time.monotonic() + seconds
    while wanted not in (found := up.shell(up.commands[command], place)):
        assert time.monotonic() < end, f"{wanted!r} did not come: {found}"
        time.sleep(0.5)
    return found


def test_every_printed_command_works_with_the_printed_exports(up: Up, tmp_path: Path) -> None:
    assert f"DailySpendLimitUsd = {LIMIT_USD}" in up.printed
    up.shell(up.commands["Drop an image"], tmp_path)
    _until(up, tmp_path, "The jobs", "completed\tsample.jpg")
    _until(up, tmp_path, "The events, one per line", "Video Generation Completed")
    _until(up, tmp_path, "The executions of the state machine", "SUCCEEDED")

    printed = {what: up.shell(line, tmp_path) for what, line in up.commands.items() if what != "Drop an image"}

    assert re.search(r" sample-gen_\w+\.mp4$", printed["The videos"], re.MULTILINE)
    receipt = json.loads(printed["The newest receipt"])
    assert receipt["options"]["prompt"]["value"] == "slow zoom out"
    assert printed["Reserved each day, in US cents"].endswith(f"\t{PRICE}\n")
    for queue in ("Images waiting to be submitted", "Messages in the dead-letter queue"):
        counts = json.loads(printed[queue])
        assert counts == {"ApproximateNumberOfMessages": "0", "ApproximateNumberOfMessagesNotVisible": "0"}
    events = [json.loads(line)["detail-type"] for line in printed["The events, one per line"].splitlines()]
    assert events == ["Video Generation Submitted", "Video Generation Completed"]
    assert len(up.commands) == 9


def test_doctor_finds_nothing_in_a_stack_without_optional_parameters(up: Up, tmp_path: Path) -> None:
    report = json.loads(up.shell(f"{COMMAND} doctor --local --json", tmp_path))

    assert {one["name"]: one["message"] for one in report["checks"] if one["status"] not in ("ok", "skipped")} == {}


def test_the_simulators_page_is_there(up: Up) -> None:
    (address,) = re.findall(r"^The provider simulator: (\S+)$", up.printed, re.MULTILINE)

    assert "nohuman image-to-video (simulator)" in requests.get(address, timeout=10).text


def test_a_picture_above_the_limit_is_held(up: Up, tmp_path: Path) -> None:
    (tmp_path / "picture.jpg").write_bytes(small_jpeg())
    (bucket,) = re.findall(r" (s3://\S+/) --metadata", up.printed)

    for number in range(3):
        up.shell(f"aws s3 cp picture.jpg {bucket}{number}.jpg", tmp_path)

    assert re.search(r"\theld\t\d\.jpg\t", _until(up, tmp_path, "The jobs", "\theld\t"))
    jobs = up.commands["The jobs"].partition(" --query")[0]
    prompts = json.loads(up.shell(f"{jobs} --query \"Items[?row.S=='job'].options.M.prompt.S\"", tmp_path))
    assert set(prompts) == {PROMPT, "slow zoom out"}


def _listening(pids: set[int]) -> set[str]:
    """Return the addresses on which these processes listen, as the kernel writes them: hexadecimal, in the host's byte order."""
    sockets = set()
    for pid in pids:
        for one in Path(f"/proc/{pid}/fd").iterdir():
            try:
                sockets.add(one.readlink().name)
            except OSError:
                continue
    found = set()
    for table in ("tcp", "tcp6", "udp", "udp6"):
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            _, local, remote, _, *_, inode = line.split()[:10]
            has_no_peer = set(remote.replace(":", "")) == {"0"}
            if f"socket:[{inode}]" in sockets and has_no_peer:
                found.add(local.partition(":")[0])
    return found


def _process_tree(pid: int) -> set[int]:
    """Return a process and all of its descendants."""
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


@pytest.mark.skipif(not Path("/proc/net/tcp").exists(), reason="only Linux has it")
def test_nothing_listens_beyond_loopback(up: Up) -> None:
    loopback = {"0100007F", "00000000000000000000000001000000"}

    addresses = _listening(_process_tree(up.process.pid))

    assert addresses
    assert addresses <= loopback


def test_a_second_run_beside_it_works_and_keeps_its_own_logs(up: Up, tmp_path: Path) -> None:
    """A folder with images, a subfolder, option files, and a file that is not an image."""
    (logs,) = re.findall(r"^Logs: (\S+)/$", up.printed, re.MULTILINE)
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
        [*MAKE, "run"],
        cwd=ROOT,
        env={**os.environ, "IMAGE": f"{folder}/", "COLUMNS": "160"},
        capture_output=True,
        text=True,
        check=False,
        timeout=180,
    )

    assert done.returncode == 1, done.stdout + done.stderr
    assert "Dropping 3 images and 2 option files" in done.stderr
    table = done.stdout.partition("image ")[2]
    assert re.search(r"notes\.txt +rejected +\S", table)
    hq, ten_seconds = PRICE_CENTS["hq", 5], PRICE_CENTS["fast", 10]
    assert re.search(rf"sub/b\.jpg +completed +\${usd(hq)} +output/sub/b-gen_\w+\.mp4", table)
    assert re.search(rf"Bonn\.jpg +completed +\${usd(ten_seconds)} +output/", table)
    assert f"${usd(hq + ten_seconds)} at the provider" in table
    assert "Its logs:" not in done.stdout + done.stderr
    assert len(list((ROOT / "output" / "sub").glob("b-gen_*.mp4"))) >= 1
    assert (ROOT / ".local" / "logs" / "latest").readlink().name != Path(logs).name
    assert (ROOT / logs / "engine.log").stat().st_size >= before


@pytest.mark.parametrize(("name", "message"), [("gone.jpg", "There is no image"), ("empty", "There is no image in")])
def test_a_wrong_image_is_reported_at_once_and_without_logs(tmp_path: Path, name: str, message: str) -> None:
    (tmp_path / "empty").mkdir()

    done = subprocess.run(
        [*MAKE, "run"],
        cwd=ROOT,
        env={**os.environ, "IMAGE": str(tmp_path / name)},
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )

    assert done.returncode == 2
    assert message in done.stderr
    assert "logs" not in done.stdout + done.stderr
