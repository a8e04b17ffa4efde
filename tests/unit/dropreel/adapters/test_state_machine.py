"""How an execution is started, and what is said of one."""

from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from botocore.stub import Stubber

from dropreel.adapters.state_machine import StateMachine, status_of
from dropreel.domain.job import execution_name
from tests.support.moto_account import moto_account
from tests.support.sample_jobs import NOON, job_with

ARN = "arn:aws:states:us-east-1:123456789012:stateMachine:dropreel"
EXECUTION = "arn:aws:states:us-east-1:123456789012:execution:dropreel:0123456789abcdef01234567-1"
STARTED = {"executionArn": EXECUTION, "startDate": NOON}


@pytest.fixture
def states() -> Iterator[Any]:
    client = boto3.client("stepfunctions", "us-east-1", aws_access_key_id="test", aws_secret_access_key="test")
    with Stubber(client) as stubber:
        yield stubber
        stubber.assert_no_pending_responses()


def started_with(name: str, body: str) -> dict[str, Any]:
    return {"stateMachineArn": ARN, "name": name, "input": body}


# --- starting --------------------------------------------------------------------------------------------------------


def test_an_execution_is_named_by_the_attempt_and_carries_ids_only(states: Any):
    expected = started_with(
        "0123456789abcdef01234567-1",
        '{"job_id": "0123456789abcdef01234567", "attempt": 1, "generation_id": "gen_1"}',
    )
    states.add_response("start_execution", STARTED, expected)

    StateMachine(states.client, ARN).start(job_with())


def test_an_execution_of_a_resumed_job_has_another_name(states: Any):
    expected = started_with(
        "0123456789abcdef01234567-3-2",
        '{"job_id": "0123456789abcdef01234567", "attempt": 3, "generation_id": "gen_1"}',
    )
    states.add_response("start_execution", STARTED, expected)

    StateMachine(states.client, ARN).start(job_with(attempt=3, resumes=2))


@pytest.mark.parametrize("own", [None, "gen_1"])
def test_a_generation_that_is_given_is_polled(states: Any, own):
    """It was accepted, and the job table could not be written."""
    expected = started_with(
        "0123456789abcdef01234567-1",
        '{"job_id": "0123456789abcdef01234567", "attempt": 1, "generation_id": "gen_9"}',
    )
    states.add_response("start_execution", STARTED, expected)

    StateMachine(states.client, ARN).start(job_with(generation_id=own), "gen_9")


def test_an_execution_that_was_started_before_is_a_success(states: Any):
    states.add_client_error("start_execution", "ExecutionAlreadyExists")

    StateMachine(states.client, ARN).start(job_with())


@pytest.mark.parametrize(
    "code",
    [
        "ExecutionLimitExceeded",
        "StateMachineDoesNotExist",
        "StateMachineDeleting",
        "InvalidName",
        "InvalidArn",
        "InvalidExecutionInput",
        "KmsThrottlingException",
        "ThrottlingException",
        "AccessDeniedException",
        "InternalFailure",
    ],
)
def test_whatever_else_prevents_a_start_is_raised(states: Any, code):
    states.add_client_error("start_execution", code)

    with pytest.raises(ClientError, match=code):
        StateMachine(states.client, ARN).start(job_with())


# --- its status ------------------------------------------------------------------------------------------------------


def described(status: str) -> dict[str, Any]:
    return {**STARTED, "stateMachineArn": ARN, "status": status}


@pytest.mark.parametrize("status", ["RUNNING", "SUCCEEDED", "FAILED", "TIMED_OUT", "ABORTED", "PENDING_REDRIVE"])
def test_an_executions_status_is_what_step_functions_says(states: Any, status):
    for _ in range(2):
        states.add_response("describe_execution", described(status), {"executionArn": EXECUTION})

    assert StateMachine(states.client, ARN).status_of(job_with()) == status
    assert status_of(states.client, EXECUTION) == status


def test_the_status_of_a_resumed_job_is_its_newest_executions(states: Any):
    arn = EXECUTION.removesuffix("-1") + "-3-2"
    states.add_response("describe_execution", described("RUNNING"), {"executionArn": arn})

    assert StateMachine(states.client, ARN).status_of(job_with(attempt=3, resumes=2)) == "RUNNING"


def test_an_execution_that_was_never_started_has_no_status(states: Any):
    states.add_client_error("describe_execution", "ExecutionDoesNotExist")

    assert StateMachine(states.client, ARN).status_of(job_with()) is None


@pytest.mark.parametrize("code", ["InvalidArn", "ThrottlingException", "AccessDeniedException", "InternalFailure"])
def test_a_fault_is_no_status(states: Any, code):
    """Taken for a missing execution, it would be started or reported while it runs."""
    states.add_client_error("describe_execution", code)

    with pytest.raises(ClientError, match=code):
        StateMachine(states.client, ARN).status_of(job_with())


# --- both ------------------------------------------------------------------------------------------------------------


def test_what_was_started_runs_once_and_is_found_by_its_job():
    definition = '{"StartAt": "Wait", "States": {"Wait": {"Type": "Wait", "Seconds": 60, "End": true}}}'
    with moto_account():
        client = boto3.client("stepfunctions")
        role = "arn:aws:iam::123456789012:role/states"
        arn = client.create_state_machine(name="dropreel", definition=definition, roleArn=role)["stateMachineArn"]
        machine, job = StateMachine(client, arn), job_with()
        before = machine.status_of(job)

        for _ in range(2):
            machine.start(job)

        executions = client.list_executions(stateMachineArn=arn)["executions"]
        assert before is None
        assert [execution["name"] for execution in executions] == [execution_name(job)]
        assert machine.status_of(job) == "RUNNING"
        assert machine.status_of(job_with(attempt=2)) is None
