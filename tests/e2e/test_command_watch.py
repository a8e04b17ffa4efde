"""The installed command watches the local cloud: a board in a terminal, lines in a pipe."""

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.e2e.conftest import COMMAND, Account, InstalledCommand
from tests.support.command_documents import validate_document
from tests.support.terminals import TerminalProcess

ENTER, LEAVE, SHOW_CURSOR = "\x1b[?1049h", "\x1b[?1049l", "\x1b[?25h"


@pytest.mark.parametrize(("end", "status"), [("ctrl-c", 0), ("sigterm", 128 + signal.SIGTERM)])
def test_the_board_follows_a_job_and_restores_the_terminal(
    end: str, status: int, dropreel: InstalledCommand, account: Account
) -> None:
    account.simulator.set_pace(created_seconds=0, processing_seconds=4)
    arguments = [str(COMMAND), "watch", "--local", "--interval", "0.3"]
    terminal = TerminalProcess(arguments, dropreel.environment)
    terminal.wait_for(lambda drawn: ENTER in drawn and "today $" in drawn)
    key = account.new_key()
    account.put(key)
    job = account.job_when(key, lambda one: one.polls > 0)
    terminal.wait_for(lambda drawn: job.job_id[:8] in drawn and "generating" in drawn)
    account.ended(key)
    terminal.wait_for(lambda drawn: "Last ended" in drawn.rpartition(job.job_id[:8])[0])

    if end == "ctrl-c":
        terminal.press_ctrl_c()
    else:
        terminal.process.terminate()

    assert terminal.end() == status
    assert terminal.drawn.endswith(SHOW_CURSOR + LEAVE)
    assert "Traceback" not in terminal.drawn


def lines_of(dropreel: InstalledCommand, *arguments: str, during: Callable[[], object]) -> list[str]:
    """Return what `watch` prints into a pipe while something happens."""
    command = [str(COMMAND), "watch", "--local", "--interval", "0.2", *arguments]
    process = subprocess.Popen(
        command, env=dropreel.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    with ThreadPoolExecutor(1) as pool:
        read = pool.submit(process.communicate, timeout=60)  # a full pipe would stop it in the middle of a line
        try:
            time.sleep(2)
            during()
            time.sleep(2)
        finally:
            os.kill(process.pid, signal.SIGINT)
        out, err = read.result()
    assert (process.returncode, err) == (0, "")
    return out.splitlines()


def test_in_a_pipe_each_change_is_a_line_or_a_document(dropreel: InstalledCommand, account: Account) -> None:
    keys = [account.new_key(), account.new_key()]

    def drop(key: str) -> None:
        account.put(key)
        account.ended(key)

    plain = [line for line in lines_of(dropreel, during=lambda: drop(keys[0])) if keys[0] in line]
    assert plain
    assert "  completed  " in plain[-1]
    assert "  $0.47  s3://" in plain[-1]

    documents = [json.loads(line) for line in lines_of(dropreel, "--json", during=lambda: drop(keys[1]))]
    for document in documents:
        validate_document(document, "watch")
    assert documents[0]["type"] == "board"
    mine = [
        each["job"]["status"] for each in documents if each["type"] == "job" and each["job"]["image"]["key"] == keys[1]
    ]
    assert mine[-1] == "completed"
    validate_document(dropreel.json("watch", "--once"), "watch")
