"""`dropreel drop`, as an installed process against the local cloud: also killed, in a terminal, and with wrong input."""

import hashlib
import json
import os
import pty
import select
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dropreel.domain.job import JobStatus
from tests.e2e.conftest import COMMAND, SAMPLE, Account, InstalledCommand
from tests.support.command_documents import validate_document
from tests.support.photographs import small_jpeg

DECOMPOSED = "u\u0308ber den Wolken.jpg"


def folder_with(tmp_path: Path, **files: bytes) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    for name, content in files.items():
        (folder / name.replace("_", ".")).write_bytes(content)
    return folder


def pictures(number: int) -> dict[str, bytes]:
    """Return so many images that differ."""
    return {f"{each:02}_jpg": small_jpeg() + bytes([each]) for each in range(number)}


def new_folder(account: Account) -> str:
    return account.new_key("").rstrip("/")


def document_of(done: "subprocess.CompletedProcess[str]") -> Any:
    document = json.loads(done.stdout)
    validate_document(document, "drop")
    return document


def versions(account: Account, prefix: str) -> int:
    found = account.client("s3").list_object_versions(Bucket=account.uploads, Prefix=f"{prefix}/")
    return len(found.get("Versions", []))


class InTerminal:
    """The command in a pseudo-terminal: what it prints, and what is typed."""

    def __init__(self, dropreel: InstalledCommand, *arguments: str) -> None:
        self.master, slave = pty.openpty()
        environment = {**dropreel.environment, "TERM": "xterm", "COLUMNS": "120", "LINES": "40"}
        self.process = subprocess.Popen(
            [str(COMMAND), *arguments], stdin=slave, stdout=slave, stderr=slave, env=environment, start_new_session=True
        )
        os.close(slave)
        self.printed = ""

    def wait_for(self, condition: Callable[[str], bool], seconds: float = 40) -> str:
        """Return all that is printed once the condition holds."""
        end = time.monotonic() + seconds
        while not condition(self.printed):
            assert time.monotonic() < end, self.printed
            if not self._read():
                break
        assert condition(self.printed), self.printed
        return self.printed

    def type(self, text: str) -> None:
        os.write(self.master, text.encode())

    def end(self) -> int:
        """Read to the end; return the exit status."""
        while self._read():
            pass
        os.close(self.master)
        return self.process.wait(30)

    def _read(self) -> bool:
        if select.select([self.master], [], [], 0.2)[0]:
            try:
                piece = os.read(self.master, 65536)
            except OSError:  # Linux: the other end is closed
                return False
            self.printed += piece.decode(errors="replace")
            return bool(piece)
        return self.process.poll() is None


