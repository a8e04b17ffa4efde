"""`dropreel up`: runs the local cloud, in the foreground until Ctrl-C or in the background until `dropreel down`.

`python -m local.up` is the process in the background: it reads the stack's parameters as JSON from standard input.
"""

import json
import os
import signal
import subprocess  # nosec B404 # the local cloud is a program of its own
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from dropreel_cli.command_line import Command
from dropreel_cli.connection import connect_local
from dropreel_cli.exits import CommandError, Exit
from dropreel_cli.local_cloud import CloudFiles, HeldLock
from dropreel_cli.output import Output
from dropreel_cli.serving import open_browser
from local.board import served_board
from local.cloud import ROOT, LocalCloudFault, local_cloud_description, running_cloud
from local.event_tail import EventTail, event_tail
from local.instructions import EVENTS_FILE, instructions
from local.logs import display_path, new_log_folder

LIFE = timedelta(hours=24)
"""How long a cloud in the background runs: one that was forgotten does not stay."""
_POLL_SECONDS = 1.0
_LOOK_SECONDS = 0.2
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Stopped(BaseException):
    """The process is asked to stop: raised in whatever it does, so that everything that it started is stopped."""


@dataclass(frozen=True)
class Callbacks:
    """What a running cloud reports: each step, its description once it is ready, each event."""

    on_step: Callable[[str], None]
    on_ready: Callable[[dict[str, Any]], None]
    on_event: Callable[[str], None]


def up_in_foreground(
    files: CloudFiles, parameters: Mapping[str, str], output: Output, *, opens: bool | None = False
) -> None:
    """Run a local cloud until Ctrl-C or `dropreel down`. Raises CommandError where it fails, or another one runs."""

    def show(described: dict[str, Any]) -> None:
        _show(files, described, output, opens)
        output.note("Ctrl-C stops it and deletes everything in it. Events, as they arrive:")

    with files.held() as lock:
        run_cloud(lock, parameters, Callbacks(lambda step: output.note(f"  {step}"), show, output.note), life=None)
    output.note("Stopped.")


def up_in_background(
    files: CloudFiles, parameters: Mapping[str, str], output: Output, *, opens: bool | None = False
) -> None:
    """Start a local cloud in a process of its own, and return once it is ready; where one is up, say so.

    Raises CommandError where it fails, and where one is up and parameters are given, which it would not have.
    """
    described = files.read()
    if described is not None or files.is_running():
        if described is None:
            raise CommandError(
                "A local cloud is starting or stopping. Try again, or stop it: dropreel down", Exit.REFUSED
            )
        if parameters:
            raise CommandError(
                "The local cloud is up already, and its parameters cannot be changed. Stop it first: dropreel down",
                Exit.REFUSED,
            )
        output.note("The local cloud is up already.")
    else:
        described = _start(files, parameters, output)
    _show(files, described, output, opens)
    output.note(f"`dropreel down` stops it and deletes everything in it. It stops at {described['ends_at']}.")


def _show(files: CloudFiles, described: dict[str, Any], output: Output, opens: bool | None) -> None:
    if not output.is_json:
        output.text(instructions(described, connect_local(described).outputs, files.description))
    output.document({**described, "file": str(files.description)})
    if described.get("board"):
        open_browser(described["board"], output, opens)


