"""An update from the previous release, in a local cloud of its own, while jobs are running."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from dropreel.domain.job import Charge, Job, JobStatus
from dropreel_cli.stack import Stack
from local.cloud import API_KEY, ROOT, STACK_NAME, LocalCloud, deploy, running_engine
from local.event_tail import event_tail
from local.parameters import local_parameters
from local.provider_simulator.process import running_simulator
from tests.e2e.cloned_checkout import build_release
from tests.e2e.conftest import FRAMES_PER_SECOND, Account
from tests.e2e.webhook_receiver import webhook_receiver
from tests.support.releases import Release, previous_release
from tests.support.stateful_resources import REPLACED_BY
from tests.support.write_released import TARGET, released_resources

pytestmark = pytest.mark.exhaustive
PARAMETERS = {"PollIntervalSeconds": "1", "GenerationTimeoutMinutes": "30"}
CHANGED = {"PollIntervalSeconds": "2", "MaxAttempts": "3"}
"""So that the state machine and functions change, even where a release has just been made."""
WAITS = "deferred by the provider"


@pytest.fixture(autouse=True)
def reset_simulator() -> None:
    """No test of this file needs the cloud that the others share."""


@pytest.fixture(scope="module")
def release() -> Release:
    return previous_release(ROOT)


@contextmanager
def cloud_with(checkout: Path) -> Iterator[Account]:
    """Run a local cloud with the stack of a checkout."""
    with (
        running_engine() as engine,
        running_simulator(
            API_KEY, created_seconds=0, processing_seconds=0, frames_per_second=FRAMES_PER_SECOND
        ) as simulator,
    ):
        deploy(engine, {**local_parameters(simulator.base_url, API_KEY, PARAMETERS), **PARAMETERS}, checkout=checkout)
        stack = Stack.find(STACK_NAME, engine.session(), engine.endpoint_url)
        with event_tail(stack) as tail, webhook_receiver() as webhooks:
            yield Account(LocalCloud(engine, simulator, stack), tail, webhooks)


def stateful_names(account: Account) -> dict[str, str]:
    """Return the physical names of the resources with data."""
    listed = account.client("cloudformation").describe_stack_resources(StackName=account.stack.name)["StackResources"]
    return {one["LogicalResourceId"]: one["PhysicalResourceId"] for one in listed if one["ResourceType"] in REPLACED_BY}


def processing(generation_id: str) -> list[dict[str, Any]]:
    """Return the rule by which the provider says of a generation that it is not done."""
    body = {"id": generation_id, "model": "nohuman-x33", "status": "processing"}
    return [{"on": "poll", "when": {"generation_id": generation_id}, "do": {"kind": "answer", "body": body}}]


def busy(seconds: int) -> list[dict[str, Any]]:
    """Return the rule by which the provider does not take a submission yet."""
    answer = {"kind": "status", "status": 429, "headers": {"Retry-After": str(seconds)}}
    return [{"on": "submit", "when": {"prompt_contains": WAITS}, "times": 1, "do": answer}]


def polls(account: Account, job: Job) -> int:
    return int(account.simulator.summary()["polls"].get(job.generation_id, 0))


def wait_for_polls(account: Account, job: Job, number: int) -> None:
    end = time.monotonic() + 30
    while polls(account, job) < number:
        assert time.monotonic() < end, f"no {number} polls of {job}"
        time.sleep(0.1)


def test_an_update_keeps_running_and_waiting_jobs_and_pays_each_once(release: Release, tmp_path: Path) -> None:
    checkout = build_release(release, tmp_path)
    with cloud_with(checkout) as account:
        # Given a job that is polled, and one whose message waits in the queue, of the previous release
        before = stateful_names(account)
        assert account.stack.outputs["Version"] == release.version
        account.simulator.set_faults([{"on": "poll", "do": {"kind": "status", "status": 503}}])  # until its id is known
        running, waiting, later = (account.new_key(name) for name in ("running.jpg", "waiting.jpg", "later.jpg"))
        account.put(running)
        job = account.job_when(running, lambda job: job.generation_id is not None)
        assert job.generation_id is not None
        account.simulator.set_faults([*processing(job.generation_id), *busy(20)])
        account.put(waiting, metadata={"prompt": WAITS})
        account.job_when(waiting, lambda job: job.status is JobStatus.DEFERRED and job.requeues > 0)
        wait_for_polls(account, job, 2)

        # When the stack is updated to the checkout
        deploy(account.cloud.engine, {"NohumanApiKey": API_KEY, **PARAMETERS, **CHANGED})
        stack = Stack.find(STACK_NAME, account.stack.session, account.stack.endpoint_url)
        assert (stack.status, stack.outputs["Version"] == release.version) == ("UPDATE_COMPLETE", False)
        assert [one.status for one in account.jobs_of(running)] == [JobStatus.GENERATING]
        wait_for_polls(account, job, polls(account, job) + 2)
        account.simulator.clear_faults()
        account.put(later)

        # Then each video arrives, and each was paid once
        ended = {key: account.ended(key, 120) for key in (running, waiting, later)}
        for key, one in ended.items():
            assert one.status is JobStatus.COMPLETED, (key, one)
            assert (one.charge, one.attempt) == (Charge.CHARGED, 1)
            assert one.video is not None
            account.client("s3").head_object(Bucket=account.videos, Key=one.video.key)
            account.tail.wait_for(key, "Video Generation Completed")
        paid = [account.submitted(key) for key in ended]
        assert [[one["paid"] for one in each] for each in paid] == [[True], [False, True], [True]]
        assert stateful_names(account).items() >= before.items()
        assert reserved_cents(account) == account.simulator.summary()["price_cents"] == 3 * 47


def reserved_cents(account: Account) -> int:
    """Return what the spend table has for all days: a run may pass midnight."""
    items = account.client("dynamodb").scan(TableName=account.stack.outputs["SpendTableName"])["Items"]
    return sum(int(one["reserved_cents"]["N"]) for one in items)


def test_the_file_of_released_resources_is_that_of_the_previous_release(release: Release) -> None:
    """To renew it after a release: `python -m tests.support.write_released`."""
    assert json.loads(TARGET.read_text(encoding="utf-8")) == released_resources(release)
