"""The simulator as a process: how it starts, what it listens on, and that it always stops."""

import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import requests

from local.provider_simulator.__main__ import main
from local.provider_simulator.process import running_simulator
from local.provider_simulator.server import loopback_socket

ROOT = Path(__file__).resolve().parents[3]
COMMAND = [sys.executable, "-m", "local.provider_simulator", "--api-key=key"]
START_AND_WAIT = f"import subprocess, time; subprocess.Popen({[*COMMAND, '--stop-with-parent']!r}); time.sleep(60)"


@contextmanager
def started(*command: str) -> Iterator[subprocess.Popen[str]]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(
        command, cwd=ROOT, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def ready_line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline()


def test_it_stops_with_its_block_even_if_that_fails() -> None:
    def fail_while_it_runs() -> None:
        with running_simulator() as running:
            stopped.append(running.process)
            assert running.client.summary()["submissions"] == 0
            raise LookupError

    stopped: list[subprocess.Popen[str]] = []
    with pytest.raises(LookupError):
        fail_while_it_runs()

    assert stopped[0].returncode == 0


def test_a_simulator_that_cannot_start_is_reported() -> None:
    with pytest.raises(RuntimeError, match="did not start"), running_simulator(port=70_000):
        pass


@pytest.mark.parametrize("wanted", [signal.SIGTERM, signal.SIGINT])
def test_it_prints_where_it_listens_and_stops_cleanly_on_a_signal(wanted: signal.Signals) -> None:
    with started(*COMMAND) as process:
        line = ready_line(process)
        base_url = line.removeprefix("provider simulator listening on ").strip()
        answered = requests.get(f"{base_url}/simulator/summary", timeout=5).status_code

        process.send_signal(wanted)

        assert base_url.startswith("http://127.0.0.1:")
        assert answered == 200
        assert process.wait(5) == 0


def test_an_open_silence_does_not_hold_up_the_stop() -> None:
    with running_simulator(api_key="key") as running:
        running.client.set_faults([{"on": "poll", "do": {"kind": "silence", "seconds": 60}}])
        address = urlsplit(running.base_url)
        with socket.create_connection((address.hostname, address.port), timeout=5) as connection:
            connection.sendall(b"GET /v1/videos/generations/x HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer key\r\n\r\n")
            while running.client.summary()["polls"] != {"x": 1}:
                time.sleep(0.02)

            running.process.send_signal(signal.SIGTERM)

            assert running.process.wait(5) == 0
            assert connection.recv(1024) == b""


def test_it_stops_when_standard_input_ends() -> None:
    with started(*COMMAND, "--stop-with-parent") as process:
        ready_line(process)
        assert process.stdin is not None

        process.stdin.close()

        assert process.wait(5) == 0


def test_it_stops_when_its_parent_dies() -> None:
    with started(sys.executable, "-c", START_AND_WAIT) as parent:
        ready_line(parent)
        assert parent.stdout is not None

        parent.kill()

        # The simulator holds the other end of this pipe: it ends when the simulator does.
        ended, _, _ = select.select([parent.stdout], [], [], 5)
        assert ended
        assert parent.stdout.read() == ""


@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.1.1", "::", "8.8.8.8", "example.com"])
def test_any_address_but_loopback_is_refused(host: str) -> None:
    with pytest.raises(ValueError, match=host):
        loopback_socket(host, 0)


def test_a_wrong_host_ends_the_command_with_a_plain_message(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--api-key=key", "--host=0.0.0.0"])

    assert ended.value.code == 2
    assert "0.0.0.0 is not a loopback address" in capsys.readouterr().err