def test_a_folder_is_dropped_followed_and_downloaded(
    account: Account, dropreel: InstalledCommand, tmp_path: Path
) -> None:
    to = new_folder(account)
    folder = folder_with(tmp_path, a_jpg=SAMPLE.read_bytes(), b_jpg=small_jpeg(), notes_txt=b"text")
    (folder / "sub").mkdir()
    (folder / "sub" / DECOMPOSED).write_bytes(small_jpeg() + b"x")
    (folder / "sub" / "dropreel.json").write_text('{"duration": 10}')
    (folder / "sub" / ".DS_Store").write_bytes(b"\0")
    prompt = "Schwenk über das Meer 波"
    call = ["drop", str(folder), "--to", to, "--prompt", prompt, "--no-sound", "--local"]

    done = dropreel.run(*call, "--download", str(tmp_path / "videos"), "--json")

    assert done.returncode == 1, done.stderr  # notes.txt
    document = document_of(done)
    jobs = {job["image"]["key"]: job for job in document["jobs"]}
    assert set(jobs) == {f"{to}/a.jpg", f"{to}/b.jpg", f"{to}/sub/{DECOMPOSED}"}
    assert {job["status"] for job in jobs.values()} == {"completed"}
    assert {(job["options"]["prompt"], job["options"]["sound"]) for job in jobs.values()} == {(prompt, False)}
    assert jobs[f"{to}/sub/{DECOMPOSED}"]["options"]["duration"] == 10
    for video in document["videos"]:
        job = next(job for job in jobs.values() if job["job_id"] == video["job_id"])
        assert video["path"] == str(tmp_path / "videos" / job["video"]["key"])
        assert hashlib.sha256(Path(video["path"]).read_bytes()).hexdigest() == job["video"]["sha256"]
    assert "generating" in done.stderr

    before = versions(account, to)
    (folder / "notes.txt").unlink()
    again = dropreel.run(*call, "--wait")
    assert again.returncode == 0, again.stderr
    assert "Nothing was uploaded" in again.stdout
    assert "completed" in again.stdout
    assert versions(account, to) == before
    (submission,) = account.submitted(f"{to}/a.jpg")
    assert submission["request"]["prompt"] == prompt

    more = dropreel.run(*call, "--again", "--yes-below", "0.10")
    assert more.returncode == 6
    assert "Upload 3 images? The videos cost $1.88" in more.stderr
    assert versions(account, to) == before
    assert len(document_of(dropreel.run(*call, "--again", "--dry-run", "--json"))["images"]) == 4  # and .DS_Store
    assert dropreel.run(*call, "--again", "--yes").returncode == 0
    assert versions(account, to) == before + 3
    account.job_when(f"{to}/a.jpg", lambda job: job.is_terminal and job.job_id != jobs[f"{to}/a.jpg"]["job_id"])
    assert len(account.submitted(f"{to}/a.jpg")) == 2


def test_a_prompt_longer_than_metadata_goes_into_the_sidecar(
    account: Account, dropreel: InstalledCommand, tmp_path: Path
) -> None:
    to = new_folder(account)
    folder = folder_with(tmp_path, a_jpg=small_jpeg(), a_jpg_json=b'{"mode": "hq", "prompt": "mine"}')
    prompt = ("Kamerafahrt über 山 " * 120).strip()

    done = dropreel.run("drop", str(folder / "a.jpg"), "--to", to, "--prompt", prompt, "--wait", "--json", "--local")

    assert done.returncode == 0, done.stderr
    (job,) = document_of(done)["jobs"]
    assert (job["options"]["prompt"], job["options"]["mode"]) == (prompt, "hq")
    assert job["option_sources"]["prompt"] == f"{to}/a.jpg.json"
    assert "keeps its other options" in done.stderr
    assert json.loads((folder / "a.jpg.json").read_text())["prompt"] == "mine"  # the file here stays


def test_a_run_that_is_killed_is_continued_and_nothing_is_paid_twice(
    account: Account, dropreel: InstalledCommand, tmp_path: Path
) -> None:
    to = new_folder(account)
    folder = folder_with(tmp_path, **pictures(14))
    with (folder / "00.jpg").open("ab") as file:
        file.truncate(25_000_000)
    call = [str(COMMAND), "drop", str(folder), "--to", to, "--yes", "--local"]

    for sent in (signal.SIGINT, signal.SIGKILL):
        before = versions(account, to)
        process = subprocess.Popen(call, env=dropreel.environment, stderr=subprocess.PIPE, text=True)
        end = time.monotonic() + 40
        while versions(account, to) < before + 3 and time.monotonic() < end and process.poll() is None:
            time.sleep(0.02)
        process.send_signal(sent)
        _, printed = process.communicate(timeout=40)
        if sent is signal.SIGINT:
            assert process.returncode == 130, printed
            uploaded = versions(account, to)
            assert f"Stopped. {uploaded} of 14 images were uploaded: they become videos and are charged" in printed
            assert "The same command continues" in printed
            assert "Traceback" not in printed

    done = dropreel.run("drop", str(folder), "--to", to, "--yes", "--local", "--wait", "--json")

    assert done.returncode == 0, done.stderr
    keys = [f"{to}/{number:02}.jpg" for number in range(14)]
    assert versions(account, to) == 14
    jobs = document_of(done)["jobs"]
    assert sorted(job["image"]["key"] for job in jobs) == keys
    assert {(job["status"], job["attempt"]) for job in jobs} == {("completed", 1)}
    assert [len(account.submitted(key)) for key in keys[1:]] == [1] * 13


