"""Runs the simulator as a process of its own for as long as a `with` block lasts."""

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from .client import SimulatorClient

_ROOT = Path(__file__).resolve().parents[2]
_READY = "provider simulator listening on "
_START_SECONDS = 20.0
_STOP_SECONDS = 5.0


@dataclass(frozen=True)
class RunningSimulator:
    """A simulator that answers at `base_url`."""

    base_url: str
    client: SimulatorClient
    process: subprocess.Popen[str]


@contextmanager
def running_simulator(
    api_key: str = "local-key",
    created_seconds: float = 1.0,
    processing_seconds: float = 6.0,
    seed: int | None = None,
    port: int = 0,
    python: str = sys.executable,
) -> Iterator[RunningSimulator]:
    """Starts a simulator and always stops it. Raises RuntimeError if it is not up within 20 seconds.

    `python` is an interpreter that has the simulator's libraries. Port 0 is any free port.
    """
    command = [python, "-m", "local.provider_simulator", "--stop-with-parent", f"--port={port}", f"--api-key={api_key}"]
    command += [f"--created-seconds={created_seconds}", f"--processing-seconds={processing_seconds}"]
    command += [f"--seed={seed}"] if seed is not None else []
    paths = [str(_ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
    process = subprocess.Popen(
        command, cwd=_ROOT, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        base_url = _base_url_once_ready(process)
        yield RunningSimulator(base_url, SimulatorClient(base_url), process)
    finally:
        _stop(process)


def _base_url_once_ready(process: subprocess.Popen[str]) -> str:
    if process.stdout is None:
        raise RuntimeError("the provider simulator was started without a pipe to read its address from")
    # Ends the wait below if the simulator hangs: its output then closes.
    too_late = threading.Timer(_START_SECONDS, process.kill)
    too_late.start()
    line = process.stdout.readline()
    too_late.cancel()
    if not line.startswith(_READY):
        raise RuntimeError(f"the provider simulator did not start (exit code {process.poll()}, output {line!r})")
    return line.removeprefix(_READY).strip()


def _stop(process: subprocess.Popen[str]) -> None:
    process.terminate()
    try:
        process.communicate(timeout=_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
