"""Mails and webhooks, through the whole local cloud."""

import json
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from standardwebhooks import Webhook

from dropreel.domain.job import EventType, JobStatus
from local.cloud import ROOT
from tests.e2e.conftest import Account
from tests.e2e.roles import restart_processes
from tests.e2e.test_first_deployment import pasted

Mails = Callable[[str], dict[str, str]]


@pytest.fixture(scope="module")
def mails(account: Account) -> Iterator[Mails]:
    """Return a function that waits for the mail about an image, as a subscriber of the topic receives it."""
    sqs, sns = account.client("sqs"), account.client("sns")
    url = sqs.create_queue(QueueName="mails")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    allow = {"Effect": "Allow", "Principal": {"Service": "sns.amazonaws.com"}, "Action": "sqs:SendMessage"}
    policy = {"Version": "2012-10-17", "Statement": [{**allow, "Resource": arn}]}
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": json.dumps(policy)})
    sns.subscribe(TopicArn=account.physical("AlarmTopic"), Protocol="sqs", Endpoint=arn)

    def wait_for(key: str) -> dict[str, str]:
        end = time.monotonic() + 30
        while time.monotonic() < end:
            for message in sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", []):
                sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
                mail: dict[str, str] = json.loads(message["Body"])
                if f"/{key}\n" in mail["Message"]:
                    return mail
            time.sleep(0.1)
        raise AssertionError(f"no mail about {key}")

    yield wait_for
    sqs.delete_queue(QueueUrl=url)


def secret_of(account: Account) -> str:
    """Return the webhooks' secret as the docs say how to read it."""
    arn = account.physical("WebhookSecret")
    secret: str = account.client("secretsmanager").get_secret_value(SecretId=arn)["SecretString"]
    return f"whsec_{secret}"


def test_a_failed_paid_job_sends_a_mail_that_people_can_read(account: Account, mails: Mails) -> None:
    account.simulator.set_faults([{"on": "submit", "times": 2, "do": {"kind": "fail", "error": "out of memory"}}])
    key = account.new_key("red shoe.jpg")
    account.put(key)
    job = account.ended(key)
    assert job.status is JobStatus.FAILED

    mail = mails(key)

    assert mail["Subject"] == f"Dropreel {account.stack.name}: no video of red shoe.jpg"
    first, _, *facts = mail["Message"].splitlines()
    assert first.startswith(f"Dropreel, stack {account.stack.name}: ")
    assert f"Image: s3://{account.uploads}/{key}" in facts
    assert "The provider says: out of memory" in facts
    assert "Cost: $0.47 was charged for each of up to 2 attempts." in facts
    assert f"Details: dropreel show {job.job_id} --stack {account.stack.name}" in facts
    assert not set(mail["Message"]) & set('{}[]"')


def test_a_finished_video_is_posted_and_its_signature_verified(account: Account) -> None:
    key = account.new_key()
    account.put(key)

    (webhook,) = account.webhooks.of(key)

    verified = Webhook(secret_of(account)).verify(webhook.body, webhook.headers)
    event = account.tail.wait_for(key, EventType.COMPLETED)
    assert verified == {"type": "video.generation.completed", "timestamp": event["time"], **event["detail"]}
    assert webhook.headers["webhook-id"] == event["detail"]["metadata"]["id"]
    assert webhook.path == "/dropreel?shop=1"


def test_a_webhook_that_was_refused_is_delivered_again(account: Account) -> None:
    key = account.new_key()
    account.webhooks.answers[key] = [500]
    account.put(key)

    first, second = account.webhooks.of(key, 2)

    assert first.body == second.body
    assert first.headers["webhook-id"] == second.headers["webhook-id"]
    waited = int(second.headers["webhook-timestamp"]) - int(first.headers["webhook-timestamp"])
    assert 4 <= waited <= 30
    Webhook(secret_of(account)).verify(second.body, second.headers)