@pytest.mark.parametrize(
    ("fault", "status", "sentence"),
    [
        (
            {"kind": "status", "status": 401},
            4,
            "The wait ended: 1 of the jobs waits for the day's limit or for the operator",
        ),
        ({"kind": "cut"}, 5, "dropreel adopt "),
        ({"kind": "fail", "error": "the picture is too dark"}, 1, "the picture is too dark"),
    ],
)
def test_the_exit_status_and_the_result_show_the_worst_job(
    fault: dict[str, Any], status: int, sentence: str, account: Account, dropreel: InstalledCommand, tmp_path: Path
) -> None:
    to = new_folder(account)
    folder = folder_with(tmp_path, a_jpg=small_jpeg(), b_jpg=small_jpeg() + b"b")
    times = 4 if fault["kind"] == "fail" else 1  # two images, two attempts each
    account.simulator.set_faults([{"on": "submit", "times": times, "do": fault}])

    done = dropreel.run("drop", str(folder), "--to", to, "--wait", "--local")

    assert done.returncode == status, done.stdout + done.stderr
    assert sentence in done.stdout
    assert f"2 images uploaded to s3://{account.uploads}/" in done.stdout


def test_a_terminal_shows_progress_and_is_asked(account: Account, dropreel: InstalledCommand, tmp_path: Path) -> None:
    to = new_folder(account)
    folder = folder_with(tmp_path, **pictures(3))
    account.simulator.set_pace(created_seconds=0, processing_seconds=2)
    call = ["drop", str(folder), "--to", to, "--yes-below", "1", "--wait", "--local"]

    refused = InTerminal(dropreel, *call)
    refused.wait_for(lambda printed: "The videos cost $1.41" in printed)
    refused.type("n\n")
    assert refused.end() == 6
    assert versions(account, to) == 0

    agreed = InTerminal(dropreel, *call)
    agreed.wait_for(lambda printed: "The videos cost $1.41" in printed)
    agreed.type("y\n")
    printed = agreed.wait_for(lambda printed: "3 generating" in printed)
    assert "uploading" in printed
    agreed.process.send_signal(signal.SIGINT)
    assert agreed.end() == 130
    assert "3 images uploaded: they become videos and are charged" in agreed.printed
    assert "Traceback" not in agreed.printed
    for number in range(3):
        assert account.ended(f"{to}/{number:02}.jpg").status is JobStatus.COMPLETED


def test_a_wrong_call_uploads_nothing(account: Account, dropreel: InstalledCommand, tmp_path: Path) -> None:
    to = new_folder(account)
    folder = folder_with(tmp_path, a_jpg=small_jpeg(), b_txt=b"text")
    other = tmp_path / "other"
    other.mkdir()
    (other / "a.jpg").write_bytes(small_jpeg())
    for arguments, status, sentence in (
        ([str(folder / "b.txt")], 6, "The file is text"),
        ([str(folder / "nope.jpg")], 2, "There is no file or folder"),
        ([str(folder / "a.jpg"), str(other / "a.jpg")], 2, "would both get the key"),
        ([str(folder), "--duration", "7"], 2, "allowed are 5 and 10"),
        ([str(folder), "--yes-below", "nan"], 2, "not an amount of dollars"),
        ([f"s3://{account.uploads}/x"], 2, "drop takes files of this machine"),
    ):
        done = dropreel.run("drop", *arguments, "--to", to, "--local")
        assert done.returncode == status, (arguments, done)
        assert sentence in done.stderr, arguments
        assert "Traceback" not in done.stderr
    assert versions(account, to) == 0
