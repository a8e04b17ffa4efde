"""The local cloud: ministack with IAM enforced, the provider simulator, and the real template deployed by the real SAM CLI."""

import os
import shutil
import signal
import socket
import subprocess  # nosec B404 # the engine and sam are programs of their own
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import boto3
import requests

from dropreel_cli.parameters import overrides_file
from dropreel_cli.stack import Stack
from local.logs import display_path, new_log_folder
from local.parameters import local_parameters
from local.provider_simulator.process import RunningSimulator, running_simulator

if TYPE_CHECKING:
    from boto3.session import Session

ROOT = Path(__file__).resolve().parents[1]
STACK_NAME = "dropreel-local"
REGION = "us-east-1"
API_KEY = "local-key"
_ANY_KEY = "test"
ACCOUNT = {"AWS_ACCESS_KEY_ID": _ANY_KEY, "AWS_SECRET_ACCESS_KEY": _ANY_KEY, "AWS_DEFAULT_REGION": REGION}
SIMULATED = "this run was simulated and cost nothing."
_START_SECONDS = 40
_POLL_SECONDS = "0.2"  # between sam's looks at the stack; its own 5 are longer than a local deployment takes


class LocalCloudFault(Exception):
    """The local cloud could not be started or deployed to; the message names the log."""


@dataclass(frozen=True)
class Engine:
    """A running ministack. `logs` is the folder for this run's logs."""

    endpoint_url: str
    process: subprocess.Popen[bytes]
    logs: Path

    @property
    def environment(self) -> dict[str, str]:
        """The variables with which any AWS client reaches it."""
        return {**ACCOUNT, "AWS_ENDPOINT_URL": self.endpoint_url}

    def session(self) -> "Session":
        """Return a boto3 session with the local account's credentials; pass `endpoint_url` to its clients."""
        return boto3.Session(
            aws_access_key_id=ACCOUNT["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=ACCOUNT["AWS_SECRET_ACCESS_KEY"],
            region_name=REGION,
        )


@dataclass(frozen=True)
class LocalCloud:
    """A local run: the engine, the simulator, and the stack deployed into it."""

    engine: Engine
    simulator: RunningSimulator
    stack: Stack


def local_cloud_description(cloud: LocalCloud) -> dict[str, str | int]:
    """Return how commands reach a local cloud: the content of `.local/cloud.json`."""
    return {
        "endpoint_url": cloud.engine.endpoint_url,
        "region": REGION,
        "access_key_id": ACCOUNT["AWS_ACCESS_KEY_ID"],
        "secret_access_key": ACCOUNT["AWS_SECRET_ACCESS_KEY"],
        "stack": cloud.stack.name,
        "pid": os.getpid(),
    }


@contextmanager
def running_cloud(
    on_step: Callable[[str], None],
    parameters: Mapping[str, str] | None = None,
    created_seconds: float = 1.0,
    processing_seconds: float = 6.0,
    environment: Mapping[str, str] | None = None,
    logs: Path | None = None,
    frames_per_second: int | None = None,
) -> Iterator[LocalCloud]:
    """Start the engine and the simulator, deploy, and always stop both at the end. Raises LocalCloudFault.

    `on_step` gets a line at each step. `environment` has settings of the engine. `logs` is a folder from `new_log_folder`;
    without it a new one is made. Fewer `frames_per_second` of the videos take less processor time.
    """
    on_step("starting the local cloud")
    with (
        running_engine(environment, logs=logs) as engine,
        running_simulator(
            API_KEY,
            created_seconds=created_seconds,
            processing_seconds=processing_seconds,
            frames_per_second=frames_per_second,
        ) as simulator,
    ):
        on_step("deploying template.yaml with sam deploy")
        deploy(engine, {**local_parameters(simulator.base_url, API_KEY, parameters or {}), **(parameters or {})})
        stack = Stack.find(STACK_NAME, engine.session(), engine.endpoint_url)
        yield LocalCloud(engine, simulator, stack)


@contextmanager
def running_engine(environment: Mapping[str, str] | None = None, *, logs: Path | None = None) -> Iterator[Engine]:
    """Run ministack on a free port of 127.0.0.1 with a data folder of its own. Raises LocalCloudFault.

    `environment` has settings of the engine; with `ENGINE_AS_SHIPPED` it runs without engine_corrections.py.
    """
    logs = logs or new_log_folder()
    port = _free_port()
    folder = Path(tempfile.mkdtemp(prefix="dropreel-engine-"))
    log = logs / "engine.log"
    settings = {
        **_inherited_environment(),
        **ACCOUNT,
        "AUTH": "true",
        "BIND_HOST": "127.0.0.1",
        "MINISTACK_HOST": "127.0.0.1",
        "GATEWAY_PORT": str(port),
        "IOT_MTLS_ENABLED": "0",  # else a broker listens on every address of the machine, on one fixed port
        "STATE_DIR": str(folder / "state"),
        "S3_DATA_DIR": str(folder / "s3"),
        "TMPDIR": str(folder),
        **(environment or {}),
    }
    python = ROOT / ".venvs" / "ministack" / "bin" / "python"
    with log.open("wb") as out:
        process = subprocess.Popen(  # nosec B603 # our own words, no shell
            [str(python), str(ROOT / "local" / "engine.py")],
            stdin=subprocess.PIPE,
            stdout=out,
            stderr=subprocess.STDOUT,
            env=settings,
            start_new_session=True,
        )
    engine = Engine(f"http://127.0.0.1:{port}", process, logs)
    try:
        _wait_until_healthy(engine, log)
        yield engine
    finally:
        _stop(process)
        shutil.rmtree(folder, ignore_errors=True)


def deploy(engine: Engine, parameters: Mapping[str, str], stack_name: str = STACK_NAME, checkout: Path = ROOT) -> None:
    """Run `sam deploy --config-env local` on a checkout's local build. Raises LocalCloudFault, which names its log."""
    log = engine.logs / f"sam-deploy-{stack_name}.log"
    inherited = _inherited_environment()
    if compiled := os.environ.get("PYTHONPYCACHEPREFIX"):  # `sam build` has compiled nearly all of it already
        inherited["PYTHONPYCACHEPREFIX"] = compiled
    with log.open("wb") as out, tempfile.TemporaryDirectory(prefix="sam-deploy-") as folder:
        overrides = Path(folder) / "parameters.yaml"
        overrides.write_text(overrides_file(parameters), encoding="utf-8")
        done = subprocess.run(  # nosec B603 # our own words, no shell
            [
                str(ROOT / ".venvs" / "run" / "bin" / "sam"),
                "deploy",
                "--config-env",
                "local",
                "--stack-name",
                stack_name,
                "--parameter-overrides",
                f"file://{overrides}",
            ],
            cwd=checkout,
            env={
                "SAM_CLI_POLL_DELAY": _POLL_SECONDS,
                **inherited,
                **engine.environment,
                "SAM_CLI_TELEMETRY": "0",
                "TMPDIR": folder,  # sam leaves a folder behind for each archive that it uploads
            },
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            check=False,
        )
    if done.returncode:
        raise LocalCloudFault(f"sam deploy failed:\n{_last_lines(log)}\nThe whole log: {display_path(log)}")


def _inherited_environment() -> dict[str, str]:
    """Return this process's environment without its AWS account and its Python."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "PYTHON"))}


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def _wait_until_healthy(engine: Engine, log: Path) -> None:
    end = time.monotonic() + _START_SECONDS
    while time.monotonic() < end:
        if engine.process.poll() is not None:
            break
        try:
            if requests.get(f"{engine.endpoint_url}/_ministack/health", timeout=2).ok:
                return
        except requests.ConnectionError:
            time.sleep(0.1)
    raise LocalCloudFault(f"the local cloud did not start:\n{_last_lines(log)}\nThe whole log: {display_path(log)}")


def _stop(process: subprocess.Popen[bytes]) -> None:
    """End the engine and the functions that it started: all are in its process group."""
    if process.poll() is None:
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(timeout=5)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    if process.stdin is not None:
        process.stdin.close()


def _last_lines(log: Path, lines: int = 15) -> str:
    return "\n".join(log.read_text(errors="replace").splitlines()[-lines:])
