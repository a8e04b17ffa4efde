"""`dropreel board` as the installed command: its address, its end, wrong calls."""

import json
import re
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import requests

from tests.e2e.conftest import COMMAND, InstalledCommand
from tests.support.command_documents import validate_document


@contextmanager
def started(dropreel: InstalledCommand, *arguments: str) -> Iterator["subprocess.Popen[str]"]:
    line = [str(COMMAND), "board", "--local", *arguments]
    process = subprocess.Popen(
        line,
        env=dropreel.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        stdin=subprocess.DEVNULL,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def test_ctrl_c_ends_it_at_once_with_0_whatever_is_open(dropreel: InstalledCommand) -> None:
    # given a board with open streams
    with started(dropreel) as process:
        assert process.stdout is not None
        address = re.fullmatch(
            r"The board of \S+: (http://127\.0\.0\.1:\d+/)(\?token=\S+)\n", process.stdout.readline()
        )
        assert address is not None
        session = requests.Session()
        page = session.get(address[1] + address[2], timeout=30)
        streams = [session.get(f"{address[1]}updates?version=0", stream=True, timeout=30) for _ in range(3)]
        assert next(streams[0].iter_lines()) == b"retry: 2000"
        # when it is stopped
        at = time.monotonic()
        process.send_signal(signal.SIGINT)
        output, errors = process.communicate(timeout=20)

    # then it ends at once, and without a message of a failure
    assert (page.status_code, process.returncode, output) == (200, 0, "")
    assert time.monotonic() - at < 3
    assert errors.count("\n") == 1
    assert "who has it can spend" in errors


def test_the_document_comes_before_it_serves(dropreel: InstalledCommand) -> None:
    with started(dropreel, "--json", "--no-open", "--host", "0.0.0.0") as process:
        assert process.stdout is not None
        text = ""
        while not text.endswith("\n}\n"):
            text += process.stdout.readline()
        document = json.loads(text)
        page = requests.get(document["address"], timeout=30)
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=20)

    validate_document(document, "board")
    assert document["network_address"].endswith(document["address"].partition("/?")[2])
    assert page.status_code == 200
    assert (process.returncode, "without encryption" in errors) == (0, True)


@pytest.mark.parametrize(
    ("arguments", "status", "sentence"),
    [
        (["--host", "203.0.113.9"], 1, "The board cannot listen on 203.0.113.9"),
        (["--host", "no.such.host.invalid"], 2, "--host is an address of this machine."),
        (["--port", "70000"], 2, "70000 is not in the range"),
        (["--since", "soon"], 2, "--since"),
    ],
)
def test_wrong_calls_say_what_is_allowed(
    dropreel: InstalledCommand, arguments: list[str], status: int, sentence: str
) -> None:
    done = dropreel.run("board", "--local", "--no-open", *arguments)

    assert (done.returncode, done.stdout) == (status, "")
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr
