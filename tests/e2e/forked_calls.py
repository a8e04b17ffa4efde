"""Calls of the installed command in processes that are forked with its modules imported: see `forked_command.py`."""

import json
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from local.cloud import ROOT

_PYTHON = ROOT / ".venvs" / "command" / "bin" / "python"


@dataclass(frozen=True)
class ForkedCalls:
    """A running `forked_command.py`. It runs one call at a time."""

    calls: IO[str]
    answers: IO[str]
    folder: Path
    """It has the standard streams of a call as files."""

    def run(
        self, arguments: Sequence[str], answers: str, cwd: Path | None, environment: Mapping[str, str]
    ) -> "subprocess.CompletedProcess[str]":
        """Run a call to its end, as `subprocess.run` does it with the executable."""
        streams = [self.folder / name for name in ("stdin", "stdout", "stderr")]
        for file, content in zip(streams, (answers, "", ""), strict=True):
            file.write_text(content, encoding="utf-8")
        call = {
            "arguments": arguments,
            "environment": dict(environment),
            "cwd": str(cwd or Path.cwd()),
            "streams": list(map(str, streams)),
        }
        print(json.dumps(call), file=self.calls, flush=True)
        status = int(self.answers.readline())
        return subprocess.CompletedProcess(
            arguments, status, *(file.read_text(encoding="utf-8") for file in streams[1:])
        )


@contextmanager
def forked_calls(folder: Path, environment: Mapping[str, str]) -> Iterator[ForkedCalls]:
    """Start the process that forks; end it with the block."""
    program = str(Path(__file__).with_name("forked_command.py"))
    process = subprocess.Popen(
        # -P: nothing of the checkout can be imported, as with the executable.
        [str(_PYTHON), "-P", program],
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    with process:
        yield ForkedCalls(process.stdin, process.stdout, folder)
        process.stdin.close()
