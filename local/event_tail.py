"""Collects the events that Dropreel publishes, with a rule and a queue of its own."""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from dropreel.domain.events import SOURCE
from dropreel_cli.stack import Stack

_NAME = "dropreel-event-tail"


@dataclass
class EventTail:
    """The events so far, in the order in which EventBridge delivered them. `check` is called with each as it is received."""

    stack: Stack
    queue_url: str
    check: Callable[[dict[str, Any]], None] | None = None
    received: list[dict[str, Any]] = field(default_factory=list)

    def events(self) -> list[dict[str, Any]]:
        """Return every event that has arrived by now."""
        self.new_events()
        return self.received

    def new_events(self) -> list[dict[str, Any]]:
        """Return the events that have arrived since the last call."""
        client = self.stack.session.client("sqs", endpoint_url=self.stack.endpoint_url)
        known = len(self.received)
        while messages := client.receive_message(QueueUrl=self.queue_url, MaxNumberOfMessages=10).get("Messages"):
            for message in messages:
                self.received.append(json.loads(message["Body"]))
                client.delete_message(QueueUrl=self.queue_url, ReceiptHandle=message["ReceiptHandle"])
                if self.check is not None:
                    self.check(self.received[-1])
        return self.received[known:]

    def wait_for(self, key: str, detail_type: str, seconds: float = 30) -> dict[str, Any]:
        """Return the event of this type about the image with this key. Raises TimeoutError after `seconds`."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            for event in self.events():
                if event["detail-type"] == detail_type and event["detail"]["data"]["image"]["key"] == key:
                    return event
            time.sleep(0.2)
        raise TimeoutError(f"no event {detail_type!r} about {key} within {seconds:.0f} seconds")


@contextmanager
def event_tail(stack: Stack, check: Callable[[dict[str, Any]], None] | None = None) -> Iterator[EventTail]:
    """Create the rule and the queue, yield the tail, and delete both."""
    sqs = stack.session.client("sqs", endpoint_url=stack.endpoint_url)
    events = stack.session.client("events", endpoint_url=stack.endpoint_url)
    bus = stack.outputs["EventBusName"]
    url = sqs.create_queue(QueueName=_NAME)["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    allow = {
        "Effect": "Allow",
        "Principal": {"Service": "events.amazonaws.com"},
        "Action": "sqs:SendMessage",
        "Resource": arn,
    }
    sqs.set_queue_attributes(
        QueueUrl=url, Attributes={"Policy": json.dumps({"Version": "2012-10-17", "Statement": [allow]})}
    )
    events.put_rule(Name=_NAME, EventBusName=bus, EventPattern=json.dumps({"source": [SOURCE]}))
    events.put_targets(Rule=_NAME, EventBusName=bus, Targets=[{"Id": "tail", "Arn": arn}])
    try:
        yield EventTail(stack, url, check)
    finally:
        events.remove_targets(Rule=_NAME, EventBusName=bus, Ids=["tail"])
        events.delete_rule(Name=_NAME, EventBusName=bus)
        sqs.delete_queue(QueueUrl=url)
