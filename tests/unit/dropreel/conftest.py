from collections.abc import Iterator

import pytest

from tests.unit.dropreel.scripted_server import ScriptedServer, scripted_server
from tests.unit.dropreel.world import World


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    with scripted_server() as running:
        yield running


@pytest.fixture
def world() -> World:
    return World()
