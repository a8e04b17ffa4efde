"""One simulator and one image host for the whole folder; each test begins with an empty ledger and no faults."""

from collections.abc import Iterator
from typing import Any

import pytest
import requests

from local.provider_simulator.process import RunningSimulator, running_simulator

from .image_host import ImageHost, image_host
from .pictures import encoded, textured_picture
from .provider_caller import KEY, ProviderCaller


@pytest.fixture(scope="session")
def only_simulator() -> Iterator[RunningSimulator]:
    with running_simulator(api_key=KEY, created_seconds=0, processing_seconds=0, seed=7) as running:
        yield running


@pytest.fixture
def simulator(only_simulator: RunningSimulator) -> RunningSimulator:
    only_simulator.client.reset()
    only_simulator.client.set_pace(created_seconds=0, processing_seconds=0, result_url_seconds=3600)
    return only_simulator


@pytest.fixture(scope="session")
def images() -> Iterator[ImageHost]:
    with image_host() as host:
        yield host


@pytest.fixture(scope="session")
def image_url(images: ImageHost) -> str:
    return images.host("garden.jpg", encoded(textured_picture(640, 480)))


@pytest.fixture
def provider(simulator: RunningSimulator, image_url: str) -> Iterator[ProviderCaller]:
    with requests.Session() as session:
        yield ProviderCaller(simulator.base_url, session, image_url)


@pytest.fixture
def finished(provider: ProviderCaller) -> dict[str, Any]:
    """A completed generation, as the poll that found it so answered."""
    return provider.wait_until_ended(provider.submit().json()["id"])
