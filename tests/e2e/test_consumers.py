"""The templates of docs/consumers/ are deployed beside the stack and receive its events."""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from botocore.exceptions import ClientError

from dropreel.domain.job import EventType
from tests.e2e.conftest import Account
from tests.support.sample_events import load_event
from tests.support.validated_events import validate_event

pytestmark = pytest.mark.exhaustive
CONSUMERS = "docs/consumers"


@contextmanager
def consumer(account: Account, template: str, **parameters: str) -> Iterator[dict[str, str]]:
    """Deploy a template of docs/consumers/ as its page says; yield its outputs, and delete it."""
    name = f"consumer-{template.replace('_', '-')}"
    given = [f"{key}={value}" for key, value in {"DropreelStackName": account.stack.name, **parameters}.items()]
    account.aws(
        "cloudformation", "deploy", "--stack-name", name, "--template-file", f"{CONSUMERS}/{template}.yaml",
        "--capabilities", "CAPABILITY_IAM", "--parameter-overrides", *given,
    )  # fmt: skip
    formation = account.client("cloudformation")
    try:
        (stack,) = formation.describe_stacks(StackName=name)["Stacks"]
        yield {one["OutputKey"]: one["OutputValue"] for one in stack["Outputs"]}
    finally:
        formation.delete_stack(StackName=name)


@contextmanager
def queue(account: Account, name: str) -> Iterator[tuple[str, Callable[[str], str]]]:
    """A queue that all services may send to: its ARN, and a function that waits for a message with a text in it."""
    sqs = account.client("sqs")
    url = sqs.create_queue(QueueName=name)["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    services = {"Service": ["events.amazonaws.com", "sns.amazonaws.com"]}
    allow = {"Effect": "Allow", "Principal": services, "Action": "sqs:SendMessage", "Resource": arn}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [allow]})
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": policy})

    def message_with(text: str) -> str:
        def one() -> str | None:
            found = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", [])
            return next((message["Body"] for message in found if text in message["Body"]), None)

        return within_30_seconds(one)

    try:
        yield arn, message_with
    finally:
        sqs.delete_queue(QueueUrl=url)


def within_30_seconds(look: Callable[[], str | None]) -> str:
    """Return what is found in time."""
    end = time.monotonic() + 30
    while time.monotonic() < end:
        if (found := look()) is not None:
            return found
        time.sleep(0.2)
    raise AssertionError("nothing arrived within 30 seconds")


def test_a_function_receives_a_delivered_video_and_may_read_it(account: Account) -> None:
    with consumer(account, "lambda_on_completed", VideosBucketName=account.videos) as outputs:
        key = account.new_key()
        account.put(key)

        def printed() -> str | None:
            lines = account.client("logs").filter_log_events(logGroupName=outputs["LogGroupName"])["events"]
            return next((line["message"] for line in lines if key in line["message"]), None)

        line = within_30_seconds(printed)
    video = account.tail.wait_for(key, EventType.COMPLETED)["detail"]["data"]["video"]
    assert f"{key}: s3://{video['bucket']}/{video['key']}, {video['size']} bytes, $0.47" in line


def test_a_mail_says_why_a_job_failed_and_what_to_do(account: Account) -> None:
    account.simulator.set_faults([{"on": "submit", "do": {"kind": "fail", "error": "the picture is too dark"}}])
    key = account.new_key()
    with (
        consumer(account, "mail_on_failed", Email="anna@example.com") as outputs,
        queue(account, "mails") as (arn, message_with),
    ):
        sns = account.client("sns")
        (mail,) = sns.list_subscriptions_by_topic(TopicArn=outputs["TopicArn"])["Subscriptions"]
        sns.subscribe(
            TopicArn=outputs["TopicArn"], Protocol="sqs", Endpoint=arn, Attributes={"RawMessageDelivery": "true"}
        )
        account.put(key)

        text = message_with(key)

    data = account.tail.wait_for(key, EventType.FAILED)["detail"]["data"]
    assert (mail["Protocol"], mail["Endpoint"]) == ("email", "anna@example.com")
    lines = [line.strip('"') for line in text.splitlines()]
    assert lines[:5] == [
        f"Dropreel has no video of {key}.",
        f"Why: {data['reason']['message']}",
        f"What to do: {data['reason']['next_step']}",
        f"Price: $0.47 an attempt, attempt {data['attempt']}. Charged by the provider: charged.",
        f"Image: s3://{account.uploads}/{key}",
    ]
    assert (
        f"job {data['job_id']}, generation {data['generation_id']}, reason generation_failed, rehearsal false"
        in lines[5]
    )


def test_another_bus_receives_events_as_they_were_published(account: Account) -> None:
    """In the local cloud it is a bus of the same account: EventBusPolicy, and so another account, cannot be tried there."""
    events = account.client("events")
    bus = events.create_event_bus(Name="of-another-team")["EventBusArn"]
    key = account.new_key()
    with (
        consumer(account, "another_account", TargetEventBusArn=bus),
        queue(account, "of-another-team") as (arn, received),
    ):
        events.put_rule(Name="all", EventBusName="of-another-team", EventPattern=json.dumps({"source": ["dropreel"]}))
        events.put_targets(Rule="all", EventBusName="of-another-team", Targets=[{"Id": "queue", "Arn": arn}])
        account.put(key, b"no image")

        event = json.loads(received(key))

    assert event["detail"] == account.tail.wait_for(key, EventType.REJECTED)["detail"]
    validate_event(event)
    events.remove_targets(Rule="all", EventBusName="of-another-team", Ids=["queue"])
    events.delete_rule(Name="all", EventBusName="of-another-team")
    events.delete_event_bus(Name="of-another-team")


@pytest.mark.parametrize("event", EventType)
def test_an_example_of_events_can_be_put_on_the_bus(account: Account, event: EventType) -> None:
    """With the fields that the command of docs/events.md takes."""
    example: dict[str, Any] = load_event(event.lower().replace(" ", "_"))
    entry = {"Source": example["source"], "DetailType": example["detail-type"], "Resources": example["resources"]}
    account.client("events").put_events(Entries=[{**entry, "Detail": json.dumps(example["detail"])}])

    found = account.tail.wait_for(example["detail"]["data"]["image"]["key"], event)

    assert {**found, "id": 0, "time": 0, "account": 0, "region": 0} == {
        **example, "id": 0, "time": 0, "account": 0, "region": 0
    }  # fmt: skip


@pytest.mark.parametrize("kind", ["AWS::Events::EventBusPolicy", "AWS::EventSchemas::Registry"])
def test_the_engine_still_lacks_what_is_only_linted(account: Account, kind: str) -> None:
    """When this fails, another_account_bus.yaml or schemas.yaml can be deployed in a test: do so."""
    template = json.dumps({"Resources": {"It": {"Type": kind}}})

    with pytest.raises(ClientError, match=f"Unrecognized resource types: .{kind}"):
        account.client("cloudformation").create_stack(StackName="lacks-it", TemplateBody=template)
