"""Several stacks on one bus: one stack takes an upload or request, and each event names its stack."""

import json
from typing import Any

import pytest
from moto.events.models import EventPattern

from dropreel.domain.events import SOURCE
from dropreel.domain.job import EventType
from tests.support.sample_events import load_event, object_created
from tests.unit.template.resolved import ACCOUNT, as_list, resources, statements, variables

EXISTING = {"ExistingUploadsBucketName": "pictures"}
PUBLISHERS = ("SubmitGeneration", "DeliverVideo", "ReportFailure", "SweepJobs")


def rules_for(event: Any, **given: str) -> list[str]:
    """Return the names of the rules that match an event, by moto's EventBridge."""
    patterns = {name: json.dumps(pattern) for name, pattern in patterns_of_rules(**given).items()}
    return [name for name, text in patterns.items() if EventPattern.load(text).matches_event(event)]


def patterns_of_rules(**given: str) -> dict[str, Any]:
    """Return the event pattern of each rule, by the name that the rule has in CloudFormation."""
    found = resources(**given)
    rules = {name: one["Properties"] for name, one in found.items() if one["Type"] == "AWS::Events::Rule"}
    events = {
        f"{name}{event}": rule["Properties"]
        for name, one in found.items()
        if one["Type"] == "AWS::Serverless::Function"
        for event, rule in one["Properties"].get("Events", {}).items()
        if rule["Type"] == "EventBridgeRule"
    }
    return {
        **{name: rule["EventPattern"] for name, rule in rules.items()},
        **{name: rule["Pattern"] for name, rule in events.items()},
    }


def uploaded(bucket: str, key: str = "shop/a.jpg", **changes: Any) -> dict[str, Any]:
    return {**object_created(bucket, key, 1, "etag", "v1", "seq"), "account": ACCOUNT, **changes}


def requested(image: Any, **changes: Any) -> dict[str, Any]:
    return {**load_event("video_generation_requested"), "account": ACCOUNT, "detail": {"image": image}, **changes}


def image_in(bucket: str, key: str = "shop/a.jpg") -> dict[str, str]:
    return {"bucket": bucket, "key": key}


def test_an_upload_into_the_stacks_own_bucket_is_taken_once():
    assert rules_for(uploaded("UploadsBucket"), **EXISTING) == ["ImageUploadedRule"]


def test_an_upload_into_the_existing_bucket_is_taken_once():
    assert rules_for(uploaded("pictures"), **EXISTING) == ["ExistingBucketImageUploadedRule"]


@pytest.mark.parametrize("event", [uploaded("another"), requested(image_in("another"))], ids=["upload", "request"])
def test_events_about_another_stacks_bucket_are_not_taken(event):
    assert rules_for(event, **EXISTING) == []


@pytest.mark.parametrize("event", [uploaded("pictures"), requested(image_in("pictures"))], ids=["upload", "request"])
def test_without_an_existing_bucket_no_event_about_one_is_taken(event):
    assert rules_for(event) == []


@pytest.mark.parametrize("bucket", ["UploadsBucket", "pictures"])
def test_a_request_about_an_image_of_the_stack_is_taken_once(bucket):
    assert rules_for(requested(image_in(bucket)), **EXISTING) == ["VideoRequestedRule"]


@pytest.mark.parametrize("event", [uploaded("UploadsBucket"), requested(image_in("UploadsBucket"))])
def test_events_of_another_account_are_not_taken(event):
    assert rules_for({**event, "account": "999999999999"}) == []


@pytest.mark.parametrize("image", [None, "a.jpg", {}, {"key": "a.jpg"}, {"bucket": 5}, {"bucket": {}}])
def test_a_request_that_names_no_bucket_is_not_taken(image):
    assert rules_for(requested(image)) == []


@pytest.mark.parametrize(
    "image",
    [
        {"bucket": "UploadsBucket"},
        {"bucket": "UploadsBucket", "key": "a.jpg", "color": "red"},
        {"bucket": ["UploadsBucket", 5]},  # EventBridge looks for a value among several
    ],
)
def test_a_faulty_request_for_our_bucket_is_taken_and_answered(image):
    assert rules_for(requested(image)) == ["VideoRequestedRule"]


def test_an_execution_of_another_account_is_not_ours():
    detail = {"stateMachineArn": "GenerateVideoStateMachine", "status": "FAILED", "name": "x"}
    event = {"source": "aws.states", "detail-type": "Step Functions Execution Status Change", "detail": detail}

    assert rules_for({**event, "account": ACCOUNT}) == ["ReportFailureFunctionExecutionEnded"]
    assert rules_for({**event, "account": "999999999999"}) == []


@pytest.mark.parametrize(
    ("key", "rules"), [("shop/a.jpg", 1), ("shop/b/c.jpg", 1), ("other/a.jpg", 0), ("shop.jpg", 0)]
)
def test_only_keys_under_the_prefix_of_the_existing_bucket_are_taken(key, rules):
    assert len(rules_for(uploaded("pictures", key), **EXISTING, UploadsPrefix="shop/")) == rules


def test_the_prefix_does_not_hold_for_the_stacks_own_bucket():
    event = uploaded("UploadsBucket", "anywhere.jpg")

    assert rules_for(event, **EXISTING, UploadsPrefix="shop/") == ["ImageUploadedRule"]


def test_every_rule_that_feeds_a_queue_may_write_into_it():
    for given in ({}, EXISTING):
        found = resources(**given)
        allow = found["QueuePolicy"]["Properties"]["PolicyDocument"]["Statement"][0]
        named = allow["Condition"]["ArnEquals"]["aws:SourceArn"]
        feeding = [
            f"{name}.Arn"
            for name, one in found.items()
            if one["Type"] == "AWS::Events::Rule" and one["Properties"]["Targets"][0]["Arn"] == "SubmissionQueue.Arn"
        ]
        assert sorted(named) == sorted(feeding)


def put_events(role: str) -> list[dict[str, Any]]:
    return [one for one in statements(role) if "events:PutEvents" in as_list(one["Action"])]


@pytest.mark.parametrize("role", PUBLISHERS)
def test_a_step_may_publish_our_own_events_alone(role):
    (statement,) = put_events(role)

    condition = statement["Condition"]["StringEquals"]
    assert condition["events:source"] == SOURCE
    assert set(condition["events:detail-type"]) == {event.value for event in EventType}
    assert "*" not in statement["Resource"]


def test_check_status_publishes_nothing():
    assert put_events("CheckStatus") == []


@pytest.mark.parametrize("role", PUBLISHERS)
def test_a_function_that_publishes_has_the_stacks_name(role):
    assert variables(f"{role}Function")["STACK_NAME"] == "shop"
