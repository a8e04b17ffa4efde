"""How AWS asks a target's own policy: checks for tests/e2e/test_engine.py, each true on AWS."""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from local.cloud import Engine
from tests.e2e.engine_clients import client_of
from tests.e2e.engine_permissions import allow
from tests.e2e.engine_service_roles import function_with, messages_in, queue_named

_STILL_SECONDS = 1.5


def _wait_for(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.1)


def _statement(service: str, action: str, resource: str, source: str) -> dict[str, Any]:
    return {
        "Effect": "Allow",
        "Principal": {"Service": f"{service}.amazonaws.com"},
        "Action": action,
        "Resource": resource,
        "Condition": {"ArnEquals": {"aws:SourceArn": source}},
    }


def _policy(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


@contextmanager
def _rule(engine: Engine, target: str, dead_letters: tuple[str, str]) -> Iterator[str]:
    """A rule with one target and a dead-letter queue that it may send to; its ARN."""
    events, (url, arn) = client_of(engine, "events"), dead_letters
    rule = events.put_rule(Name="asking", EventPattern='{"source": ["asking"]}')["RuleArn"]
    policy = _policy(_statement("events", "sqs:SendMessage", arn, rule))
    client_of(engine, "sqs").set_queue_attributes(QueueUrl=url, Attributes={"Policy": policy})
    events.put_targets(Rule="asking", Targets=[{"Id": "one", "Arn": target, "DeadLetterConfig": {"Arn": arn}}])
    try:
        yield str(rule)
    finally:
        events.remove_targets(Rule="asking", Ids=["one"])
        events.delete_rule(Name="asking")


def _publish(engine: Engine) -> None:
    client_of(engine, "events").put_events(Entries=[{"Source": "asking", "DetailType": "Ours", "Detail": "{}"}])


@contextmanager
def _topic(engine: Engine, queue: tuple[str, str], *statements: dict[str, Any]) -> Iterator[str]:
    """A topic with these statements and no others, whose messages go to a queue."""
    sns, (url, arn) = client_of(engine, "sns"), queue
    topic = sns.create_topic(Name="asking")["TopicArn"]
    policy = _policy(_statement("sns", "sqs:SendMessage", arn, topic))
    client_of(engine, "sqs").set_queue_attributes(QueueUrl=url, Attributes={"Policy": policy})
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)
    mine = _statement("backup", "sns:Publish", topic, "arn:aws:backup:us-east-1:000000000000:backup-vault:x")
    sns.set_topic_attributes(TopicArn=topic, AttributeName="Policy", AttributeValue=_policy(mine, *statements))
    try:
        yield str(topic)
    finally:
        sns.delete_topic(TopicArn=topic)


def of_queues(engine: Engine) -> bool:
    """Whether a rule sends only where the queue's policy allows it, and otherwise to its dead-letter queue."""
    with (
        queue_named(engine, "closed") as closed,
        queue_named(engine, "open") as opened,
        _rule(engine, closed[1], opened),
    ):
        _publish(engine)
        _wait_for(lambda: bool(messages_in(engine, closed[0]) + messages_in(engine, opened[0])))
        return (messages_in(engine, closed[0]), messages_in(engine, opened[0])) == (0, 1)


def of_topics(engine: Engine) -> bool:
    """Whether a rule publishes only where the topic's policy allows it."""
    with (
        queue_named(engine, "readers") as readers,
        queue_named(engine, "letters") as letters,
        _topic(engine, readers) as topic,
        _rule(engine, topic, letters) as rule,
    ):
        _publish(engine)
        _wait_for(lambda: bool(messages_in(engine, readers[0]) + messages_in(engine, letters[0])))
        refused = messages_in(engine, letters[0])
        policy = _policy(_statement("events", "sns:Publish", topic, rule))
        sns = client_of(engine, "sns")
        sns.set_topic_attributes(TopicArn=topic, AttributeName="Policy", AttributeValue=policy)
        _publish(engine)
        _wait_for(lambda: bool(messages_in(engine, readers[0])))
        return refused == 1


def of_functions(engine: Engine) -> bool:
    """Whether a rule invokes only a function whose policy allows it."""
    logs, functions = client_of(engine, "logs"), client_of(engine, "lambda")
    may_log = allow("logs:CreateLogStream", "logs:PutLogEvents", on="*")

    def is_invoked() -> bool:
        return bool(logs.describe_log_groups(logGroupNamePrefix="/aws/lambda/invoked")["logGroups"])

    with (
        queue_named(engine, "letters") as letters,
        function_with(engine, "invoked", may_log) as function,
        _rule(engine, function, letters) as rule,
    ):
        _publish(engine)
        _wait_for(lambda: is_invoked() or bool(messages_in(engine, letters[0])))
        refused = messages_in(engine, letters[0])
        functions.add_permission(
            FunctionName="invoked", StatementId="ours", Action="lambda:InvokeFunction",
            Principal="events.amazonaws.com", SourceArn=rule,
        )  # fmt: skip
        _publish(engine)
        _wait_for(is_invoked)
        logs.delete_log_group(logGroupName="/aws/lambda/invoked")
        return refused == 1


def of_topics_of_alarms(engine: Engine) -> bool:
    """Whether an alarm publishes only where the topic's policy allows it."""
    cloudwatch = client_of(engine, "cloudwatch")
    with queue_named(engine, "readers") as readers, _topic(engine, readers) as topic:
        cloudwatch.put_metric_alarm(
            AlarmName="asking", AlarmActions=[topic], Namespace="asking", MetricName="none", Statistic="Sum", Period=60,
            EvaluationPeriods=1, Threshold=1, ComparisonOperator="GreaterThanThreshold",
        )  # fmt: skip
        (alarm,) = cloudwatch.describe_alarms(AlarmNames=["asking"])["MetricAlarms"]

        def raise_alarm() -> None:
            for state in ("OK", "ALARM"):
                cloudwatch.set_alarm_state(AlarmName="asking", StateValue=state, StateReason="ours")

        raise_alarm()
        time.sleep(_STILL_SECONDS)
        refused = messages_in(engine, readers[0]) == 0
        policy = _policy(_statement("cloudwatch", "sns:Publish", topic, alarm["AlarmArn"]))
        client_of(engine, "sns").set_topic_attributes(TopicArn=topic, AttributeName="Policy", AttributeValue=policy)
        raise_alarm()
        _wait_for(lambda: bool(messages_in(engine, readers[0])))
        cloudwatch.delete_alarms(AlarmNames=["asking"])
        return refused
