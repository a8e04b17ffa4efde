"""The nested stack of mails and webhooks: which events it takes, and what its queues, functions and roles have."""

import json
from typing import Any

import pytest
from moto.events.models import EventPattern

from dropreel.adapters.webhook_endpoint import SECONDS
from dropreel.domain.events import SOURCE, detail_of
from dropreel.domain.job import Charge, EventType, JobStatus
from dropreel.domain.reasons import Reason, ReasonCode
from dropreel.domain.webhooks import MAX_RECEIVES, RETRY_SECONDS, SECRET_BYTES
from tests.support.sample_jobs import job_with
from tests.unit.template.resolved import ACCOUNT, as_list, resources, statements

MAIL = {"NotificationEmail": "operator@example.com"}
WEBHOOK = {"WebhookUrl": "https://hooks.example.com/dropreel"}
BOTH = {**MAIL, **WEBHOOK}
MAIL_RULES = {"PaidWithoutVideoRule", "WaitingRule"}
OUTCOMES = {EventType.COMPLETED, EventType.FAILED, EventType.REJECTED, EventType.UNKNOWN}
STEPS = {"SendMail": "MailQueue", "SendWebhook": "WebhookQueue"}
SHARED = {"NotificationDeadLetterQueue", "NotificationDeadLetterAlarm", "NotificationQueuePolicy"}
POLICIES = ("NotificationQueuePolicy", "MailQueuePolicy", "WebhookQueuePolicy")
DAY = 86_400


def properties(name: str) -> dict[str, Any]:
    found: dict[str, Any] = resources(**BOTH)[name]["Properties"]
    return found


def published(event: EventType, charge: Charge = Charge.CHARGED, stack: str = "shop", **changes: Any) -> dict[str, Any]:
    """Return an event as our steps publish it."""
    reason = Reason(ReasonCode.GENERATION_FAILED, "x")
    job = job_with(status=JobStatus.FAILED, charge=charge, reason=reason)
    detail = detail_of(job, event, stack)
    detail["data"]["charge"] = charge.value
    return {"source": SOURCE, "account": ACCOUNT, "detail-type": event.value, "detail": detail, **changes}


def rules_for(event: Any, **given: str) -> set[str]:
    """Return the names of our rules that match an event, by moto's EventBridge."""
    rules = {name: one["Properties"] for name, one in resources(**given).items() if one["Type"] == "AWS::Events::Rule"}
    patterns = {name: json.dumps(rule["EventPattern"]) for name, rule in rules.items()}
    return {name for name, pattern in patterns.items() if EventPattern.load(pattern).matches_event(event)}


# --- which events -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("event", [EventType.FAILED, EventType.REJECTED])
@pytest.mark.parametrize("charge", [Charge.CHARGED, Charge.UNKNOWN])
def test_a_job_that_was_paid_and_has_no_video_is_mailed(event, charge):
    assert rules_for(published(event, charge), **MAIL) == {"PaidWithoutVideoRule"}


@pytest.mark.parametrize("event", [EventType.FAILED, EventType.REJECTED])
def test_a_job_that_cost_nothing_is_not_mailed(event):
    assert rules_for(published(event, Charge.NONE), **MAIL) == set()


@pytest.mark.parametrize("event", [EventType.HELD, EventType.DEFERRED, EventType.UNKNOWN])
@pytest.mark.parametrize("charge", list(Charge))
def test_a_job_that_waits_is_mailed_once(event, charge):
    assert rules_for(published(event, charge), **MAIL) == {"WaitingRule"}


@pytest.mark.parametrize("event", [EventType.SUBMITTED, EventType.COMPLETED])
def test_what_needs_nobody_is_not_mailed(event):
    assert rules_for(published(event), **MAIL) == set()


@pytest.mark.parametrize("event", list(EventType))
@pytest.mark.parametrize("charge", list(Charge))
def test_a_webhook_is_sent_for_each_outcome_and_nothing_else(event, charge):
    assert rules_for(published(event, charge), **WEBHOOK) == ({"OutcomeRule"} if event in OUTCOMES else set())


@pytest.mark.parametrize("event", list(EventType))
@pytest.mark.parametrize("changes", [{"stack": "other"}, {"account": "999999999999"}, {"source": "other"}])
def test_events_of_others_are_not_sent(event, changes):
    assert rules_for(published(event, **changes), **BOTH) == set()


def test_the_rules_are_on_the_stacks_bus():
    found = resources(**BOTH, EventBusName="orders")

    assert {found[rule]["Properties"]["EventBusName"] for rule in (*MAIL_RULES, "OutcomeRule")} == {"orders"}


# --- what is created --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "there", "missing"), [(MAIL, "Mail", "Webhook"), (WEBHOOK, "Webhook", "Mail")], ids=["mail", "webhook"]
)
def test_only_what_was_asked_for_is_created(given, there, missing):
    found = set(resources(**given))

    assert SHARED | {f"{there}Queue", f"Send{there}Function", f"Send{there}Role", f"Send{there}LogGroup"} <= found
    assert {name for name in found if missing in name} == set()


@pytest.mark.parametrize("given", [MAIL, WEBHOOK, BOTH], ids=["mail", "webhook", "both"])
def test_every_name_in_the_queues_policies_is_a_resource_that_is_there(given):
    found = resources(**given)
    policies = [found[name]["Properties"] for name in POLICIES if name in found]
    named = {
        arn.partition(".")[0]
        for policy in policies
        for one in policy["PolicyDocument"]["Statement"]
        for arn in [*as_list(one["Resource"]), *one["Condition"].get("ArnEquals", {}).get("aws:SourceArn", [])]
    }

    assert len(policies) == 1 + len(given)
    assert named | {queue for policy in policies for queue in policy["Queues"]} <= set(found)


