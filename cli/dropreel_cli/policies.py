"""The IAM policies of the people who use the commands: `reader` looks, `operator` also drops, decides and pauses.

`operations.yaml` has these two as managed policies; a test compares them. `forget` is apart, for the one command that deletes
what was paid for. IAM limits a managed policy to 6,144 characters
without white space. So one statement covers several services: each action applies to the resources of its own service alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from dropreel_cli.stack_arns import StackArns

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dropreel_cli.stack_resources import StackResources

PolicyName = Literal["operator", "reader", "forget"]
Statement = dict[str, Any]

FUNCTIONS = ("SubmitGeneration", "PrepareImage", "CheckStatus", "DeliverVideo", "ReportFailure", "SweepJobs")
IMAGE_RULES = ("ImageUploadedRule", "ExistingBucketImageUploadedRule", "VideoRequestedRule")
"""The rules that send images to the submission queue; the second one is there for an existing bucket only."""
RULES = (*IMAGE_RULES, "ReportFailureFunctionExecutionEnded", "SweepJobsFunctionSchedule")
MAPPINGS = ("SubmitGenerationFunctionQueue", "PrepareImageFunctionQueue")
QUEUES = ("SubmissionQueue", "PrepareQueue", "DeadLetterQueue", "FailedInvocationsQueue")

_EVERY = ("every command",)
_SETTLING = ("resume", "adopt", "resubmit", "abandon")
_PAUSING = ("pause", "unpause")
_READING = ("jobs", "show", "watch", "spend", "doctor", *_SETTLING, "redrive", "forget")
_PLANNING = ("drop", "plan")
_COMMANDS: Mapping[str, tuple[str, ...]] = {
    "cloudformation:DescribeStacks": _EVERY,
    "cloudformation:ListStackResources": ("policy", *_PAUSING, *_PLANNING, "jobs", "show", "watch", "adopt", "doctor"),
    "dynamodb:BatchGetItem": (*_PLANNING, *_READING),
    "dynamodb:GetItem": ("unpause", *_PLANNING, "watch", "spend", *_SETTLING, "redrive", "doctor", "forget"),
    "dynamodb:Query": ("plan", *(one for one in _READING if one != "redrive")),
    "s3:GetObject": _PLANNING,
    "s3:GetObjectVersion": ("drop",),
    "s3:GetBucketNotification": ("doctor",),
    "s3:ListBucket": (*_PLANNING, "doctor"),
    "kms:Decrypt": _PLANNING,
    "cloudwatch:DescribeAlarms": ("doctor",),
    "events:DescribeRule": ("doctor",),
    "events:ListTargetsByRule": ("doctor",),
    "iam:SimulatePrincipalPolicy": ("doctor",),
    "lambda:GetAccountSettings": ("doctor",),
    "lambda:GetEventSourceMapping": (*_PAUSING, *_PLANNING, "jobs", "watch", "doctor"),
    "lambda:GetFunctionConfiguration": ("doctor",),
    "sqs:GetQueueAttributes": ("unpause", "watch", "redrive", "doctor"),
    "states:GetExecutionHistory": ("board",),
    # What changes something.
    "s3:AbortMultipartUpload": ("drop",),
    "s3:PutObject": ("drop",),
    "kms:GenerateDataKey": ("drop",),
    "dynamodb:UpdateItem": (*_SETTLING, "forget"),
    "events:PutEvents": _SETTLING,
    "lambda:UpdateEventSourceMapping": _PAUSING,
    "secretsmanager:GetSecretValue": ("adopt", "doctor"),
    "sqs:SendMessage": ("resubmit", "redrive"),
    "sqs:ChangeMessageVisibility": ("redrive",),
    "sqs:DeleteMessage": ("redrive",),
    "sqs:ReceiveMessage": ("redrive",),
    "states:StartExecution": ("resume", "adopt"),
    # In the policy forget alone.
    "s3:DeleteObject": ("forget",),
    "s3:DeleteObjectVersion": ("forget",),
    "s3:ListBucketVersions": ("forget",),
}
ON_THE_BOARD = frozenset({"jobs", "show", "watch", "spend", *_PLANNING, *_SETTLING, *_PAUSING})
"""The commands whose work the page of `dropreel board` does, too."""
NEEDED_BY: Mapping[str, tuple[str, ...]] = {
    action: (*commands, "board") if ON_THE_BOARD & {*commands} else commands for action, commands in _COMMANDS.items()
}
"""The commands that need an action."""


def policy_document(policy: PolicyName, resources: StackResources) -> dict[str, Any]:
    """Return the policy for this stack, with its own resources."""
    if policy == "forget":
        return {"Version": "2012-10-17", "Statement": _forgetting(resources)}
    is_operator = policy == "operator"
    statements = _reading(resources, with_decisions=is_operator) + (_changing(resources) if is_operator else [])
    return {"Version": "2012-10-17", "Statement": statements}


def _reading(resources: StackResources, *, with_decisions: bool) -> list[Statement]:
    """Return what the commands need that change nothing; `with_decisions` only adds to what the KMS key is used for."""
    arns, parameters = StackArns(resources), resources.stack.parameters
    uploads, videos = resources["UploadsBucket"], resources["VideosBucket"]
    existing, prefix = parameters.get("ExistingUploadsBucketName", ""), parameters.get("UploadsPrefix", "")
    objects = [arns.bucket(uploads, "/*"), arns.bucket(videos, "/*")]
    objects += [arns.bucket(existing, f"/{prefix}*")] if existing else []
    read_bucket = ["s3:GetBucketNotification", "s3:ListBucket"]
    statements = [
        # A policy can name its own user and no role, so it reads of any role what that may do.
        _allow("ReadStack", ["cloudformation:DescribeStacks", "cloudformation:ListStackResources",
                             "cloudwatch:DescribeAlarms", "iam:SimulatePrincipalPolicy",
                             "lambda:GetEventSourceMapping", "states:GetExecutionHistory"],
               [*arns.stacks, arns.arn("cloudwatch", f"alarm:{resources.stack.name}-*"),
                arns.account_wide("iam", "user/${aws:username}"), arns.account_wide("iam", "role/*"),
                *(arns.mapping(one) for one in MAPPINGS), arns.executions("GenerateVideoStateMachine")]),
        _allow("ReadJobs", ["dynamodb:BatchGetItem", "dynamodb:GetItem", "dynamodb:Query"],
               [arns.table("JobsTable"), arns.table("JobsTable", index="*"), arns.table("SpendTable")]),
        _allow("ReadObjects", ["s3:GetObject", "s3:GetObjectVersion"], objects),
        _allow("ReadBuckets", read_bucket, [arns.bucket(uploads), arns.bucket(videos)]),
        # IfExists: what is not a listing has no s3:prefix.
        _allow("ReadExistingBucket", read_bucket, [arns.bucket(existing)],
               {"StringLikeIfExists": {"s3:prefix": f"{prefix}*"}}) if existing else None,
        _use_key(["kms:Decrypt", "kms:GenerateDataKey"] if with_decisions else ["kms:Decrypt"], resources),
        _allow("ReadOperation", ["events:DescribeRule", "events:ListTargetsByRule", "lambda:GetFunctionConfiguration",
                                 "sqs:GetQueueAttributes"], _operation(arns)),
        _allow("ReadQuotas", ["lambda:GetAccountSettings"], ["*"]),  # it has no resource
    ]  # fmt: skip
    return [one for one in statements if one is not None]


def _operation(arns: StackArns) -> list[str]:
    """Return the resources whose state is read."""
    return [
        *arns.functions(f"{one}Function" for one in FUNCTIONS),
        *arns.queues(*QUEUES),
        *arns.rules(RULES),
    ]


def _changing(resources: StackResources) -> list[Statement]:
    """Return what the commands need in addition that drop, decide and pause."""
    arns = StackArns(resources)
    bus = resources.stack.outputs["EventBusName"]
    return [
        _allow("DropAndDecide", ["dynamodb:UpdateItem", "lambda:UpdateEventSourceMapping", "s3:AbortMultipartUpload",
                                 "s3:PutObject", "secretsmanager:GetSecretValue", "sqs:ChangeMessageVisibility",
                                 "sqs:DeleteMessage", "sqs:ReceiveMessage", "states:StartExecution"],
               [arns.table("JobsTable"), arns.bucket(resources["UploadsBucket"], "/*"), resources["ApiKeySecret"],
                arns.mapping("SubmitGenerationFunctionQueue"), *arns.queues("DeadLetterQueue"),
                resources["GenerateVideoStateMachine"]]),
        _allow("SendMessages", ["sqs:SendMessage"], arns.queues("SubmissionQueue", "PrepareQueue")),
        _allow("PublishEvents", ["events:PutEvents"], [arns.arn("events", f"event-bus/{bus}")],
               {"StringEquals": {"events:source": "dropreel"},
                "StringLike": {"events:detail-type": "Video Generation *"}}),
    ]  # fmt: skip


def _forgetting(resources: StackResources) -> list[Statement]:
    """Return what `dropreel forget` needs, and no other command."""
    arns, parameters = StackArns(resources), resources.stack.parameters
    buckets = [resources[one] for one in ("UploadsBucket", "PreparedBucket", "VideosBucket")]
    existing, prefix = parameters.get("ExistingUploadsBucketName", ""), parameters.get("UploadsPrefix", "")
    objects = [arns.bucket(one, "/*") for one in buckets] + ([arns.bucket(existing, f"/{prefix}*")] if existing else [])
    statements = [
        _allow("ReadStack", ["cloudformation:DescribeStacks"], arns.stacks),
        _allow("RedactJobs", ["dynamodb:BatchGetItem", "dynamodb:GetItem", "dynamodb:Query", "dynamodb:UpdateItem"],
               [arns.table("JobsTable"), arns.table("JobsTable", index="by_key")]),
        _allow("FindVersions", ["s3:ListBucketVersions"], [arns.bucket(one) for one in buckets]),
        _allow("FindVersionsInExistingBucket", ["s3:ListBucketVersions"], [arns.bucket(existing)],
               {"StringLike": {"s3:prefix": f"{prefix}*"}}) if existing else None,
        # S3's API reference asks for both where a version is deleted.
        _allow("DeleteVersions", ["s3:DeleteObject", "s3:DeleteObjectVersion"], objects),
    ]  # fmt: skip
    return [one for one in statements if one is not None]


def _use_key(actions: list[str], resources: StackResources) -> Statement | None:
    """Allow the use of the stack's KMS key for what S3 encrypts; None where the stack has no key."""
    key = resources.stack.parameters.get("KmsKeyArn", "")
    if not key:
        return None
    region = resources.stack.arn.split(":")[3]
    return _allow("UseKey", actions, [key], {"StringLike": {"kms:ViaService": f"s3.{region}.*"}})


def _allow(sid: str, actions: list[str], resources: list[str], condition: Statement | None = None) -> Statement:
    found = {"Sid": sid, "Effect": "Allow", "Action": actions, "Resource": resources}
    return found if condition is None else {**found, "Condition": condition}
