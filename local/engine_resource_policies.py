"""Policies of queues, topics and functions that the local engine does not ask; part of engine_corrections.py."""

from importlib import import_module
from typing import Any

_EVENTS = "events.amazonaws.com"


def ask_targets_for_what_rules_send() -> None:
    """What a rule sends to a queue, to a topic, or to a function.

    AWS: the target's policy must allow it for the rule; what it does not allow goes to the target's dead-letter queue, whose
    policy must allow it as well.
    The engine: sends without asking, and has no dead letters.
    """
    events: Any = import_module("ministack.services.eventbridge")
    sqs: Any = import_module("ministack.services.sqs")
    sns: Any = import_module("ministack.services.sns")
    invoke = events._invoke_target

    def may_send(target: str, rule: str) -> bool:
        account = rule.split(":")[4]
        if ":sqs:" in target:
            return bool(sqs.queue_policy_allows(target, _EVENTS, rule, account))
        if ":sns:" in target:
            return bool(sns.topic_policy_allows(target, _EVENTS, rule, account))
        return ":function:" not in target or _may_invoke(target, rule, account)

    def invoke_if_allowed(target: dict[str, Any], event: Any, rule: dict[str, Any], *others: Any) -> None:
        if may_send(target["Arn"], rule["Arn"]):
            invoke(target, event, rule, *others)
            return
        dead_letters = (target.get("DeadLetterConfig") or {}).get("Arn", "")
        if dead_letters and may_send(dead_letters, rule["Arn"]):
            invoke({"Id": target["Id"], "Arn": dead_letters}, event, rule, *others)

    events._invoke_target = invoke_if_allowed


def _may_invoke(function: str, rule: str, account: str) -> bool:
    functions: Any = import_module("ministack.services.lambda_svc")
    evaluator: Any = import_module("ministack.core.iam_evaluator")
    found, _, _ = functions._get_func_record_for_ref(function)
    context = evaluator.EvalContext(
        principal_arn="*",
        principal_type="Service",
        principal_account="",
        action="lambda:InvokeFunction",
        resource_arn=function,
        region=rule.split(":")[3],
        service_context={"aws:sourcearn": rule, "aws:sourceaccount": account},
    )
    return bool(
        found and evaluator.evaluate_resource_policy(found["policy"], context, service=_EVENTS).decision == "Allow"
    )


def ask_topics_for_what_alarms_publish() -> None:
    """What an alarm publishes.

    AWS: the topic's policy must allow it for the alarm.
    The engine: publishes without asking.
    """
    cloudwatch: Any = import_module("ministack.services.cloudwatch")
    sns: Any = import_module("ministack.services.sns")
    dispatch = cloudwatch._dispatch_alarm_actions
    fields = ("AlarmActions", "OKActions", "InsufficientDataActions")

    def dispatch_if_allowed(alarm: dict[str, Any], *states: Any) -> None:
        arn = alarm["AlarmArn"]

        def may_publish(action: str) -> bool:
            is_topic = ":sns:" in action
            return not is_topic or sns.topic_policy_allows(action, "cloudwatch.amazonaws.com", arn, arn.split(":")[4])

        dispatch({**alarm, **{name: [*filter(may_publish, alarm.get(name) or [])] for name in fields}}, *states)

    cloudwatch._dispatch_alarm_actions = dispatch_if_allowed