def test_the_secret_is_generated_with_a_length_that_the_specification_allows():
    generated = properties("WebhookSecret")["GenerateSecretString"]

    # Letters and digits alone, so that the text is the Base64 of 3 bytes for each 4 characters.
    assert generated == {"PasswordLength": 64, "ExcludePunctuation": True}
    assert generated["PasswordLength"] % 4 == 0
    assert generated["PasswordLength"] * 3 // 4 in SECRET_BYTES


def test_dead_letters_have_an_alarm_that_notifies_and_says_what_to_do():
    alarm = properties("NotificationDeadLetterAlarm")

    assert alarm["Dimensions"] == [{"Name": "QueueName", "Value": "NotificationDeadLetterQueue.QueueName"}]
    assert alarm["AlarmActions"] == ["Operations.Outputs.AlarmTopicArn"]
    assert alarm["TreatMissingData"] == "notBreaching"
    assert "start-message-move-task" in alarm["AlarmDescription"]
    assert resources(**WEBHOOK)["NotificationDeadLetterAlarm"]["Properties"]["AlarmActions"] == []


# --- times ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("step", "queue"), STEPS.items())
def test_a_message_is_hidden_for_six_times_the_functions_time_out(step, queue):
    window = properties(f"{step}FunctionQueue").get("MaximumBatchingWindowInSeconds", 0)

    assert properties(queue)["VisibilityTimeout"] == 6 * properties(f"{step}Function")["Timeout"] + window


def test_a_delivery_ends_before_the_function_does():
    assert properties("SendWebhookFunction")["Timeout"] >= SECONDS + 5


def test_a_webhook_is_received_as_often_as_it_has_delays_and_once_more():
    assert properties("WebhookQueue")["RedrivePolicy"]["maxReceiveCount"] == MAX_RECEIVES


@pytest.mark.parametrize(("queue", "longest"), [("MailQueue", 5 * 480), ("WebhookQueue", sum(RETRY_SECONDS))])
def test_a_message_outlives_its_deliveries_and_has_days_left_as_a_dead_letter(queue, longest):
    kept = properties(queue)["MessageRetentionPeriod"]
    dead = properties("NotificationDeadLetterQueue")["MessageRetentionPeriod"]

    assert properties(queue)["RedrivePolicy"]["deadLetterTargetArn"] == "NotificationDeadLetterQueue.Arn"
    assert longest + DAY <= kept
    assert dead - kept >= 4 * DAY


def test_mails_gather_and_each_webhook_is_on_its_own():
    mail, webhook = properties("SendMailFunctionQueue"), properties("SendWebhookFunctionQueue")

    assert (mail["BatchSize"], mail["MaximumBatchingWindowInSeconds"]) == (1000, 300)
    assert webhook["BatchSize"] == 1
    for mapping in (mail, webhook):
        assert mapping["FunctionResponseTypes"] == ["ReportBatchItemFailures"]


# --- functions and roles ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("step", STEPS)
def test_a_function_is_built_as_those_of_the_main_stack(step):
    own, other = properties(f"{step}Function"), resources()["SweepJobsFunction"]

    assert own["Code"] == f"functions/{step[:4].lower()}_{step[4:].lower()}"
    assert own["Role"] == f"{step}Role.Arn"
    assert own["LoggingConfig"] == {"LogGroup": f"{step}LogGroup"}
    assert own["Layers"] == ["DropreelLayer", "DependenciesLayer"]
    assert (own["Runtime"], own["Architectures"], own["Handler"]) == ("python3.13", ["arm64"], "handler.handler")
    assert resources(**BOTH)[f"{step}Function"]["Metadata"].items() >= other["Metadata"].items()


@pytest.mark.parametrize(
    ("step", "actions", "own"),
    [
        ("SendMail", {"sns:Publish"}, "Operations.Outputs.AlarmTopicArn"),
        ("SendWebhook", {"secretsmanager:GetSecretValue"}, "WebhookSecret"),
    ],
)
def test_a_role_may_receive_and_send_and_nothing_else(step, actions, own):
    found = {one["Sid"]: one for one in statements(step, **BOTH)}
    receive = {"sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"}
    receive |= {"sqs:ChangeMessageVisibility"} if step == "SendWebhook" else set()
    logs, received, last = found["WriteLogs"], found.pop("ReceiveMessages"), list(found)[-1]

    assert logs["Resource"] == f"{step}LogGroup.Arn"
    assert (set(received["Action"]), received["Resource"]) == (receive, f"{STEPS[step]}.Arn")
    assert set(found) == {"WriteLogs", last}
    assert (set(as_list(found[last]["Action"])), found[last]["Resource"]) == (actions, own)


@pytest.mark.parametrize("step", STEPS)
def test_lambda_alone_may_take_the_role(step):
    (trust,) = properties(f"{step}Role")["AssumeRolePolicyDocument"]["Statement"]

    assert (trust["Principal"], trust["Action"]) == ({"Service": "lambda.amazonaws.com"}, "sts:AssumeRole")


def test_only_the_webhooks_function_has_the_address():
    found = resources(**BOTH)
    having = [name for name, one in found.items() if "WEBHOOK_URL" in json.dumps(one)]

    assert having == ["SendWebhookFunction"]
