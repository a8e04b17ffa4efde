"""Runs a command in a pseudo-terminal, as a person does: reads until a text appears, and types."""

import os
import pty
import select
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence


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
