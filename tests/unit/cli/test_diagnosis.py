"""What the checks of `dropreel doctor` say, and how their faults become findings."""

import struct
import zlib
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from io import BytesIO
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError, EndpointConnectionError
from PIL import Image

from dropreel.domain.job import JobStatus
from dropreel.domain.reasons import Reason, ReasonCode
from dropreel_cli.command_line import StackOptions
from dropreel_cli.commands import resume
from dropreel_cli.diagnosis import CHECKS, access, jobs, notifications, wiring
from dropreel_cli.diagnosis.check import Check, Finding, Site, Status
from dropreel_cli.diagnosis.end_to_end import png, refuse_unless_free
from dropreel_cli.exits import CommandError, Exit
from dropreel_cli.stack import Stack
from dropreel_cli.stack_resources import StackResources
from tests.support.sample_jobs import job_with


class FakeStack(Stack):
    """A stack whose clients answer each operation with a fixed answer."""

    answers: dict[str, Any]

    def client(self, service: str) -> Any:
        fake: Any = type(service, (), {})()
        for name, answer in self.answers.items():
            setattr(fake, name, lambda answer=answer, **_: answer)
        return fake


def _site(answers: dict[str, Any] | None = None, **fields: Any) -> Site:
    settled = {"status": "CREATE_COMPLETE", **fields}
    stack = FakeStack("shop", settled.pop("outputs", {}), boto3.Session(region_name="eu-central-1"), **settled)
    object.__setattr__(stack, "answers", answers or {})
    return Site(stack, StackOptions(stack="shop"))


def _denied(code: str = "AccessDeniedException") -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": "no lambda for you"}}, "GetFunction")


@pytest.mark.parametrize(
    ("error", "status", "said"),
    [
        (_denied(), Status.SKIPPED, "are not allowed to do this: no lambda for you"),
        (_denied("403"), Status.SKIPPED, "403"),
        (EndpointConnectionError(endpoint_url="https://lambda"), Status.FAILED, "Could not connect"),
        (CommandError("There is no resource X."), Status.FAILED, "There is no resource X."),
    ],
)
def test_a_check_that_meets_an_error_says_so(error: Exception, status: Status, said: str) -> None:
    def look(_: Site) -> Finding:
        raise error

    found = Check("functions", look).run(_site())

    assert found.status is status
    assert said in found.message
    assert found.next_step


def test_the_checks_have_names_of_their_own() -> None:
    assert len({check.name for check in CHECKS}) == len(CHECKS)


@pytest.mark.parametrize(("minutes", "status"), [(1, Status.OK), (6, Status.FAILED), (-6, Status.FAILED)])
def test_a_clock_more_than_5_minutes_away_is_red(minutes: int, status: Status) -> None:
    date = format_datetime(datetime.now(UTC) + timedelta(minutes=minutes), usegmt=True)
    answer = {"Arn": "x", "ResponseMetadata": {"HTTPHeaders": {"date": date}}}

    assert access.clock(_site({"get_caller_identity": answer})).status is status


def test_failed_jobs_with_a_paid_video_get_a_command_that_exists() -> None:
    site = _site()
    site.__dict__["last_jobs"] = [
        job_with(status=JobStatus.FAILED, generation_id="gen_1", reason=Reason(code, "the words"))
        for code in (ReasonCode.TIMED_OUT, ReasonCode.GENERATION_FAILED)
    ]

    found = jobs.resumable(site)

    assert found.message.startswith("1 of the last 7 days")
    assert found.next_step.startswith("dropreel resume --all --stack shop: ")
    assert resume.command.make_context("resume", ["--all", "--stack", "shop"]).params["is_all"]


def test_missing_outputs_are_named() -> None:
    found = wiring.outputs(_site(outputs={name: "x" for name in wiring.OUTPUTS if name != "QueueUrl"}))

    assert found == Finding(Status.FAILED, "Missing: QueueUrl.", "Deploy this release: dropreel deploy --stack shop")


@pytest.mark.parametrize(
    ("quota", "concurrency", "status", "step"),
    [
        (1000, "5", Status.OK, None),
        (10, "5", Status.FAILED, "dropreel set SubmitConcurrency=2 --stack shop, or ask AWS"),
        (1000, "900", Status.FAILED, "dropreel set SubmitConcurrency=497 --stack shop, or ask AWS"),
    ],
)
def test_the_quota_is_compared_with_what_the_stack_may_use(
    quota: int, concurrency: str, status: Status, step: str | None
) -> None:
    settings = {"AccountLimit": {"ConcurrentExecutions": quota}}

    found = wiring.lambda_quota(
        _site({"get_account_settings": settings}, parameters={"SubmitConcurrency": concurrency})
    )

    assert found.status is status
    assert (found.next_step or "").startswith(step or "")


