"""Executions are started once, and only one answer of Step Functions means that this was so."""

import json
from collections.abc import Iterator

import boto3
import pytest
from botocore.exceptions import ClientError
from botocore.stub import Stubber

from dropreel.adapters.state_machine import StateMachine, status_of
from tests.unit.dropreel.sample_jobs import NOON, job_with

ARN = "arn:aws:states:us-east-1:123456789012:stateMachine:generate-video"
EXECUTION = "arn:aws:states:us-east-1:123456789012:execution:generate-video"


@pytest.fixture
def states() -> Iterator[Stubber]:
    client = boto3.client("stepfunctions", region_name="us-east-1", aws_access_key_id="t", aws_secret_access_key="t")
    with Stubber(client) as stubber:
        yield stubber
        stubber.assert_no_pending_responses()


def asked(name: str, generation_id: str = "gen_1") -> dict[str, str]:
    told = {"job_id": job_with().job_id, "attempt": 1, "generation_id": generation_id}
    return {"stateMachineArn": ARN, "name": name, "input": json.dumps(told)}


@pytest.mark.parametrize("resumes", [0, 2])
def test_an_execution_is_named_for_the_attempt_and_carries_ids(states: Stubber, resumes):
    name = f"{job_with().job_id}-1" + ("-2" if resumes else "")
    states.add_response("start_execution", {"executionArn": EXECUTION, "startDate": NOON}, asked(name))

    StateMachine(states.client, ARN).start(job_with(resumes=resumes))


def test_an_id_that_the_job_does_not_have_yet_is_carried(states: Stubber):
    name = f"{job_with().job_id}-1"
    states.add_response("start_execution", {"executionArn": EXECUTION, "startDate": NOON}, asked(name, "gen_9"))

    StateMachine(states.client, ARN).start(job_with(generation_id=None), "gen_9")


def test_an_execution_that_was_started_before_is_enough(states: Stubber):
    states.add_client_error("start_execution", "ExecutionAlreadyExists")

    StateMachine(states.client, ARN).start(job_with())


@pytest.mark.parametrize("code", ["ThrottlingException", "StateMachineDoesNotExist", "AccessDeniedException", "Any"])
def test_any_other_error_of_a_start_is_raised(states: Stubber, code):
    states.add_client_error("start_execution", code)

    with pytest.raises(ClientError):
        StateMachine(states.client, ARN).start(job_with())


@pytest.mark.parametrize("status", ["RUNNING", "PENDING_REDRIVE", "ABORTED"])
def test_the_status_of_a_jobs_execution_is_asked_by_its_name(states: Stubber, status):
    arn = f"{EXECUTION}:{job_with().job_id}-1"
    answer = {"executionArn": arn, "stateMachineArn": ARN, "status": status, "startDate": NOON}
    states.add_response("describe_execution", answer, {"executionArn": arn})

    assert StateMachine(states.client, ARN).status_of(job_with()) == status


def test_an_execution_that_was_never_started_has_no_status(states: Stubber):
    states.add_client_error("describe_execution", "ExecutionDoesNotExist")

    assert status_of(states.client, EXECUTION) is None


def test_any_other_error_of_a_status_is_raised(states: Stubber):
    states.add_client_error("describe_execution", "ThrottlingException")

    with pytest.raises(ClientError):
        status_of(states.client, EXECUTION)
