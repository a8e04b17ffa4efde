"""A roll back to the previous release, pasted from docs/operations.md, while jobs run and wait. And one of a rehearsal."""

import json
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from dropreel.adapters.job_table import JobTable
from dropreel.domain.days import day_of, spend_day
from dropreel.domain.job import Charge, Job, JobStatus, requeue
from dropreel.domain.messages import retry_message_of
from dropreel_cli.operations import now
from dropreel_cli.stack import Stack
from local.cloud import API_KEY, ROOT, LocalCloud, deploy, running_engine
from local.event_tail import event_tail
from local.parameters import local_parameters
from local.provider_simulator.process import running_simulator
from tests.e2e.cloned_checkout import Clone, build_release, clone_checkout
from tests.e2e.conftest import FRAMES_PER_SECOND, Account
from tests.e2e.test_first_deployment import shell_functions
from tests.e2e.test_update import processing, reserved_cents, stateful_names, wait_for_polls
from tests.e2e.webhook_receiver import webhook_receiver
from tests.support.releases import Release, previous_release

pytestmark = pytest.mark.exhaustive
PAGE = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
STACK, REHEARSING = "dropreel", "rehearsing"
PARAMETERS = {"PollIntervalSeconds": "1", "GenerationTimeoutMinutes": "30", "DailySpendLimitUsd": "1"}
"""The limit holds two videos of $0.47 each."""
YES = {"Deploy this changeset?": ["y"]}


@dataclass
class Cloud:
    """A local cloud of its own, with the stack of this checkout, which was updated from the previous release."""

    account: Account
    clone: Clone
    release: Release
    build: Path

    def roll_back(self) -> None:
        """Paste what the page says for a release, which is the previous one."""
        (block,) = re.findall(r"^```sh\n(git fetch --tags .*?)^```", PAGE, re.MULTILINE | re.DOTALL)
        given = re.sub(r"v\d+\.\d+\.\d+", f"v{self.release.version}", block)
        self.clone.use_build(self.build)
        self.deploy(given)

    def update(self, variables: str = "") -> None:
        """Deploy this checkout's version again."""
        self.clone.use_build(ROOT / ".aws-sam" / "local" / "build")
        self.deploy(f"git checkout newest && make deploy {variables}")

    def deploy(self, command: str) -> None:
        status, screen = self.clone.paste(command, YES)
        assert status == 0, screen[-4000:]
        assert " is deployed." in screen

    def version(self) -> str:
        """Return what `name Version` prints, pasted as the page says."""
        status, screen = self.clone.paste("name Version", {}, shell_functions(self.account))
        assert status == 0, screen[-4000:]
        return screen.strip()


@pytest.fixture(autouse=True)
def reset_simulator() -> None:
    """No test of this file needs the cloud that the others share."""


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    release, folder = previous_release(ROOT), tmp_path_factory.mktemp("roll-back")
    checkout = build_release(release, folder)
    with (
        running_engine() as engine,
        running_simulator(
            API_KEY, created_seconds=0, processing_seconds=0, frames_per_second=FRAMES_PER_SECOND
        ) as simulator,
    ):
        deploy(engine, {**local_parameters(simulator.base_url, API_KEY, {}), **PARAMETERS}, STACK, checkout)
        clone = clone_checkout(folder / "clone", engine, release)
        stack = Stack.find(STACK, engine.session(), engine.endpoint_url)
        with event_tail(stack) as tail, webhook_receiver() as webhooks:
            account = Account(LocalCloud(engine, simulator, stack), tail, webhooks)
            found = Cloud(account, clone, release, checkout / ".aws-sam" / "local" / "build")
            found.update()
            yield found


def sweep(account: Account) -> None:
    answer = account.client("lambda").invoke(FunctionName=account.physical("SweepJobsFunction"), Payload=b"{}")
    assert "FunctionError" not in answer, answer["Payload"].read()


def waits(account: Account, key: str, status: JobStatus) -> Job:
    return account.job_when(key, lambda job: job.status is status and not job.pending_events)


