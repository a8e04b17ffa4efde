"""Permissions that the local engine does not ask for as AWS does; part of engine_corrections.py."""

import contextvars
import time
from importlib import import_module
from typing import Any

_CACHED_SECONDS = 0.5
"""The engine looks at each event source mapping many times a second."""


def is_allowed(role_arn: str, action: str, resource: str) -> bool:
    """Whether a role's policies allow an action on a resource."""
    evaluator: Any = import_module("ministack.core.iam_evaluator")
    account, name = role_arn.split(":")[4], role_arn.rpartition("/")[2]
    context = evaluator.EvalContext(
        principal_arn=f"arn:aws:sts::{account}:assumed-role/{name}/service",
        principal_type="AssumedRole",
        principal_account=account,
        action=action,
        resource_arn=resource,
        region="",
    )
    return bool(evaluator.evaluate(context, evaluator._gather_role_policies(name, account)).decision == "Allow")


def ask_roles_for_what_lambda_does() -> None:
    """What Lambda does with a function's role.

    AWS: receives and deletes the messages of an event source mapping, writes the logs, and sends failed invocations with the
    permissions of the function's role; a mapping needs its three permissions all the time.
    The engine: does all of it without asking.
    """
    functions: Any = import_module("ministack.services.lambda_svc")
    logs: Any = import_module("ministack.services.cloudwatch_logs")
    concurrency, emit, route = (
        functions._sqs_esm_concurrency,
        functions._emit_lambda_logs,
        functions._route_async_failure,
    )
    polled: dict[tuple[str, str], tuple[float, bool]] = {}

    def may_poll(role: str, queue: str) -> bool:
        at, found = polled.get((role, queue), (0.0, False))
        if time.monotonic() - at > _CACHED_SECONDS:
            actions = ("sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes")
            found = all(is_allowed(role, action, queue) for action in actions)
            polled[role, queue] = (time.monotonic(), found)
        return found

    def concurrency_if_allowed(mapping: Any, function: Any, config: Any, *others: Any) -> int:
        may = may_poll(config["Role"], mapping["EventSourceArn"])
        return int(concurrency(mapping, function, config, *others)) if may else 0

    def emit_if_allowed(function: Any, *arguments: Any, **others: Any) -> None:
        config = function.get("config") or function
        group = (config.get("LoggingConfig") or {}).get("LogGroup") or f"/aws/lambda/{config['FunctionName']}"
        stream = logs._make_group_arn(group).removesuffix(":*") + ":log-stream:new"
        if all(is_allowed(config["Role"], f"logs:{one}", stream) for one in ("CreateLogStream", "PutLogEvents")):
            emit(function, *arguments, **others)

    def route_if_allowed(target: str, name: str, *arguments: Any) -> None:
        if ":sqs:" not in target or is_allowed(functions._functions[name]["config"]["Role"], "sqs:SendMessage", target):
            route(target, name, *arguments)

    functions._sqs_esm_concurrency = concurrency_if_allowed
    functions._emit_lambda_logs = emit_if_allowed
    functions._route_async_failure = route_if_allowed


def ask_roles_for_what_state_machines_do() -> None:
    """What a state machine does with its role.

    AWS: a task that its role may not invoke fails with `Lambda.AWSLambdaException`.
    The engine: invokes it.
    """
    machines: Any = import_module("ministack.services.stepfunctions")
    functions: Any = import_module("ministack.services.lambda_svc")
    run, call = machines._run_execution, machines._call_lambda
    role: contextvars.ContextVar[str] = contextvars.ContextVar("role", default="")

    def run_with_role(execution_arn: str) -> None:
        machine = machines._executions[execution_arn]["stateMachineArn"]
        token = role.set(machines._state_machines[machine]["roleArn"])
        try:
            run(execution_arn)
        finally:
            role.reset(token)

    def call_if_allowed(function: Any, event: Any) -> Any:
        _, config, _ = functions._get_func_record_for_ref(function)
        if config and role.get() and not is_allowed(role.get(), "lambda:InvokeFunction", config["FunctionArn"]):
            raise machines._ExecutionError(
                "Lambda.AWSLambdaException",
                f"User: {role.get()} is not authorized to perform: lambda:InvokeFunction"
                f" on resource: {config['FunctionArn']} (Service: AWSLambda; Status Code: 403; AccessDeniedException)",
            )
        return call(function, event)

    machines._run_execution, machines._call_lambda = run_with_role, call_if_allowed


def deny_missing_keys_to_who_may_not_list() -> None:
    """A key that is not there.

    AWS: GetObject and HeadObject answer 404 to who has `s3:ListBucket`, and 403 to all others.
    The engine: always 404.
    """
    s3: Any = import_module("ministack.services.s3")
    evaluator: Any = import_module("ministack.core.iam_evaluator")
    get, head = s3._get_object, s3._head_object

    def is_hidden(bucket: str, query: Any) -> bool:
        caller = evaluator.caller_arn()
        if ":assumed-role/" not in caller or "versionId" in (query or {}):
            return False
        account, name = caller.split(":")[4], caller.split("/")[1]
        return not is_allowed(f"arn:aws:iam::{account}:role/{name}", "s3:ListBucket", f"arn:aws:s3:::{bucket}")

    def get_unless_hidden(bucket: str, key: str, headers: Any, query: Any = None) -> Any:
        answer = get(bucket, key, headers, query)
        if answer[0] == 404 and is_hidden(bucket, query):
            return s3._error("AccessDenied", "Access Denied", 403, f"/{bucket}/{key}")
        return answer

    def head_unless_hidden(bucket: str, key: str, headers: Any = None, query: Any = None) -> Any:
        answer = head(bucket, key, headers, query)
        return (403, *answer[1:]) if answer[0] == 404 and is_hidden(bucket, query) else answer

    s3._get_object, s3._head_object = get_unless_hidden, head_unless_hidden


def permit_batches_of_sqs() -> None:
    """SQS's batches.

    AWS: `SendMessageBatch` needs the permission `sqs:SendMessage`, and the other batches that of their single calls.
    The engine: asks for `sqs:SendMessageBatch`, an action that IAM does not have.
    """
    actions: Any = import_module("ministack.core.iam_actions")
    extract = actions.extract_iam_action

    def extract_single(service: str, *arguments: Any, **others: Any) -> str | None:
        action: str | None = extract(service, *arguments, **others)
        return action.removesuffix("Batch") if service == "sqs" and action else action

    actions.extract_iam_action = extract_single
