"""Lambda stops a recursive loop after about 16 invocations; a function that requeues its jobs must allow the loop."""

from typing import Any

import pytest

from tests.unit.template.resolved import as_list, refused, resources, statements, translated

FUNCTIONS = sorted(
    name.removesuffix("Function") for name, one in resources().items() if one["Type"] == "AWS::Serverless::Function"
)
HOPS = 16  # Lambda stops a loop after about so many invocations of one function


def queues_that_call(function: str) -> set[str]:
    """Return the queues whose messages invoke a function."""
    events = resources()[f"{function}Function"]["Properties"].get("Events", {})
    return {one["Properties"]["Queue"] for one in events.values() if one["Type"] == "SQS"}


def queues_it_sends_to(function: str) -> set[str]:
    return {
        resource
        for one in statements(function)
        if "sqs:SendMessage" in as_list(one["Action"])
        for resource in as_list(one["Resource"])
    }


def loop_setting(function: str) -> Any:
    return resources()[f"{function}Function"]["Properties"].get("RecursiveLoop", "Terminate")


def called_through_queues(function: str) -> set[str]:
    """Return the functions that a function's messages invoke, and those that theirs do."""
    found: set[str] = set()
    senders = [function]
    while senders:
        queues = queues_it_sends_to(senders.pop())
        new = {one for one in FUNCTIONS if queues_that_call(one) & queues} - found
        found |= new
        senders += new
    return found


@pytest.mark.parametrize("function", FUNCTIONS)
def test_only_functions_that_their_own_messages_call_allow_recursion(function):
    is_loop = function in called_through_queues(function)

    assert loop_setting(function) == ("Allow" if is_loop else "Terminate")


def test_prepare_image_and_submit_generation_call_each_other():
    assert called_through_queues("PrepareImage") == {"PrepareImage", "SubmitGeneration"}
    assert queues_that_call("PrepareImage") == {"PrepareQueue.Arn"}


def test_submit_generation_sends_to_the_queue_that_calls_it():
    assert queues_that_call("SubmitGeneration") == {"SubmissionQueue.Arn"}
    assert "SubmissionQueue.Arn" in queues_it_sends_to("SubmitGeneration")


@pytest.mark.parametrize("function", ["SubmitGeneration", "PrepareImage"])
def test_sam_passes_the_setting_to_cloudformation(function):
    assert translated()["Resources"][f"{function}Function"]["Properties"]["RecursiveLoop"] == "Allow"


def test_the_most_attempts_stay_below_lambdas_loop_limit():
    """ReportFailure requeues a job once an attempt. Even if starts of the state machine count, the limit is not reached."""
    assert "MaxAttempts" in refused(MaxAttempts=str(HOPS))
