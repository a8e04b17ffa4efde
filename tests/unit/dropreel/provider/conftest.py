"""Short time-outs for the provider's client, and servers that speak https."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from dropreel.provider import client
from tests.support.certificates import authority_file, server_context
from tests.support.provider_calls import long_timeouts
from tests.support.scripted_server import ScriptedServer, scripted_server


@pytest.fixture(autouse=True)
def _short_timeouts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "SUBMIT_TIMEOUT", (2, 0.2))
    monkeypatch.setattr(client, "POLL_TIMEOUT", (2, 0.2))


@pytest.fixture
def _short_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    """The deadline comes at once, while a read may take long."""
    monkeypatch.setattr(client, "SUBMIT_SECONDS", 0.1)
    monkeypatch.setattr(client, "POLL_SECONDS", 0.1)
    long_timeouts(monkeypatch)


@pytest.fixture
def https(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Callable[[str], ScriptedServer]]:
    """Start a server with a certificate for the given name, which is reached as localhost."""
    monkeypatch.setattr("requests.adapters.DEFAULT_CA_BUNDLE_PATH", authority_file(tmp_path))
    with ExitStack() as stack:
        yield lambda name: stack.enter_context(scripted_server(server_context(tmp_path, name)))
