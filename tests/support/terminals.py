"""A process in a pseudo-terminal: what it draws, and how it ends."""

import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import termios
import time
from collections.abc import Callable, Mapping, Sequence


class TerminalProcess:
    """A process whose standard input, output and error are a terminal of a given size. `drawn` is all that it wrote."""

    def __init__(
        self, command: Sequence[str], environment: Mapping[str, str], columns: int = 80, lines: int = 24
    ) -> None:
        self._terminal, inner = pty.openpty()
        fcntl.ioctl(inner, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
        self.drawn = ""
        variables = {name: value for name, value in environment.items() if name not in ("COLUMNS", "LINES")}
        self.process = subprocess.Popen(
            list(command),
            stdin=inner,
            stdout=inner,
            stderr=inner,
            env={"TERM": "xterm-256color", **variables},
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),  # noqa: PLW1509 - Ctrl-C comes by the terminal
        )
        os.close(inner)

    def wait_for(self, condition: Callable[[str], bool], seconds: float = 30) -> None:
        """Read until the condition holds for all that was drawn. Raises AssertionError after `seconds`, or at the end."""
        end = time.monotonic() + seconds
        while not condition(self.drawn):
            assert time.monotonic() < end, self.drawn
            assert self._read(), self.drawn

    def press_ctrl_c(self) -> None:
        """Send what the key sends."""
        os.write(self._terminal, b"\x03")

    def end(self, seconds: float = 20) -> int:
        """Read to the end; return the exit status."""
        end = time.monotonic() + seconds
        while time.monotonic() < end and self._read():
            pass
        try:
            return self.process.wait(timeout=max(0.1, end - time.monotonic()))
        except subprocess.TimeoutExpired:
            self.process.send_signal(signal.SIGKILL)
            raise
        finally:
            os.close(self._terminal)

    def _read(self) -> bool:
        """Read what is there within half a second. False: the process has closed the terminal."""
        if select.select([self._terminal], [], [], 0.5)[0]:
            try:
                found = os.read(self._terminal, 65536)
            except OSError:  # Linux: the other side is closed
                return False
            self.drawn += found.decode(errors="replace")
            return bool(found)
        return self.process.poll() is None
