"""The files of a local cloud: one at a time, stopped by a request, and nothing stale is taken for a running one."""

import json
import os
import signal
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from dropreel_cli.command_line import StackOptions
from dropreel_cli.connection import connect
from dropreel_cli.exits import CommandError, Exit
from dropreel_cli.local_cloud import LOCAL_CLOUD_VARIABLE, CloudFiles, is_alive, local_cloud_file

ROOT = Path(__file__).resolve().parents[3]
DESCRIBED = {"endpoint_url": "http://127.0.0.1:1", "region": "us-east-1", "access_key_id": "test",
             "secret_access_key": "test", "stack": "dropreel-local", "pid": os.getpid()}  # fmt: skip
NO_PROCESS = 2**22 + 1
"""Above Linux's highest process id."""
HOLDER = """
import sys, time
from pathlib import Path
from dropreel_cli.local_cloud import CloudFiles
with CloudFiles(Path(sys.argv[1])).held() as lock:
    lock.files.write({"pid": 1})
    print("held", flush=True)
    while sys.argv[2] == "never" or not lock.is_asked_to_stop():
        time.sleep(0.02)
"""


@pytest.fixture
def files(tmp_path: Path) -> CloudFiles:
    return CloudFiles(tmp_path / ".local" / "cloud.json")


@pytest.fixture(params=["when-asked"])
def holder(files: CloudFiles, request: pytest.FixtureRequest) -> Iterator["subprocess.Popen[str]"]:
    """A process that holds the lock as a local cloud does."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(files.description), request.param],
        env={**os.environ, "PYTHONPATH": str(ROOT / "cli")},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.communicate()


def test_the_file_is_there_while_the_cloud_runs_and_for_its_user_only(files: CloudFiles) -> None:
    with files.held() as lock:
        assert files.read() is None  # it is not ready
        lock.files.write(DESCRIBED)
        assert files.read() == DESCRIBED
        assert stat.S_IMODE(files.description.stat().st_mode) == 0o600
        assert [one.name for one in files.description.parent.iterdir() if one.suffix == ".new"] == []

    assert not files.description.exists()
    assert not files.is_running()


def test_a_second_cloud_is_refused(files: CloudFiles, holder: object) -> None:
    with pytest.raises(CommandError, match=r"up already\. To stop it: dropreel down") as raised, files.held():
        pass

    assert raised.value.exit_status is Exit.REFUSED
    assert files.read() == {"pid": 1}


def test_stop_waits_until_the_cloud_has_ended(files: CloudFiles, holder: "subprocess.Popen[str]") -> None:
    assert files.is_running()

    assert files.stop() is True

    assert not files.is_running()
    assert holder.wait(timeout=5) == 0
    assert [one.suffix for one in files.description.parent.iterdir()] == [".lock"]


@pytest.mark.parametrize("holder", ["never"], indirect=True)
def test_a_cloud_that_does_not_stop_is_killed(files: CloudFiles, holder: "subprocess.Popen[str]") -> None:
    assert files.stop(seconds=0.3) is True

    assert holder.wait(timeout=5) == -signal.SIGKILL
    assert not files.description.exists()


def test_stop_without_a_cloud_removes_what_a_killed_one_left(
    files: CloudFiles, holder: "subprocess.Popen[str]"
) -> None:
    holder.kill()
    holder.wait()
    assert files.description.exists()
    assert files.read() is None

    assert files.stop() is False

    assert not files.description.exists()


def test_stop_never_signals_a_process_whose_id_is_in_a_stale_file(files: CloudFiles) -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as bystander:
        files.description.parent.mkdir()
        files.lock.write_text(str(bystander.pid))
        files.description.write_text(json.dumps({**DESCRIBED, "pid": bystander.pid}))

        assert files.stop(seconds=0) is False

        assert bystander.poll() is None
        bystander.kill()


def test_a_new_cloud_starts_where_a_killed_one_left_its_files(
    files: CloudFiles, holder: "subprocess.Popen[str]"
) -> None:
    holder.kill()
    holder.wait()
    files.stop_request.touch()

    with files.held() as lock:
        assert files.read() is None
        assert not lock.is_asked_to_stop()


def test_a_cloud_whose_files_were_removed_is_asked_to_stop(files: CloudFiles) -> None:
    with files.held() as lock:
        assert not lock.is_asked_to_stop()
        files.lock.unlink()
        assert lock.is_asked_to_stop()
        files.lock.touch()  # of another cloud
        assert lock.is_asked_to_stop()


def test_a_look_at_the_lock_does_not_keep_a_cloud_from_starting(files: CloudFiles) -> None:
    ended = threading.Event()

    def look() -> None:
        while not ended.is_set():
            files.is_running()

    looking = threading.Thread(target=look)
    looking.start()
    try:
        for _ in range(20):
            with files.held():
                time.sleep(0.001)
    finally:
        ended.set()
        looking.join()


def test_the_file_is_the_checkouts_or_the_one_of_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(LOCAL_CLOUD_VARIABLE, raising=False)
    assert CloudFiles.of_checkout(tmp_path).description == tmp_path / ".local" / "cloud.json"

    monkeypatch.setenv(LOCAL_CLOUD_VARIABLE, str(tmp_path / "mine.json"))

    assert CloudFiles.of_checkout(tmp_path).description == tmp_path / "mine.json"


def test_commands_find_the_file_from_a_folder_below(
    files: CloudFiles, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(LOCAL_CLOUD_VARIABLE, raising=False)
    (tmp_path / "a" / "b").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "a" / "b")
    with files.held() as lock:
        lock.files.write(DESCRIBED)

        assert local_cloud_file() == files.description


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (json.dumps({**DESCRIBED, "pid": NO_PROCESS}), "has ended. Start another: dropreel up."),
        ("{", "is damaged. Remove it"),
    ],
)
def test_a_stale_or_damaged_file_is_not_reachable(
    files: CloudFiles, monkeypatch: pytest.MonkeyPatch, content: str, sentence: str
) -> None:
    files.description.parent.mkdir()
    files.description.write_text(content)
    monkeypatch.setenv(LOCAL_CLOUD_VARIABLE, str(files.description))

    with pytest.raises(CommandError, match=sentence) as raised:
        connect(StackOptions(local=True))

    assert raised.value.exit_status is Exit.UNREACHABLE


def test_a_process_is_alive_or_not() -> None:
    assert is_alive(os.getpid())
    assert not is_alive(NO_PROCESS)
