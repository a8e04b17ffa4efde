"""moto in this process, and worlds on it."""

from collections.abc import Callable, Iterator

import boto3
import pytest
from moto import mock_aws

from tests.faults.world import World, play_services

SETTINGS = {
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",
    "VIDEOS_BUCKET_NAME": "videos",
    "IMAGE_BUCKET_NAMES": "uploads",
    "EVENT_BUS_NAME": "default",
    "QUEUE_URL": "https://sqs.us-east-1.amazonaws.com/123456789012/submissions",
    "STATE_MACHINE_ARN": "arn:aws:states:us-east-1:123456789012:stateMachine:generate-video",
    "API_BASE_URL": "https://provider.example",
    "GENERATION_TIMEOUT_MINUTES": "60",
    "MAX_VIDEO_BYTES": "1000000",
    "MAX_ATTEMPTS": "2",
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


@pytest.fixture
def new_world(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., World]]:
    """Return a maker of worlds: `new_world(script, plan, limit, seed)`. The newest one is the one that runs."""
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    for name, value in SETTINGS.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("tests.integration.conftest.TABLES", _AnyTable())
    with mock_aws():
        monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)
        for bucket in ("uploads", "videos"):
            boto3.client("s3").create_bucket(Bucket=bucket)
            boto3.client("s3").put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
        worlds: list[World] = []
        play_services(monkeypatch, lambda: worlds[-1] if worlds else None)

        def make(
            script: list[str], plan: dict[int, str] | None = None, limit: str = "50", seed: int | None = None
        ) -> World:
            worlds.append(World(monkeypatch, script, plan or {}, limit, seed))
            return worlds[-1]

        yield make
        worlds[-1].forget_processes()


class _AnyTable(dict[str, str]):
    """Tables of many worlds: `jobs-7` is made like `jobs`."""

    def __missing__(self, name: str) -> str:
        return {"jobs": "JobsTable", "spend": "SpendTable"}[name.partition("-")[0]]
