"""What a service does in a role's name, or on a queue, fails without its permission, and continues once it is back."""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from dropreel.domain.job import JobStatus
from tests.e2e.conftest import Account
from tests.e2e.roles import policies, without
from tests.e2e.test_permissions import LOGS, MESSAGES, OF_SERVICES
from tests.support.pictures import jpeg

STILL_SECONDS = 2.0
"""How long a test looks whether something happens that must not: several times longer than it takes where it may."""


def logged(account: Account, role: str) -> int:
    """Return how many log streams a function has; the local engine makes one for each invocation."""
    pages = account.client("logs").get_paginator("describe_log_streams")
    found = pages.paginate(logGroupName=account.physical(f"{role}LogGroup"))
    return sum(len(page["logStreams"]) for page in found)


def invoke(account: Account, role: str, kind: str = "RequestResponse") -> None:
    account.client("lambda").invoke(
        FunctionName=account.physical(f"{role}Function"), InvocationType=kind, Payload=b'{"Records": []}'
    )


@pytest.mark.exhaustive
@pytest.mark.parametrize("action", LOGS)
@pytest.mark.parametrize("role", [role for role in OF_SERVICES if role != "GenerateVideo"])
def test_without_a_permission_for_logs_nothing_is_logged(account: Account, role: str, action: str) -> None:
    with without(account, role, action, 0):
        before = logged(account, role)
        invoke(account, role)
        assert logged(account, role) == before

    invoke(account, role)
    assert logged(account, role) > before


@pytest.mark.exhaustive
@pytest.mark.parametrize("action", MESSAGES)
def test_without_a_permission_for_messages_nothing_is_submitted(account: Account, action: str) -> None:
    key = account.new_key()
    with without(account, "SubmitGeneration", action, 0):
        time.sleep(1)  # the engine caches the permission for a moment
        account.put(key)
        time.sleep(STILL_SECONDS)
        assert account.jobs_of(key) == []

    assert account.ended(key).status is JobStatus.COMPLETED


@pytest.mark.exhaustive
@pytest.mark.parametrize("action", MESSAGES)
def test_without_a_permission_for_messages_nothing_is_prepared(account: Account, action: str) -> None:
    key = account.new_key()
    with without(account, "PrepareImage", action, 0):
        time.sleep(1)
        account.put(key, jpeg(6))
        account.job_when(key, lambda job: job.status is JobStatus.PREPARING)
        time.sleep(STILL_SECONDS)
        assert account.jobs_of(key)[0].status is JobStatus.PREPARING

    assert account.ended(key).status is JobStatus.COMPLETED


@contextmanager
def without_function(account: Account, step: str) -> Iterator[None]:
    """Take a function out of what the state machine may invoke, until the block ends."""
    iam, role = account.client("iam"), account.physical("GenerateVideoRole")
    ((policy, document),) = policies(account, "GenerateVideo").items()
    before = json.dumps(document)
    (statement,) = (one for one in document["Statement"] if one["Sid"] == "InvokeFunctions")
    name = account.physical(f"{step}Function")
    statement["Resource"] = [one for one in statement["Resource"] if not one.endswith(f":{name}")]
    assert len(statement["Resource"]) == 2
    iam.put_role_policy(RoleName=role, PolicyName=policy, PolicyDocument=json.dumps(document))
    try:
        yield
    finally:
        iam.put_role_policy(RoleName=role, PolicyName=policy, PolicyDocument=before)


