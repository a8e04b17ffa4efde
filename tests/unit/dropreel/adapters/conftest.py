"""Short time-outs for downloads, and a server at a public address."""

import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from dropreel.adapters import video_source
from tests.support.certificates import authority_file, server_context
from tests.support.scripted_server import ScriptedServer, scripted_server


@pytest.fixture
def _short_timeouts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(video_source, "DOWNLOAD_TIMEOUT", (2, 0.2))


@pytest.fixture
def _short_deadline(monkeypatch: pytest.MonkeyPatch, _short_timeouts: None) -> None:
    """The deadline comes at once, while a read may take long."""
    monkeypatch.setattr(video_source, "DOWNLOAD_SECONDS", 0.1)
    monkeypatch.setattr(video_source, "DOWNLOAD_TIMEOUT", (10, 10))


@pytest.fixture
def cdn(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Callable[[str], ScriptedServer]]:
    """Start a server with a certificate for the given name, which is reached at a public address of cdn.example."""
    resolve = socket.getaddrinfo

    def resolve_cdn(host: str, *args: Any, **kwargs: Any) -> Any:
        if host == "cdn.example":
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("8.8.8.8", 443))]
        return resolve(host, *args, **kwargs)

    monkeypatch.setattr(socket, "getaddrinfo", resolve_cdn)
    monkeypatch.setattr("requests.adapters.DEFAULT_CA_BUNDLE_PATH", authority_file(tmp_path))
    with ExitStack() as stack:

        def start(name: str) -> ScriptedServer:
            running = stack.enter_context(scripted_server(server_context(tmp_path, name)))

            def dial(address: tuple[str, int], timeout: float, **_: Any) -> socket.socket:
                assert address == ("8.8.8.8", 443)
                return socket.create_connection(("127.0.0.1", running.port), timeout)

            monkeypatch.setattr("dropreel.adapters.http.create_connection", dial)
            return running

        yield start