@contextmanager
def received_once(account: Account) -> Iterator[None]:
    """Let a webhook be received only once: eight deliveries take more than a day."""
    sqs, url = account.client("sqs"), account.physical("WebhookQueue")
    names = {"QueueUrl": url, "AttributeNames": ["RedrivePolicy"]}
    policy = sqs.get_queue_attributes(**names)["Attributes"]["RedrivePolicy"]
    once = json.dumps({**json.loads(policy), "maxReceiveCount": 1})
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"RedrivePolicy": once})
    try:
        yield
    finally:
        sqs.set_queue_attributes(QueueUrl=url, Attributes={"RedrivePolicy": policy})


def test_a_webhook_that_is_always_refused_becomes_a_dead_letter(account: Account) -> None:
    sqs, dead = account.client("sqs"), account.physical("NotificationDeadLetterQueue")
    key = account.new_key()
    account.webhooks.answers[key] = [500] * 10
    with received_once(account):
        account.put(key)
        account.webhooks.of(key)
        message = _dead_letter(sqs, dead)

    detail = json.loads(message["Body"])["detail"]
    assert detail["data"]["image"]["key"] == key
    assert len(account.webhooks.of(key)) == 1
    alarm = account.client("cloudwatch").describe_alarms(AlarmNames=[account.physical("NotificationDeadLetterAlarm")])
    assert alarm["MetricAlarms"][0]["Dimensions"] == [{"Name": "QueueName", "Value": dead.rpartition("/")[2]}]


def _dead_letter(sqs: Any, url: str) -> dict[str, Any]:
    end = time.monotonic() + 30
    while time.monotonic() < end:
        for message in sqs.receive_message(QueueUrl=url).get("Messages", []):
            sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
            found: dict[str, Any] = message
            return found
        time.sleep(0.2)
    raise AssertionError("no dead letter")


def test_no_log_has_the_secret_or_a_signature(account: Account) -> None:
    group = account.physical("SendWebhookLogGroup")
    lines = [one["message"] for one in account.client("logs").filter_log_events(logGroupName=group)["events"]]
    signatures = [one.headers["webhook-signature"].removeprefix("v1,") for one in account.webhooks.received]

    written = "\n".join(lines)
    assert '"outcome":"delivered"' in written
    assert all(secret not in written for secret in (secret_of(account).removeprefix("whsec_"), *signatures))


# --- the commands of docs/notifications.md ------------------------------------------------------------------------------

PAGE = (ROOT / "docs" / "notifications.md").read_text(encoding="utf-8")


def test_the_secret_is_printed_as_a_receiver_needs_it(account: Account) -> None:
    (command,) = re.findall(r"^```sh\n(echo .*)\n```", PAGE, re.MULTILINE)

    assert pasted(account, command).stdout.strip() == secret_of(account)


@pytest.mark.exhaustive
def test_the_secret_is_rotated_without_a_lost_webhook(account: Account) -> None:
    (steps,) = re.findall(r"^   ```sh\n(.*?)^   ```", PAGE, re.MULTILINE | re.DOTALL)
    (last,) = re.findall(r"Remove the old one: `([^`]+)`", PAGE)
    old = secret_of(account)
    try:
        done = pasted(account, f'{steps}\necho "$new"')
        new = f"whsec_{done.stdout.splitlines()[-1]}"
        assert secret_of(account) == f"{new} {old.removeprefix('whsec_')}"
        restart_processes(account, "SendWebhook")  # they may have cached the secret for five minutes

        key = account.new_key()
        account.put(key)
        (webhook,) = account.webhooks.of(key)
        for secret in (old, new):
            Webhook(secret).verify(webhook.body, webhook.headers)
        done = pasted(account, f'id="{account.physical("WebhookSecret")}" new="{new.removeprefix("whsec_")}"\n{last}')
        assert (done.returncode, secret_of(account)) == (0, new)
    finally:
        restart_processes(account, "SendWebhook")
