"""Every statement of a queue's, the topic's or a function's policy that allows something is taken away in an e2e test."""

import pytest

from tests.unit.template.permissions import OPTIONAL
from tests.unit.template.resolved import ROOT, resources, translated

TAKEN_AWAY = {
    "QueuePolicy AllowRulesOfImages": "a_rule_needs_the_policy_of_its_queue_and_of_its_dead_letters",
    "QueuePolicy AllowRulesOfFunctions": "without_its_statement_an_aborted_execution_is_not_reported",
    "MailQueuePolicy AllowRulesOfMails": "without_its_statement_a_notification_becomes_a_dead_letter",
    "WebhookQueuePolicy AllowRuleOfWebhooks": "without_its_statement_a_notification_becomes_a_dead_letter",
    "NotificationQueuePolicy AllowRulesOfMails": "without_its_statement_a_notification_becomes_a_dead_letter",
    "NotificationQueuePolicy AllowRuleOfWebhooks": "without_its_statement_a_notification_becomes_a_dead_letter",
    "AlarmTopicPolicy AllowAlarms": "an_alarm_needs_the_topics_policy",
    "ReportFailureFunctionExecutionEndedPermission": "without_its_statement_an_aborted_execution_is_not_reported",
    "SweepJobsFunctionSchedulePermission": "without_its_statement_the_schedule_sweeps_nothing",
}
"""The test in whose name `test_` is left out."""
FILES = ("test_service_permissions.py", "test_delivery_permissions.py", "test_alarms.py")


def test_every_statement_that_allows_something_has_its_test():
    policies = [
        f"{name} {statement['Sid']}"
        for name, one in resources(**OPTIONAL).items()
        if one["Type"].startswith(("AWS::SQS::", "AWS::SNS::", "AWS::S3::")) and "PolicyDocument" in one["Properties"]
        for statement in one["Properties"]["PolicyDocument"]["Statement"]
        if statement["Effect"] == "Allow"
    ]
    invocations = [name for name, one in translated()["Resources"].items() if one["Type"] == "AWS::Lambda::Permission"]

    assert sorted([*policies, *invocations]) == sorted(TAKEN_AWAY)


@pytest.mark.parametrize("name", sorted(set(TAKEN_AWAY.values())))
def test_that_test_is_there(name: str):
    texts = [(ROOT / "tests" / "e2e" / file).read_text(encoding="utf-8") for file in FILES]

    assert sum(text.count(f"def test_{name}(") for text in texts) == 1
