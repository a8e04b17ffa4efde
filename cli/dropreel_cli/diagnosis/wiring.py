"""Checks of the stack's parts and of what connects them."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from dropreel.adapters.job_table import BY_DAY_INDEX, BY_KEY_INDEX, JOB_ROW, WAITING_INDEX, key_of
from dropreel.domain.days import day_of
from dropreel_cli.diagnosis.check import Finding, Site, failed, ok
from dropreel_cli.policies import FUNCTIONS, IMAGE_RULES, MAPPINGS, RULES
from dropreel_cli.stack_arns import StackArns
from dropreel_cli.stack_status import CHANGEABLE, what_to_do
from dropreel_cli.submissions import PAUSED_NOTICE, Submissions

if TYPE_CHECKING:
    from collections.abc import Iterator

OUTPUTS = (
    "UploadsBucketName", "VideosBucketName", "JobsTableName", "SpendTableName", "QueueUrl", "DeadLetterQueueUrl",
    "StateMachineArn", "EventBusName", "Version",
)  # fmt: skip
"""The outputs that the commands use."""
_INDEXES = {WAITING_INDEX: "waiting", BY_DAY_INDEX: "listed", BY_KEY_INDEX: "image_key"}
"""The hash key of each of the job table's indexes."""
_OTHER_INVOCATIONS = 5
"""Invocations at a time that are left for polling, delivery and the sweeper."""


def stack_status(site: Site) -> Finding:
    """Look at CloudFormation's status."""
    stack = site.stack
    if stack.status not in CHANGEABLE:
        return failed(f"{stack.name} is {stack.status}.", what_to_do(stack))
    if stack.status == "UPDATE_ROLLBACK_COMPLETE":
        return ok(f"{stack.name} is {stack.status}: its last update failed, and it is as it was before")
    return ok(f"{stack.name} is {stack.status}")


def outputs(site: Site) -> Finding:
    """Look for every output that the commands use."""
    missing = [name for name in OUTPUTS if name not in site.stack.outputs]
    if missing:
        return failed(f"Missing: {', '.join(missing)}.", f"Deploy this release: {site.command('deploy')}")
    return ok(f"complete; the stack is of release {site.stack.outputs['Version']}")


def upload_events(site: Site) -> Finding:
    """Look whether the buckets send their events to EventBridge."""
    s3, existing = site.stack.client("s3"), site.stack.parameters.get("ExistingUploadsBucketName", "")
    buckets = [site.stack.outputs["UploadsBucketName"], *([existing] if existing else [])]
    silent = [bucket for bucket in buckets if not _sends_events(s3, bucket)]
    if silent:
        return failed(
            f"{', '.join(silent)} is missing or sends no events to EventBridge: uploads there become no jobs.",
            "Turn on Amazon EventBridge in the bucket's properties, under Event notifications.",
        )
    return ok(f"{', '.join(buckets)}: sent to EventBridge")


def _sends_events(s3: Any, bucket: str) -> bool:
    try:
        return "EventBridgeConfiguration" in s3.get_bucket_notification_configuration(Bucket=bucket)
    except ClientError as error:
        if error.response["Error"]["Code"] != "NoSuchBucket":
            raise
        return False


def rules(site: Site) -> Finding:
    """Look whether each rule is enabled, and whether images are sent to the submission queue."""
    events, resources = site.stack.client("events"), site.resources
    (queue,) = StackArns(resources).queues("SubmissionQueue")
    there = [one for one in RULES if one in resources]
    for logical_id in there:
        if (fault := rule_fault(site, logical_id)) is not None:
            return fault
        bus, _, name = resources[logical_id].rpartition("|")
        targets = events.list_targets_by_rule(Rule=name, **({"EventBusName": bus} if bus else {}))["Targets"]
        if logical_id in IMAGE_RULES and queue not in [one["Arn"] for one in targets]:
            return failed(
                f"The rule {logical_id} does not send to the submission queue.",
                f"Deploy again: {site.command('deploy')}",
            )
    return ok(f"{len(there)} enabled, and images go to the submission queue")


def rule_fault(site: Site, logical_id: str) -> Finding | None:
    """Return what is to be done about a disabled rule; None for one that is enabled."""
    bus, _, name = site.resources[logical_id].rpartition("|")
    named = {"EventBusName": bus} if bus else {}
    if site.stack.client("events").describe_rule(Name=name, **named)["State"] != "DISABLED":
        return None
    where = f" --event-bus-name {bus}" if bus else ""
    return failed(
        f"The rule {logical_id} is disabled.",
        f"aws events enable-rule --name {name}{where} --region {site.stack.session.region_name}",
    )


def queue_policy(site: Site) -> Finding:
    """Look whether the queue's policy lets each rule of images send to it."""
    answer = site.stack.client("sqs").get_queue_attributes(
        QueueUrl=site.stack.outputs["QueueUrl"], AttributeNames=["Policy"]
    )
    document = json.loads(answer.get("Attributes", {}).get("Policy", "{}"))
    allowed = {arn for statement in document.get("Statement", []) for arn in _senders(statement)}
    arns = StackArns(site.resources)
    missing = [one for one in IMAGE_RULES if one in site.resources and not _is_named(arns.rules([one])[0], allowed)]
    if missing:
        return failed(
            f"The submission queue's policy does not allow {', '.join(missing)}.",
            f"Deploy again: {site.command('deploy')}",
        )
    return ok("the rules may send to the submission queue")


