"""Runs the simulator as a separate process for the duration of a `with` block."""

import os
import subprocess  # nosec B404 # the simulator is a program of its own
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
    frames_per_second: int | None = None,
) -> Iterator[RunningSimulator]:
    """Starts a simulator and always stops it. Raises RuntimeError if it is not up within 20 seconds.

    `python` is an interpreter that has the simulator's libraries. Port 0 is any free port. Fewer `frames_per_second` take
    less processor time.
    """
    command = [python, "-m", "local.provider_simulator", "--stop-with-parent", f"--port={port}", f"--api-key={api_key}"]
    command += [f"--created-seconds={created_seconds}", f"--processing-seconds={processing_seconds}"]
    command += [f"--frames-per-second={frames_per_second}"] if frames_per_second is not None else []
    command += [f"--seed={seed}"] if seed is not None else []
    paths = [str(_ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
    process = subprocess.Popen(  # nosec B603 # our own words, no shell
        command, cwd=_ROOT, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        base_url = _wait_for_base_url(process)
        yield RunningSimulator(base_url, SimulatorClient(base_url), process)
    finally:
        _stop(process)


def _wait_for_base_url(process: subprocess.Popen[str]) -> str:
    if process.stdout is None:
        raise RuntimeError("the provider simulator was started without a pipe for its address")
    # If the simulator hangs, killing it closes its output and ends readline().
    timer = threading.Timer(_START_SECONDS, process.kill)
    timer.start()
    line = process.stdout.readline()
    timer.cancel()
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