def test_a_roll_back_in_the_middle_of_a_poll_keeps_every_job(cloud: Cloud) -> None:
    # Given, of this version, a video that is delivered, a job that is polled, and one that the day's limit holds
    account = cloud.account
    delivered, running, held = (account.new_key(f"{name}.jpg") for name in ("delivered", "running", "held"))
    account.put(delivered)
    assert account.ended(delivered).status is JobStatus.COMPLETED
    account.simulator.set_faults([{"on": "poll", "do": {"kind": "status", "status": 503}}])  # until its id is known
    account.put(running)
    job = account.job_when(running, lambda job: job.generation_id is not None)
    assert job.generation_id is not None
    account.simulator.set_faults(processing(job.generation_id))
    account.put(held)
    waits(account, held, JobStatus.HELD)
    wait_for_polls(account, job, 2)
    before, newest = stateful_names(account), cloud.version()
    assert newest != cloud.release.version

    # When the previous release is deployed, as the page says
    cloud.roll_back()

    # Then it is there, the job is polled on and delivered, and the other one is still held
    assert cloud.version() == cloud.release.version
    polled = account.jobs_of(running)[0].polls
    account.job_when(running, lambda job: job.polls > polled + 1)
    account.simulator.clear_faults()
    assert account.ended(running).status is JobStatus.COMPLETED
    sweep(account)
    assert waits(account, held, JobStatus.HELD).charge is Charge.NONE
    assert stateful_names(account).items() >= before.items()
    assert reserved_cents(account) == account.simulator.summary()["price_cents"] == 2 * 47

    # And it can be updated again: the held job continues, and each was paid once
    cloud.update("DAILY_SPEND_LIMIT_USD=80")
    assert cloud.version() == newest
    sweep(account)
    for key in (delivered, running, held):
        ended = account.ended(key)
        assert (ended.status, ended.charge, ended.attempt) == (JobStatus.COMPLETED, Charge.CHARGED, 1)
        assert ended.video is not None
        account.client("s3").head_object(Bucket=account.videos, Key=ended.video.key)
        assert [one["paid"] for one in account.submitted(key)] == [True]
    assert reserved_cents(account) == account.simulator.summary()["price_cents"] == 3 * 47


def test_a_rehearsal_that_waits_is_not_paid_after_a_roll_back(cloud: Cloud) -> None:
    # Given a stack that rehearses, with one job that is held and one whose message waits
    engine, simulator = cloud.account.cloud.engine, cloud.account.cloud.simulator
    given = {**PARAMETERS, "Rehearsal": "true", "DailySpendLimitUsd": "0.5"}
    deploy(engine, {**local_parameters(simulator.base_url, "", given), **given}, REHEARSING)
    stack = Stack.find(REHEARSING, engine.session(), engine.endpoint_url)
    account = Account(replace(cloud.account.cloud, stack=stack), cloud.account.tail, cloud.account.webhooks)
    held, deferred = (account.new_key(f"{name}.jpg") for name in ("held", "deferred"))
    full = {"day": {"S": spend_day(day_of(now()), is_rehearsal=True)}, "reserved_cents": {"N": "50"}}
    account.client("dynamodb").put_item(TableName=account.stack.outputs["SpendTableName"], Item=full)
    for key in (held, deferred):
        account.put(key)
        waits(account, key, JobStatus.HELD)
    jobs = JobTable(account.client("dynamodb"), account.stack.outputs["JobsTableName"])
    waiting = account.jobs_of(deferred)[0]
    saved = jobs.save(waiting, requeue(waiting, now()))
    assert saved is not None

    # When the previous release is deployed with a real key and room for the day, and sweeps and gets the message
    real = {"NohumanApiKey": API_KEY, "DailySpendLimitUsd": "unlimited"}
    deploy(engine, real, REHEARSING, cloud.build.parents[2])
    message = json.dumps(retry_message_of(saved).as_json())
    send = account.client("sqs").send_message
    send(QueueUrl=account.stack.outputs["QueueUrl"], MessageBody=message)
    sweep(account)
    logs, group = account.client("logs"), account.physical("SubmitGenerationLogGroup")
    end = time.monotonic() + 30
    while "'rehearsal-none' is not a valid Charge" not in str(logs.filter_log_events(logGroupName=group)["events"]):
        assert time.monotonic() < end
        time.sleep(0.2)

    # Then nothing was submitted
    paid = [account.submitted(key) for key in (held, deferred)]
    assert paid == [[], []]
    assert [account.jobs_of(key)[0].status for key in (held, deferred)] == [JobStatus.HELD, JobStatus.DEFERRED]

    # And after an update both end as rehearsals
    deploy(engine, {**given, "NohumanApiKey": "rehearsal", "DailySpendLimitUsd": "80"}, REHEARSING)
    sweep(account)
    send(QueueUrl=account.stack.outputs["QueueUrl"], MessageBody=message)
    for key in (held, deferred):
        ended = account.ended(key, 120)
        assert (ended.status, ended.rehearsal) == (JobStatus.COMPLETED, True)
        assert account.submitted(key) == []
