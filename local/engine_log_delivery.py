"""The log of a state machine, which the local engine does not write; part of engine_corrections.py."""

import hashlib
import json
from datetime import datetime
from importlib import import_module
from typing import Any

from local.engine_service_roles import is_allowed

LOG_DELIVERY = (
    "logs:CreateLogDelivery",
    "logs:GetLogDelivery",
    "logs:UpdateLogDelivery",
    "logs:DeleteLogDelivery",
    "logs:ListLogDeliveries",
    "logs:PutResourcePolicy",
    "logs:DescribeResourcePolicies",
    "logs:DescribeLogGroups",
)
"""What a role needs. https://docs.aws.amazon.com/step-functions/latest/dg/cw-logs.html"""
_REFUSED = "The state machine IAM Role is not authorized to access the Log Destination"
_DATA = ("input", "output", "inputDetails", "outputDetails", "parameters")
_FAULTS = ("Failed", "TimedOut", "Aborted")


def deliver_logs_of_state_machines() -> None:
    """A state machine's log.

    AWS: a state machine with a log is created and updated only where its role has the permissions of log delivery. Each event
    of an execution's history is a log event.
    The engine: keeps the configuration, asks for no permission and writes nothing.
    """
    machines: Any = import_module("ministack.services.stepfunctions")
    provisioners: Any = import_module("ministack.services.cloudformation.provisioners")
    handlers: dict[str, Any] = provisioners._RESOURCE_HANDLERS["AWS::StepFunctions::StateMachine"]
    create, update, add_event, run = (
        machines._create_state_machine,
        machines._update_state_machine,
        machines._add_event,
        machines._run_execution,
    )
    create_from_template = handlers["create"]

    def may_log(role: str, logging: Any) -> bool:
        is_off = _as_api(logging).get("level", "OFF") == "OFF"
        return is_off or all(is_allowed(role, action, "*") for action in LOG_DELIVERY)

    def create_if_allowed(data: dict[str, Any]) -> Any:
        if not may_log(data.get("roleArn", ""), data.get("loggingConfiguration")):
            return machines.error_response_json("AccessDeniedException", _REFUSED, 400)
        return create(data)

    def update_if_allowed(data: dict[str, Any]) -> Any:
        known = machines._state_machines.get(data.get("stateMachineArn")) or {}
        new = {**known, **data}
        if known and not may_log(new["roleArn"], new["loggingConfiguration"]):
            return machines.error_response_json("AccessDeniedException", _REFUSED, 400)
        return update(data)

    def create_from_template_if_allowed(logical_id: str, properties: dict[str, Any], stack: str) -> Any:
        if not may_log(properties.get("RoleArn", ""), properties.get("LoggingConfiguration")):
            reason = f"{_REFUSED} (Service: Sfn, Status Code: 400)"
            raise ValueError(f'Resource handler returned message: "{reason}" (HandlerErrorCode: AccessDenied)')
        return create_from_template(logical_id, properties, stack)

    def log_from_the_start(execution_arn: str) -> None:
        execution = machines._executions[execution_arn]
        if len(execution["events"]) == 1:  # the start is added without _add_event
            _write(execution, execution["events"][0])
        run(execution_arn)

    def add_and_log(execution: dict[str, Any], kind: str, details: Any = None) -> Any:
        event = add_event(execution, kind, details)
        _write(execution, event)
        return event

    machines._create_state_machine, machines._update_state_machine = create_if_allowed, update_if_allowed
    machines._add_event, machines._run_execution = add_and_log, log_from_the_start
    handlers["create"] = create_from_template_if_allowed


def _as_api(value: Any) -> Any:
    """Return a template's property as the API has it: names begin with a small letter."""
    if isinstance(value, dict):
        return {name[:1].lower() + name[1:]: _as_api(one) for name, one in value.items()}
    return [_as_api(one) for one in value] if isinstance(value, list) else value or {}


def _write(execution: dict[str, Any], event: dict[str, Any]) -> None:
    """Write an event of a history to the state machine's log group, if it has one."""
    machines: Any = import_module("ministack.services.stepfunctions")
    logs: Any = import_module("ministack.services.cloudwatch_logs")
    machine = machines._state_machines.get(execution["stateMachineArn"])
    logging = _as_api(machine["loggingConfiguration"]) if machine else {}
    if not _is_logged(logging.get("level", "OFF"), event["type"]):
        return
    at = datetime.fromisoformat(event["timestamp"])
    message = json.dumps(_log_event(execution, event, at, bool(logging.get("includeExecutionData"))))
    # A stream for each hour.
    hour = at.strftime("%Y-%m-%d-%H")
    digest = hashlib.sha256(f"{machine['name']}/{hour}".encode()).hexdigest()[:8]
    stream = f"states/{machine['name']}/{hour}/{digest}"
    for destination in logging.get("destinations") or []:
        arn = destination["cloudWatchLogsLogGroup"]["logGroupArn"]
        where = {"logGroupName": arn.partition(":log-group:")[2].removesuffix(":*"), "logStreamName": stream}
        logs._create_log_stream(where)  # one that is there is left as it is
        logs._put_log_events({**where, "logEvents": [{"timestamp": int(at.timestamp() * 1000), "message": message}]})


def _is_logged(level: str, kind: str) -> bool:
    is_fault = kind.endswith(_FAULTS)
    return level == "ALL" or (level == "ERROR" and is_fault) or (level == "FATAL" and is_fault and "Execution" in kind)


def _log_event(execution: dict[str, Any], event: dict[str, Any], at: datetime, with_data: bool) -> dict[str, Any]:
    """Return what AWS logs of an event: every value is text."""
    details: dict[str, Any] = next((one for name, one in event.items() if name.endswith("EventDetails")), {})
    number = int(event["id"])
    return {
        "id": str(number),
        "type": event["type"],
        "details": {name: one for name, one in details.items() if with_data or name not in _DATA},
        "previous_event_id": str(0 if number <= 2 else number - 1),  # the first state follows no event
        "event_timestamp": str(int(at.timestamp() * 1000)),
        "execution_arn": execution["executionArn"],
        "redrive_count": str(execution.get("redriveCount", 0)),
    }


def name_events_of_lambda_tasks() -> None:
    """The history of a task whose resource is a function's ARN.

    AWS: LambdaFunctionScheduled, LambdaFunctionStarted, and LambdaFunctionSucceeded or LambdaFunctionFailed.
    The engine: TaskScheduled, and TaskSucceeded or TaskFailed, as of other services.
    """
    machines: Any = import_module("ministack.services.stepfunctions")
    add_event = machines._add_event

    def add_named(execution: dict[str, Any], kind: str, details: Any = None) -> Any:
        (content,) = details.values() if details and len(details) == 1 else ({},)
        if not (kind.startswith("Task") and ":lambda:" in content.get("resource", "") and kind in _OF_LAMBDA):
            return add_event(execution, kind, details)
        name = f"lambdaFunction{kind.removeprefix('Task')}EventDetails"
        event = add_event(
            execution,
            f"LambdaFunction{kind.removeprefix('Task')}",
            {name: {key: one for key, one in content.items() if key in _OF_LAMBDA[kind]}},
        )
        return add_event(execution, "LambdaFunctionStarted") if kind == "TaskScheduled" else event

    machines._add_event = add_named


_OF_LAMBDA = {"TaskScheduled": ("resource",), "TaskSucceeded": ("output",), "TaskFailed": ("error", "cause")}
