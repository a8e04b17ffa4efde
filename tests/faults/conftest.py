"""Simulations, and moto in this process to compare their tables with."""

from collections.abc import Callable, Iterator

import boto3
import pytest
from moto import mock_aws

from dropreel.domain.prices import DOCUMENTED
from tests.faults.clients import patch_clients
from tests.faults.script import Script
from tests.faults.simulation import Simulation
from tests.integration.conftest import make_table
from tests.support.tables import MotoTables, Tables

SETTINGS = {
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",
    "JOBS_TABLE_NAME": "jobs",
    "SPEND_TABLE_NAME": "spend",
    "VIDEOS_BUCKET_NAME": "videos",
    "IMAGE_BUCKET_NAMES": "uploads",
    "EXISTING_UPLOADS_BUCKET_NAME": "",
    "UPLOADS_PREFIX": "",
    "STACK_NAME": "dropreel",
    "EVENT_BUS_NAME": "default",
    "QUEUE_URL": "https://sqs.us-east-1.amazonaws.com/123456789012/submissions",
    "PREPARE_IMAGES": "when-needed",
    "PRICES_USD": DOCUMENTED.text,
    "PREPARE_QUEUE_URL": "https://sqs.us-east-1.amazonaws.com/123456789012/prepare",
    "PREPARED_BUCKET_NAME": "prepared",
    "DEAD_LETTER_QUEUE_URL": "https://sqs.us-east-1.amazonaws.com/123456789012/dead-letters",
    "STATE_MACHINE_ARN": "arn:aws:states:us-east-1:123456789012:stateMachine:generate-video",
    "API_BASE_URL": "https://provider.example",
    "REHEARSAL": "false",
    "MAX_VIDEO_BYTES": "1000000",
    "MAX_ATTEMPTS": "2",
    "RETRY_CONTENT_REFUSALS": "false",
    "AMBIGUOUS_SUBMIT_POLICY": "park",
    "DEFAULT_PROMPT": "zoom in",
    "DEFAULT_NEGATIVE_PROMPT": "",
    "DEFAULT_MODE": "fast",
    "DEFAULT_DURATION": "5",
    "DEFAULT_ASPECT_RATIO": "auto",
    "DEFAULT_CFG_SCALE": "0.5",
    "DEFAULT_SOUND": "true",
    "POWERTOOLS_LOG_LEVEL": "CRITICAL",
}
NOT_FOUND_ANSWERS = 3
"""404 answers in a row after which a generation is lost in a schedule; in production it takes 60."""


@pytest.fixture
def new_simulation(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Simulation]]:
    """Return a factory of simulations: `new_simulation(script, plan, seed)`. AWS calls go to the newest one."""
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    for name, value in SETTINGS.items():
        monkeypatch.setenv(name, value)
    simulations: list[Simulation] = []
    patches: list[pytest.MonkeyPatch] = []
    patch_clients(monkeypatch, lambda: simulations[0])

    def make(
        script: Script,
        plan: dict[int, str] | None = None,
        seed: int | None = None,
        not_found: int = NOT_FOUND_ANSWERS,
        tables: type[Tables] = Tables,
    ) -> Simulation:
        for patch in patches:
            patch.undo()  # its patches would keep the earlier simulation in memory
        patches[:] = [pytest.MonkeyPatch()]
        simulations[:] = [Simulation(patches[0], script, plan or {}, seed, not_found, tables())]
        return simulations[0]

    yield make
    for simulation in simulations:
        simulation.forget_processes()
    for patch in patches:
        patch.undo()


@pytest.fixture
def moto_tables(monkeypatch: pytest.MonkeyPatch) -> Iterator[type[MotoTables]]:
    """Return tables that each call compares with moto's."""
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    for name, value in SETTINGS.items():
        monkeypatch.setenv(name, value)
    with mock_aws():
        monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)
        for table in ("jobs", "spend"):
            make_table(table)
        yield MotoTables