def _senders(statement: dict[str, Any]) -> Iterator[str]:
    """Yield the sources that a statement lets EventBridge send for."""
    if statement.get("Effect") == "Allow" and "events.amazonaws.com" in json.dumps(statement.get("Principal")):
        for keys in statement.get("Condition", {}).values():
            sources = keys.get("aws:SourceArn", [])
            yield from [sources] if isinstance(sources, str) else sources


def _is_named(arn: str, allowed: set[str]) -> bool:
    return arn in allowed or arn.replace(":rule/", ":rule/default/") in allowed


def submissions(site: Site) -> Finding:
    """Look whether the queues' event source mappings are enabled."""
    client = site.stack.client("lambda")
    submit, prepare = (Submissions(client, site.resources[one]).state for one in MAPPINGS)
    if submit != "Enabled":
        step = site.command("unpause") if submit.startswith("Disabl") else "Wait a few seconds, and look again."
        return failed(f"{PAUSED_NOTICE} Lambda says {submit}.", step)
    if prepare != "Enabled":
        return failed(
            f"The trigger of the prepare queue is {prepare}: images that must be prepared wait.",
            enable_command(site, MAPPINGS[1]),
        )
    return ok("on: images are submitted as they arrive")


def enable_command(site: Site, mapping: str) -> str:
    """Return the command that enables an event source mapping."""
    return (
        f"aws lambda update-event-source-mapping --enabled --uuid {site.resources[mapping]}"
        f" --region {site.stack.session.region_name}"
    )


def functions(site: Site) -> Finding:
    """Look whether each function is active and its last update has succeeded."""
    for name in FUNCTIONS:
        if (fault := function_fault(site, name)) is not None:
            return fault
    return ok(f"all {len(FUNCTIONS)} are active and up to date")


def function_fault(site: Site, name: str) -> Finding | None:
    """Return what is to be done about a function; None for one that is active and up to date."""
    answer = site.stack.client("lambda").get_function_configuration(FunctionName=site.resources[f"{name}Function"])
    state, update = answer.get("State", "Active"), answer.get("LastUpdateStatus", "Successful")
    if state == "Failed" or update == "Failed":
        why = answer.get("LastUpdateStatusReason") or answer.get("StateReason") or "Lambda gives no reason."
        return failed(f"{name} is {state}, its last update {update}: {why}", f"Deploy again: {site.command('deploy')}")
    if state == "Pending" or update == "InProgress":
        return failed(f"{name} is {state}, its last update {update}.", "Wait a minute, and look again.")
    return None


def tables(site: Site) -> Finding:
    """Read both tables and the job table's indexes, as the commands do."""
    client, names = site.stack.client("dynamodb"), site.stack.outputs
    try:
        client.get_item(TableName=names["JobsTableName"], Key=key_of("doctor", JOB_ROW))
        client.get_item(TableName=names["SpendTableName"], Key={"day": {"S": day_of(datetime.now(UTC))}})
        for index, attribute in _INDEXES.items():
            client.query(
                TableName=names["JobsTableName"],
                IndexName=index,
                Limit=1,
                KeyConditionExpression="#attribute = :value",
                ExpressionAttributeNames={"#attribute": attribute},
                ExpressionAttributeValues={":value": {"S": "doctor"}},
            )
    except ClientError as error:
        if error.response["Error"]["Code"] not in ("ResourceNotFoundException", "ValidationException"):
            raise
        return failed(
            f"A table or an index of it is missing or being made: {error.response['Error']['Message']}",
            f"Wait for a deployment that is running; else deploy this release: {site.command('deploy')}",
        )
    return ok(f"both can be read, and the {len(_INDEXES)} indexes of jobs")


def videos_bucket(site: Site) -> Finding:
    """Look whether the videos bucket can be reached."""
    bucket = site.stack.outputs["VideosBucketName"]
    try:
        site.stack.client("s3").head_bucket(Bucket=bucket)
    except ClientError as error:
        if error.response["Error"]["Code"] not in ("404", "NoSuchBucket"):
            raise
        return failed(f"There is no bucket {bucket}: videos cannot be delivered.", "Create it again under this name.")
    return ok(bucket)


def lambda_quota(site: Site) -> Finding:
    """Compare the account's concurrent executions with what the stack may use."""
    answer = site.stack.client("lambda").get_account_settings()
    quota = int(answer["AccountLimit"]["ConcurrentExecutions"])
    concurrency = int(site.stack.parameters["SubmitConcurrency"])
    needed = 2 * concurrency + _OTHER_INVOCATIONS  # submitting and preparing have the same limit
    if quota < needed:
        fits = max(2, (quota - _OTHER_INVOCATIONS) // 2)
        lower = f"{site.command(f'set SubmitConcurrency={fits}')}, or " if fits < concurrency else ""
        return failed(
            f"This account may run {quota} invocations at a time; with SubmitConcurrency {concurrency} the stack may start"
            f" {needed}.",
            f"{lower}ask AWS for more Concurrent executions of Lambda (Service Quotas, L-B99A9384).",
        )
    return ok(f"{quota} invocations at a time; the stack needs about {needed}")
