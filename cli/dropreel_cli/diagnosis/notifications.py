"""Checks of mails and webhooks, where the stack sends them."""

from __future__ import annotations

from functools import wraps
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from dropreel.domain.errors import SettingsError
from dropreel.domain.webhooks import keys_in
from dropreel_cli.aws_errors import is_denied
from dropreel_cli.diagnosis.check import Finding, Site, failed, ok, skipped
from dropreel_cli.diagnosis.jobs import message_count
from dropreel_cli.diagnosis.wiring import enable_command, function_fault, rule_fault
from dropreel_cli.submissions import Submissions

if TYPE_CHECKING:
    from collections.abc import Callable


def _by_the_deployer(look: Callable[[Site], Finding]) -> Callable[[Site], Finding]:
    """Skip the check for who may not read what it looks at: the policies of readers and operators have no room for it."""

    @wraps(look)
    def looked(site: Site) -> Finding:
        try:
            return look(site)
        except ClientError as error:
            if not is_denied(error):
                raise
            return skipped(
                f"The policies reader and operator do not include {error.operation_name} for mails and webhooks.",
                "Look as who deploys the stack.",
            )

    return looked


@_by_the_deployer
def mails(site: Site) -> Finding:
    """Look at what mails need: rules, trigger, function, and the address's confirmation."""
    address = site.stack.parameters.get("NotificationEmail", "")
    if not address:
        return ok("off: there is no NotificationEmail")
    fault = _way_fault(site, ("PaidWithoutVideoRule", "WaitingRule"), "SendMail")
    if fault is not None:
        return fault
    topic = site.resources["AlarmTopic"]
    found = site.stack.client("sns").list_subscriptions_by_topic(TopicArn=topic)["Subscriptions"]
    states = {one["SubscriptionArn"] for one in found if one["Endpoint"] == address}
    if not states:
        return failed(
            f"{address} has no subscription: someone has ended it, and no mail or alarm arrives.",
            f"aws sns subscribe --topic-arn {topic} --protocol email --notification-endpoint {address}"
            f" --region {site.stack.session.region_name}",
        )
    if states == {"PendingConfirmation"}:
        return failed(
            f"{address} has not confirmed its subscription: no mail and no alarm arrives.",
            "Follow the link in the mail from AWS Notifications. It is valid for two days; later, subscribe again: aws sns"
            f" subscribe --topic-arn {topic} --protocol email --notification-endpoint {address}"
            f" --region {site.stack.session.region_name}",
        )
    return ok(f"sent to {address}")


@_by_the_deployer
def webhooks(site: Site) -> Finding:
    """Look at what webhooks need: rule, trigger, function, and the secret that signs them."""
    if "OutcomeRule" not in site.resources:  # CloudFormation shows a hidden parameter as ****, an empty one too
        return ok("off: there is no WebhookUrl")
    fault = _way_fault(site, ("OutcomeRule",), "SendWebhook")
    if fault is not None:
        return fault
    secret = site.resources["WebhookSecret"]
    try:
        answer = site.stack.client("secretsmanager").get_secret_value(SecretId=secret)
        keys = keys_in(answer.get("SecretString", ""))
    except SettingsError as error:
        return failed(
            f"No webhook is sent: {error}.", f"Write a valid one into {secret}: docs/notifications.md says how."
        )
    return ok(f"signed with {len(keys)} secret{'' if len(keys) == 1 else 's'}")


@_by_the_deployer
def dead_letters(site: Site) -> Finding:
    """Count the mails and webhooks that could not be sent."""
    if "NotificationDeadLetterQueue" not in site.resources:
        return ok("none: neither mails nor webhooks are sent")
    count = message_count(site, site.resources["NotificationDeadLetterQueue"])
    if count:
        return failed(
            f"{count} mail{'' if count == 1 else 's'} or webhook{'' if count == 1 else 's'} could not be sent.",
            "The logs of Send Mail and Send Webhook say why. Fix it and send them back: docs/notifications.md says how.",
        )
    return ok("none")


def _way_fault(site: Site, rules: tuple[str, ...], function: str) -> Finding | None:
    """Return the first fault on the way of an event to its function."""
    for rule in rules:
        if (fault := rule_fault(site, rule)) is not None:
            return fault
    mapping = f"{function}FunctionQueue"
    state = Submissions(site.stack.client("lambda"), site.resources[mapping]).state
    if state != "Enabled":
        return failed(f"The trigger of {function} is {state}: its messages wait.", enable_command(site, mapping))
    return function_fault(site, function)
