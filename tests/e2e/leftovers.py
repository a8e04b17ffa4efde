"""Everything that a local run leaves behind, as texts, and the secrets in them."""

import json
import re
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from tests.e2e.conftest import Account

WINDOW = 16
"""This many consecutive characters of a signature or token are a part of it."""
FORMS = re.compile(
    r"x-amz-(?:signature|credential|security-token)|awsaccesskeyid|[?&](?:signature|sig|token)=|expires=[0-9]+&"
    r"|authorization[\"']?\s*[:=]\s*[\"']?(?!bearer\b)[a-z0-9]|\bbearer\s+[a-z0-9]",
    re.IGNORECASE,
)
"""How a signed address and a header with a key begin."""
TEXT_BYTES = 256 * 1024
"""Objects up to this size are read: receipts, option files, small images."""


class Leftover(NamedTuple):
    """A text and where it is."""

    place: str
    text: str


def leftovers(account: Account) -> Iterator[Leftover]:
    """Yield what the account holds: logs, events, items, executions, messages, objects, and functions' settings."""
    yield from _log_lines(account)
    yield from (Leftover(f"event {event['id']}", _json(event)) for event in account.tail.events())
    yield from _items(account)
    yield from _executions(account)
    yield from _messages(account)
    yield from _objects(account)
    for function in _pages(account, "lambda", "list_functions", "Functions"):
        yield Leftover(f"function {function['FunctionName']}", _json(function))


def secrets_in(texts: Iterable[Leftover], secrets: Iterable[str]) -> list[str]:
    """Return where a text has one of the secrets, a part of a long one, or the form of a signed address or a key's header."""
    short = [secret for secret in secrets if len(secret) < WINDOW]
    windows = {secret[at : at + WINDOW] for secret in secrets for at in range(len(secret) - WINDOW + 1)}
    return [f"{place}: {found}" for place, text in texts for found in _found(text, short, windows)]


def _found(text: str, short: list[str], windows: set[str]) -> Iterator[str]:
    yield from (f"the secret {secret}" for secret in short if secret in text)
    yield from (f"the form {_around(text, found)}" for found in FORMS.finditer(text))
    for run in re.finditer(rf"[0-9A-Za-z+/=%_-]{{{WINDOW},}}", text):
        if any(run[0][at : at + WINDOW] in windows for at in range(len(run[0]) - WINDOW + 1)):
            yield f"a signature or token: {_around(text, run)}"


def _around(text: str, found: "re.Match[str]") -> str:
    return repr(text[max(0, found.start() - 80) : found.end() + 40])


def _log_lines(account: Account) -> Iterator[Leftover]:
    for group in _pages(account, "logs", "describe_log_groups", "logGroups"):
        name = group["logGroupName"]
        for event in _pages(account, "logs", "filter_log_events", "events", logGroupName=name):
            yield Leftover(f"log {name}", event["message"])


def _items(account: Account) -> Iterator[Leftover]:
    for table in ("JobsTableName", "SpendTableName"):
        name = account.stack.outputs[table]
        yield from (
            Leftover(f"item of {table}", _json(item))
            for item in _pages(account, "dynamodb", "scan", "Items", TableName=name)
        )


def _executions(account: Account) -> Iterator[Leftover]:
    machine = account.stack.outputs["StateMachineArn"]
    for execution in _pages(account, "stepfunctions", "list_executions", "executions", stateMachineArn=machine):
        arn = execution["executionArn"]
        described = account.client("stepfunctions").describe_execution(executionArn=arn)
        yield Leftover(f"execution {execution['name']}", _json(described))
        history = _pages(account, "stepfunctions", "get_execution_history", "events", executionArn=arn)
        yield from (Leftover(f"history of {execution['name']}", _json(event)) for event in history)


def _messages(account: Account) -> Iterator[Leftover]:
    """Yield the visible messages of every queue, which stay visible."""
    sqs = account.client("sqs")
    for url in sqs.list_queues().get("QueueUrls", []):
        seen: set[str] = set()
        while True:
            found = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, VisibilityTimeout=2).get("Messages", [])
            new = [message for message in found if message["MessageId"] not in seen]
            if not new:
                break
            seen |= {message["MessageId"] for message in new}
            yield from (Leftover(f"message in {url.rpartition('/')[2]}", _json(message)) for message in new)


def _objects(account: Account) -> Iterator[Leftover]:
    s3 = account.client("s3")
    for bucket in (one["Name"] for one in s3.list_buckets()["Buckets"]):
        for version in _pages(account, "s3", "list_object_versions", "Versions", Bucket=bucket):
            place = f"object {bucket}/{version['Key']}"
            named = {"Bucket": bucket, "Key": version["Key"], "VersionId": version["VersionId"]}
            if version["Size"] > TEXT_BYTES:
                yield Leftover(place, _json(s3.head_object(**named)["Metadata"]))
                continue
            stored = s3.get_object(**named)
            yield Leftover(place, _json(stored["Metadata"]))
            yield Leftover(place, stored["Body"].read().decode("latin-1"))


def _pages(account: Account, service: str, operation: str, result: str, **arguments: Any) -> Iterator[dict[str, Any]]:
    for page in account.client(service).get_paginator(operation).paginate(**arguments):
        yield from page.get(result, [])


def _json(value: Any) -> str:
    return json.dumps(value, default=str, ensure_ascii=False)