@pytest.mark.parametrize(
    ("limit", "cents", "status"),
    [
        ("unlimited", 99_999, Status.OK),
        ("50", 100, Status.OK),
        ("50", 4_960, Status.FAILED),
        ("0", 0, Status.FAILED),
    ],
)
def test_charges_are_red_where_no_video_fits_any_more(limit: str, cents: int, status: Status) -> None:
    item = {"Item": {"reserved_cents": {"N": str(cents)}}}
    names = {"JobsTableName": "jobs", "SpendTableName": "spend"}

    found = jobs.charges(_site({"get_item": item}, outputs=names, parameters={"DailySpendLimitUsd": limit}))

    assert found.status is status


@pytest.mark.parametrize("parameters", [{"Rehearsal": "false"}, {}])
def test_an_end_to_end_check_that_would_be_paid_is_refused_with_its_price(parameters: dict[str, str]) -> None:
    site = _site(parameters={"DefaultMode": "hq", "DefaultDuration": "10", **parameters})

    with pytest.raises(CommandError, match=r"would pay for a video in shop: \$1\.87") as refused:
        refuse_unless_free(site)

    assert refused.value.exit_status is Exit.REFUSED


def test_an_end_to_end_check_is_free_in_a_rehearsal_and_locally() -> None:
    refuse_unless_free(_site(parameters={"Rehearsal": "true"}))
    refuse_unless_free(_site(endpoint_url="http://127.0.0.1:4566"))


def test_the_picture_is_a_png_that_decodes() -> None:
    content = png()

    with Image.open(BytesIO(content)) as picture:
        picture.load()
        assert (picture.format, picture.size) == ("PNG", (64, 64))
    assert content.endswith(struct.pack(">I", zlib.crc32(b"IEND")))


# --- alarms -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "step"),
    [
        (
            StackOptions(local=True),
            "Raise it: dropreel set --local D=80. Look: dropreel doctor --local",
        ),
        (StackOptions(), "Raise it: dropreel set D=80. Look: dropreel doctor"),
        (
            StackOptions(stack="shop", region="eu-west-1"),
            "Raise it: dropreel set --region eu-west-1 --stack shop D=80. Look: dropreel doctor --region eu-west-1 --stack shop",
        ),
    ],
)
def test_the_commands_of_an_alarm_are_for_the_stack_as_it_was_named(options: StackOptions, step: str) -> None:
    text = "Raise it: dropreel set --stack shop D=80. Look: dropreel doctor --stack shop"
    alarm = {"AlarmName": "shop-x", "StateValue": "ALARM", "AlarmDescription": text}
    stack = _site({"describe_alarms": {"MetricAlarms": [alarm]}}).stack
    site = _with_resources(Site(stack, options), {"SpendAlarm": "shop-x"}, {"SpendAlarm": "AWS::CloudWatch::Alarm"})

    assert jobs.alarms(site).next_step == step


# --- mails and webhooks -----------------------------------------------------------------------------------------------

MAIL = "ada@example.com"
NAMES = (
    "PaidWithoutVideoRule", "WaitingRule", "OutcomeRule", "SendMailFunctionQueue", "SendWebhookFunctionQueue",
    "SendMailFunction", "SendWebhookFunction", "WebhookSecret", "NotificationDeadLetterQueue",
)  # fmt: skip
WORKING: dict[str, Any] = {
    "describe_rule": {"State": "ENABLED"},
    "get_event_source_mapping": {"State": "Enabled"},
    "get_function_configuration": {"State": "Active", "LastUpdateStatus": "Successful"},
    "list_subscriptions_by_topic": {"Subscriptions": [{"Endpoint": MAIL, "SubscriptionArn": "arn:aws:sns:x"}]},
    "get_secret_value": {"SecretString": "QUFB" * 8},
    "get_queue_attributes": {"Attributes": {"ApproximateNumberOfMessages": "0"}},
}
SENDING = (notifications.mails, notifications.webhooks, notifications.dead_letters)


def _with_resources(site: Site, ids: dict[str, str], kinds: dict[str, str] | None = None) -> Site:
    site.__dict__["resources"] = StackResources(site.stack, ids, kinds or {})
    return site


def _sending(answers: dict[str, Any], **parameters: str) -> Site:
    parameters = parameters or {"NotificationEmail": MAIL, "WebhookUrl": "****"}
    site = _site({**WORKING, **answers}, parameters=parameters)
    return _with_resources(site, {**{name: f"shop-{name}" for name in NAMES}, "AlarmTopic": "topic"})


