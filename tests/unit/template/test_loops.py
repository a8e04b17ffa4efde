"""Lambda ends a chain in which a function comes round about 16 times, and may do so only where that is a fault."""

from typing import Any

import pytest

from tests.unit.template.resolved import as_list, refused, resources, statements, translated

FUNCTIONS = ("SubmitGeneration", "CheckStatus", "DeliverVideo", "ReportFailure", "SweepJobs")
HOPS = 16  # Lambda ends a chain after about so many invocations of one function


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


@pytest.mark.parametrize("function", FUNCTIONS)
def test_who_sends_to_the_queue_that_calls_it_may_do_so_for_ever_and_nobody_else(function):
    comes_round = bool(queues_that_call(function) & queues_it_sends_to(function))

    assert loop_setting(function) == ("Allow" if comes_round else "Terminate")


def test_submit_generation_sends_to_the_queue_that_calls_it():
    assert queues_that_call("SubmitGeneration") == {"SubmissionQueue.Arn"}
    assert "SubmissionQueue.Arn" in queues_it_sends_to("SubmitGeneration")


def test_sam_hands_the_setting_on():
    assert translated()["Resources"]["SubmitGenerationFunction"]["Properties"]["RecursiveLoop"] == "Allow"


def test_an_attempt_comes_round_less_often_than_lambda_counts():
    """ReportFailure sends a job back once an attempt. Were the state machine's starts counted, it would still be left alone."""
    assert "MaxAttempts" in refused(MaxAttempts=str(HOPS))
