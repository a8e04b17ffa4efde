"""Runs a command in a pseudo-terminal, as a person does: reads until a text appears, and types."""

import os
import pty
import re
import select
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

_PROMPT = re.compile(r"(\]|\w): $")
_IN_A_SESSION = (
    "import fcntl, os, sys, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0); os.execvp(sys.argv[1], sys.argv[1:])"
)


def answered(
    command: Sequence[str],
    answers: Mapping[str, Sequence[str]],
    *,
    cwd: Path,
    environment: Mapping[str, str],
    seconds: float = 120,
) -> tuple[int, str]:
    """Run a command on a terminal of its own; answer each question by its first words, otherwise with Enter.

    Return the exit status and all text of the screen.
    """
    left = {question: list(replies) for question, replies in answers.items()}
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-c", _IN_A_SESSION, *command],
        cwd=cwd,
        env={**environment, "COLUMNS": "1000", "TERM": "dumb"},
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
    )
    os.close(theirs)
    screen, seen, end = "", 0, time.monotonic() + seconds
    try:
        while time.monotonic() < end:
            ready, _, _ = select.select([ours], [], [], 0.3)
            if ready:
                try:
                    piece = os.read(ours, 65536)
                except OSError:  # Linux raises it once the other end is closed
                    break
                if not piece:
                    break
                screen += piece.decode(errors="replace")
            elif _PROMPT.search(screen) and len(screen) > seen:
                question = screen.splitlines()[-1]
                replies = next((list_ for start, list_ in left.items() if question.startswith(start)), [])
                os.write(ours, f"{replies.pop(0) if replies else ''}\n".encode())
                seen = len(screen)
        return process.wait(timeout=20), screen
    finally:
        process.kill()
        os.close(ours)


class Terminal:
    """A running command whose standard streams are a terminal."""

    def __init__(self, command: Sequence[str], environment: Mapping[str, str]) -> None:
        self.screen = ""
        self._master, slave = pty.openpty()
        self._process = subprocess.Popen(
            list(command),
            stdin=slave,
            stdout=slave,
            stderr=slave,
            env={**environment, "TERM": "xterm", "COLUMNS": "200", "LINES": "50"},
            start_new_session=True,
        )
        os.close(slave)

    def wait_for(self, text: str, seconds: float = 30) -> None:
        """Read until the text was printed. Raises AssertionError after `seconds`, or at the command's end."""
        end = time.monotonic() + seconds
        while text not in self.screen:
            assert time.monotonic() < end, self.screen
            assert self._read(), f"it ended: {self.screen}"

    def type(self, text: str) -> None:
        """Type a text."""
        os.write(self._master, text.encode())

    def interrupt(self) -> None:
        """Send what Ctrl-C sends, once the command waits for an answer: Python may miss a signal right before it reads."""
        time.sleep(0.5)
        self._process.send_signal(signal.SIGINT)

    def end(self) -> int:
        """Read to the command's end; return its exit status."""
        while self._read():
            pass
        os.close(self._master)
        return self._process.wait(30)

    def _read(self) -> bool:
        try:
            if select.select([self._master], [], [], 1)[0]:
                content = os.read(self._master, 65536)
                self.screen += content.decode(errors="replace")
                return bool(content)
        except OSError:  # the other side is closed
            return False
        return True