@pytest.mark.parametrize("look", SENDING)
def test_mails_and_webhooks_that_work_are_green(look: Any) -> None:
    assert look(_sending({})).status is Status.OK


@pytest.mark.parametrize("look", SENDING)
def test_what_is_not_sent_is_not_looked_at(look: Any) -> None:
    """CloudFormation shows a hidden parameter as ****, whether it has a value or not: only the resources tell."""
    site = _site(dict.fromkeys(WORKING), parameters={"NotificationEmail": "", "WebhookUrl": "****"})

    found = look(_with_resources(site, {}))

    assert (found.status, found.next_step) == (Status.OK, None)


def test_webhooks_of_a_stack_that_only_sends_mails_are_off() -> None:
    site = _site(WORKING, parameters={"NotificationEmail": MAIL, "WebhookUrl": "****"})
    of_mails = {name: f"shop-{name}" for name in NAMES if "Webhook" not in name and name != "OutcomeRule"}

    assert notifications.webhooks(_with_resources(site, of_mails)).message == "off: there is no WebhookUrl"


@pytest.mark.parametrize(
    ("look", "answers", "message", "step"),
    [
        (
            notifications.mails,
            {"describe_rule": {"State": "DISABLED"}},
            "PaidWithoutVideoRule is disabled",
            "aws events",
        ),
        (notifications.webhooks, {"describe_rule": {"State": "DISABLED"}}, "OutcomeRule is disabled", "aws events"),
        (notifications.mails, {"get_event_source_mapping": {"State": "Disabled"}}, "trigger of SendMail", "aws lambda"),
        (notifications.webhooks, {"get_event_source_mapping": {"State": "Disabled"}}, "of SendWebhook", "aws lambda"),
        (notifications.mails, {"get_function_configuration": {"State": "Failed"}}, "SendMail is Failed", "Deploy"),
        (
            notifications.webhooks,
            {"get_function_configuration": {"State": "Failed"}},
            "SendWebhook is Failed",
            "Deploy",
        ),
        (
            notifications.mails,
            {
                "list_subscriptions_by_topic": {
                    "Subscriptions": [{"Endpoint": MAIL, "SubscriptionArn": "PendingConfirmation"}]
                }
            },
            "ada@example.com has not confirmed",
            "Follow the link",
        ),
        (
            notifications.mails,
            {
                "list_subscriptions_by_topic": {
                    "Subscriptions": [{"Endpoint": "b@example.com", "SubscriptionArn": "arn"}]
                }
            },
            "ada@example.com has no subscription",
            "aws sns subscribe",
        ),
        (notifications.webhooks, {"get_secret_value": {"SecretString": "short"}}, "No webhook is sent", "docs/notif"),
        (notifications.webhooks, {"get_secret_value": {}}, "has 0 bytes", "docs/notifications.md"),
        (
            notifications.dead_letters,
            {"get_queue_attributes": {"Attributes": {"ApproximateNumberOfMessages": "2"}}},
            "2 mails or webhooks could not be sent",
            "docs/notifications.md",
        ),
    ],
)
def test_what_keeps_mails_or_webhooks_from_being_sent_is_red(
    look: Any, answers: dict[str, Any], message: str, step: str
) -> None:
    found = look(_sending(answers))

    assert found.status is Status.FAILED
    assert message in found.message
    assert step in (found.next_step or "")


@pytest.mark.parametrize("look", SENDING)
def test_who_may_not_look_at_mails_and_webhooks_reads_who_may(look: Any) -> None:
    def refuse(**_: Any) -> None:
        raise ClientError({"Error": {"Code": "AccessDeniedException", "Message": "no"}}, "DescribeRule")

    site = _sending({})
    object.__setattr__(
        site.stack, "client", lambda _service: type("Client", (), dict.fromkeys(WORKING, staticmethod(refuse)))
    )

    found = look(site)

    assert (found.status, found.next_step) == (Status.SKIPPED, "Look as who deploys the stack.")


def test_nothing_is_deployed_into_the_local_cloud_but_by_starting_it_again() -> None:
    local, aws = Site(_site().stack, StackOptions(local=True)), _site()

    assert local.command("deploy --guided") == "dropreel down, then dropreel up"
    assert local.named("Deploy: dropreel deploy --stack shop. Then: dropreel redrive --stack shop") == (
        "Deploy: dropreel down, then dropreel up. Then: dropreel redrive --local"
    )
    assert aws.command("deploy --guided") == "dropreel deploy --guided --stack shop"
