"""Records docs/pictures/terminal.svg: real commands in a local cloud of their own, `python -m docs.record_terminal`.

Each command runs in a pseudo-terminal; what its screen shows at the end is drawn by Rich. `make recording` calls this, not
`make docs`: it starts a local cloud, and what it draws has identifiers and seconds of its run.
"""

import os
import pty
import re
import select
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from rich.console import Console
from rich.terminal_theme import TerminalTheme
from rich.text import Text

from dropreel_cli.local_cloud import LOCAL_CLOUD_VARIABLE
from local.cloud import ROOT

PICTURE = ROOT / "docs" / "pictures" / "terminal.svg"
COMMAND = ROOT / ".venvs" / "command" / "bin" / "dropreel"
COLUMNS = 100
MAX_BYTES = 60_000
SCRIPT = (
    'dropreel drop holiday/ --local --wait --prompt "slow zoom out"',
    "dropreel jobs --local",
)
"""The commands that are recorded. Each line ends with what its screen shows when it has ended."""
_SECONDS = 180
_THEME = TerminalTheme(
    (24, 26, 31),  # a dark window of its own: readable on a dark page and on a light one
    (220, 223, 228),
    [(60, 64, 72), (240, 113, 120), (126, 211, 133), (229, 192, 123),
     (97, 175, 239), (198, 120, 221), (86, 182, 194), (220, 223, 228)],
    [(126, 134, 148), (255, 135, 142), (152, 227, 158), (240, 210, 150),
     (130, 195, 250), (215, 150, 235), (120, 205, 215), (255, 255, 255)],
)  # fmt: skip
_CSI = re.compile(r"\x1b\[\??(?P<number>\d*)(?:;\d+)*(?P<kind>[A-Za-z])")


def screen_of(output: str) -> str:
    """Return what a terminal shows after this output, colors kept: what was erased or written over is left out.

    It knows what Rich and Click write: carriage return, cursor up, erase line, and colors. A line that is overwritten is
    written as a whole.
    """
    lines, row, is_overwritten = [""], 0, False
    for part in re.split(r"(\r\n|\r|\n|\x1b\[[0-9;?]*[A-Za-z])", output):
        found = _CSI.fullmatch(part)
        if part in ("\r\n", "\n"):
            row, is_overwritten = row + 1, False
            if row == len(lines):
                lines.append("")
        elif part == "\r":
            is_overwritten = True
        elif found and found["kind"] == "A":
            row = max(0, row - int(found["number"] or 1))
        elif found and found["kind"] == "K":
            lines[row] = ""
        elif part and (found is None or found["kind"] == "m"):
            lines[row] = part if is_overwritten else lines[row] + part
            is_overwritten = False
    return "\n".join(lines).rstrip()


def run_in_terminal(line: str, folder: Path, environment: dict[str, str]) -> str:
    """Run a command in a pseudo-terminal of its own; return its output. Raises RuntimeError where it fails."""
    ours, theirs = pty.openpty()
    os.set_blocking(ours, False)
    process = subprocess.Popen(
        [str(COMMAND), *shlex.split(line)[1:]],
        cwd=folder,
        env={**environment, "COLUMNS": str(COLUMNS), "LINES": "40", "TERM": "xterm-256color"},
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
    )
    os.close(theirs)
    output, end = b"", time.monotonic() + _SECONDS
    try:
        while time.monotonic() < end:
            select.select([ours], [], [], 1)
            try:
                piece = os.read(ours, 65536)
            except BlockingIOError:
                continue
            except OSError:  # Linux raises it once the other end is closed
                break
            if not piece:
                break
            output += piece
        if process.wait(timeout=10):
            raise RuntimeError(f"{line} ended with status {process.returncode}:\n{output.decode(errors='replace')}")
    finally:
        process.kill()
        os.close(ours)
    return output.decode(errors="replace")


def picture_of(screens: list[tuple[str, str]]) -> str:
    """Return the SVG of a window with each command and its screen."""
    with Path(os.devnull).open("w", encoding="utf-8") as nowhere:
        console = Console(record=True, width=COLUMNS, file=nowhere, force_terminal=True, color_system="truecolor")
        for line, screen in screens:
            console.print(Text.assemble(("$ ", "bold green"), (line, "bold")))
            console.print(Text.from_ansi(screen))
            console.print()
        drawn = console.export_svg(title="dropreel", theme=_THEME, unique_id="dropreel")
    # A picture in a page loads no fonts: the reader's own monospaced one is used.
    return re.sub(r"\s*@font-face \{.*?\}", "", drawn, flags=re.DOTALL)


def record(script: tuple[str, ...] = SCRIPT) -> str:
    """Start a local cloud, run the commands in it, stop it, and return the picture."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "holiday"
        folder.mkdir()
        for name in ("beach.jpg", "harbor.jpg", "market.jpg"):
            shutil.copy(ROOT / "local" / "sample.jpg", folder / name)
            with (folder / name).open("ab") as image:
                image.write(name.encode())  # behind the picture's end: the same picture twice would be a duplicate
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "PYTHON"))}
        environment = {**inherited, LOCAL_CLOUD_VARIABLE: str(Path(place) / "cloud.json")}
        up = [str(COMMAND), "up", "PollIntervalSeconds=2", "GenerationTimeoutMinutes=30"]
        try:
            subprocess.run(up, cwd=ROOT, env=environment, check=True, stdout=subprocess.DEVNULL)
            screens = [(line, screen_of(run_in_terminal(line, Path(place), environment))) for line in script]
        finally:
            subprocess.run([str(COMMAND), "down"], cwd=ROOT, env=environment, check=True)
    return picture_of(screens)


def main() -> int:
    """Write the picture; return 1 where it is larger than a README should load."""
    picture = record()
    if len(picture.encode()) > MAX_BYTES:
        sys.stderr.write(f"The picture has {len(picture.encode()):,} bytes; {MAX_BYTES:,} are the most.\n")
        return 1
    PICTURE.write_text(picture, encoding="utf-8")
    sys.stdout.write(f"{PICTURE.relative_to(ROOT)}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