def _start(files: CloudFiles, parameters: Mapping[str, str], output: Output) -> dict[str, Any]:
    files.description.parent.mkdir(parents=True, exist_ok=True)
    Command.left_behind = "The local cloud is not up."
    with files.log.open("wb") as log:
        process = subprocess.Popen(  # nosec B603 # our own words, no shell
            [sys.executable, "-P", "-m", "local.up"],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    if process.stdin is None:
        raise RuntimeError("the process has no standard input")
    try:
        with process.stdin:
            process.stdin.write(json.dumps(dict(parameters)).encode())
        return _wait_until_ready(files, process, output)
    except BaseException:
        process.terminate()
        process.wait()
        raise


def _wait_until_ready(files: CloudFiles, process: "subprocess.Popen[bytes]", output: Output) -> dict[str, Any]:
    """Print the steps of the process until its cloud is ready. Raises CommandError if it ends before."""
    failure, rest = [], ""
    with files.log.open(encoding="utf-8", errors="replace") as log:
        while True:
            has_ended = process.poll() is not None
            *lines, rest = (rest + log.read()).split("\n")
            for line in lines:
                if line.startswith("  "):
                    output.note(line)
                else:
                    failure.append(line)
            if has_ended:
                raise CommandError("\n".join(failure) or "The local cloud was stopped before it was ready.")
            if (described := files.read()) is not None and described["pid"] == process.pid:
                return described
            time.sleep(_LOOK_SECONDS)


def run_cloud(lock: HeldLock, parameters: Mapping[str, str], callbacks: Callbacks, life: timedelta | None) -> None:
    """Run a local cloud until it is asked to stop, or its life ends. Raises CommandError where it fails."""
    logs, started = new_log_folder(), datetime.now(UTC)
    for name, value in parameters.items():
        callbacks.on_step(f"{name} = {value}")
    end = started + life if life else None
    try:
        with (
            _stoppable(lock, end),
            running_cloud(callbacks.on_step, parameters, logs=logs) as cloud,
            event_tail(cloud.stack) as tail,
            ExitStack() as stack,
        ):
            reached = local_cloud_description(cloud)
            described = {
                **reached,
                "simulator": cloud.simulator.base_url,
                "board": stack.enter_context(served_board(reached)),
                "logs": str(logs),
                "started_at": started.isoformat(timespec="seconds"),
                "ends_at": end.isoformat(timespec="seconds") if end else None,
            }
            (logs / EVENTS_FILE).touch()
            lock.files.write(described)
            callbacks.on_ready(described)
            while True:
                _show_new_events(tail, logs / EVENTS_FILE, callbacks.on_event)
                time.sleep(_POLL_SECONDS)
    except Stopped:
        return
    except LocalCloudFault as error:
        raise CommandError(f"The local cloud failed: {error}") from error
    except (BotoCoreError, ClientError) as error:
        raise CommandError(f"The local cloud failed: {error}\nIts logs: {display_path(logs)}/") from error


@contextmanager
def _stoppable(lock: HeldLock, end: datetime | None) -> Iterator[None]:
    """Raise Stopped in the main thread, once: on a signal, when `dropreel down` asks for it, and at the end of the life."""
    ended = threading.Event()

    def stop(*_: object) -> None:
        for number in _SIGNALS:
            signal.signal(number, signal.SIG_IGN)
        raise Stopped

    def watch() -> None:
        while not ended.wait(_LOOK_SECONDS):
            if lock.is_asked_to_stop() or (end is not None and datetime.now(UTC) > end):
                os.kill(os.getpid(), signal.SIGTERM)
                return

    before = {number: signal.signal(number, stop) for number in _SIGNALS}
    watching = threading.Thread(target=watch, daemon=True)
    watching.start()
    try:
        yield
    finally:
        ended.set()
        watching.join()  # so that its signal comes before the handlers are the old ones again
        for number, handler in before.items():
            signal.signal(number, handler)


def _show_new_events(tail: EventTail, file: Path, on_event: Callable[[str], None]) -> None:
    new = tail.new_events()
    with file.open("a", encoding="utf-8") as lines:
        lines.writelines(json.dumps(event) + "\n" for event in new)
    for event in new:
        data = event["detail"]["data"]
        reason = f": {data['reason']['message']}" if data.get("reason") else ""
        on_event(f"  {event['detail-type']}  {data['image']['key']}{reason}")


def main() -> int:
    """Run the cloud of this checkout in this process, until it is asked to stop; return the exit status."""
    parameters: dict[str, str] = json.load(sys.stdin)

    def show(text: str) -> None:
        print(text, flush=True)

    def show_step(step: str) -> None:
        show(f"  {step}")

    try:
        with CloudFiles.of_checkout(ROOT).held() as lock:
            run_cloud(lock, parameters, Callbacks(show_step, lambda _: None, show), LIFE)
    except CommandError as error:
        show(str(error))
        return int(error.exit_status)
    return 0


if __name__ == "__main__":
    sys.exit(main())