@pytest.mark.exhaustive
@pytest.mark.parametrize(
    ("step", "ends", "fault"),
    [
        ("CheckStatus", JobStatus.COMPLETED, None),
        ("DeliverVideo", JobStatus.COMPLETED, None),
        ("ReportFailure", JobStatus.FAILED, {"on": "submit", "do": {"kind": "fail", "error": "no"}}),
    ],
)
def test_without_a_function_of_its_own_the_state_machine_waits(
    account: Account, step: str, ends: JobStatus, fault: dict[str, Any] | None
) -> None:
    key = account.new_key()
    account.simulator.set_faults([fault] if fault else [])
    with without_function(account, step):
        account.put(key)
        job = account.job_when(key, lambda one: one.status is JobStatus.GENERATING)
        wait_for(lambda: "not authorized to perform: lambda:InvokeFunction" in history(account, job.job_id))
        assert account.jobs_of(key)[0].status is JobStatus.GENERATING

    assert account.ended(key, seconds=90).status is ends


def history(account: Account, job_id: str) -> str:
    execution = account.stack.outputs["StateMachineArn"].replace(":stateMachine:", ":execution:") + f":{job_id}-1"
    found = account.client("stepfunctions").get_execution_history(executionArn=execution, maxResults=1000)
    return str(found["events"])


def wait_for(condition: Callable[[], bool], seconds: float = 30) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it does not become true"
        time.sleep(0.2)


def waiting_in(account: Account, queue: str) -> int:
    attributes = account.client("sqs").get_queue_attributes(
        QueueUrl=account.physical(queue), AttributeNames=["ApproximateNumberOfMessages"]
    )["Attributes"]
    return int(attributes["ApproximateNumberOfMessages"])


@contextmanager
def failing(account: Account, role: str) -> Iterator[None]:
    """Let every invocation of a function fail at its start, until the block ends."""
    client, name = account.client("lambda"), account.physical(f"{role}Function")
    client.update_function_configuration(FunctionName=name, Handler="missing.handler")
    try:
        yield
    finally:
        client.update_function_configuration(FunctionName=name, Handler="handler.handler")


@pytest.mark.exhaustive
@pytest.mark.parametrize(("role", "nth"), [("ReportFailure", 1), ("SweepJobs", 2)])
def test_without_its_permission_a_failed_invocation_is_not_kept(account: Account, role: str, nth: int) -> None:
    with failing(account, role):
        before = waiting_in(account, "FailedInvocationsQueue")
        with without(account, role, "sqs:SendMessage", nth):
            invoke(account, role, "Event")
            time.sleep(3 * STILL_SECONDS)
            assert waiting_in(account, "FailedInvocationsQueue") == before

        invoke(account, role, "Event")
        wait_for(lambda: waiting_in(account, "FailedInvocationsQueue") > before)


@contextmanager
def queues_without_rules(account: Account, *queues: str) -> Iterator[None]:
    """Take from these queues' policies what allows the rules to send, until the block ends."""
    client, before = account.client("sqs"), {}
    for queue in queues:
        url = account.physical(queue)
        before[url] = client.get_queue_attributes(QueueUrl=url, AttributeNames=["Policy"])["Attributes"]["Policy"]
        policy = json.loads(before[url])
        policy["Statement"] = [one for one in policy["Statement"] if one["Effect"] == "Deny"]
        assert policy["Statement"]
        client.set_queue_attributes(QueueUrl=url, Attributes={"Policy": json.dumps(policy)})
    try:
        yield
    finally:
        for url, policy in before.items():
            client.set_queue_attributes(QueueUrl=url, Attributes={"Policy": policy})


@pytest.mark.exhaustive
def test_a_rule_needs_the_policy_of_its_queue_and_of_its_dead_letters(account: Account) -> None:
    key, lost, kept = account.new_key(), account.new_key(), account.new_key()
    before = waiting_in(account, "DeadLetterQueue")
    with queues_without_rules(account, "SubmissionQueue", "DeadLetterQueue"):
        account.put(lost)
        time.sleep(STILL_SECONDS)
    assert waiting_in(account, "DeadLetterQueue") == before
    with queues_without_rules(account, "SubmissionQueue"):
        account.put(kept)
        wait_for(lambda: waiting_in(account, "DeadLetterQueue") > before)
    account.put(key)

    assert account.ended(key).status is JobStatus.COMPLETED
    assert account.jobs_of(lost) == []
