"""How AWS logs and traces what a state machine and a function do: checks for tests/e2e/test_engine.py, each true on AWS."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

from botocore.exceptions import ClientError

from local.cloud import Engine
from local.engine_log_delivery import LOG_DELIVERY
from local.engine_tracing import READ_SAMPLING, WRITE_TRACES
from tests.e2e.engine_clients import client_of
from tests.e2e.engine_permissions import allow
from tests.e2e.engine_service_roles import function_with, role_with

_DEFINITION = {"StartAt": "First", "States": {"First": {"Type": "Pass", "End": True}}}


@contextmanager
def _machine(engine: Engine, role: str, definition: Any = None, **settings: Any) -> Iterator[str]:
    machines = client_of(engine, "stepfunctions")
    arn = machines.create_state_machine(
        name="observed", definition=json.dumps(definition or _DEFINITION), roleArn=role, **settings
    )["stateMachineArn"]
    try:
        yield str(arn)
    finally:
        machines.delete_state_machine(stateMachineArn=arn)


def _run(engine: Engine, machine: str) -> str:
    machines = client_of(engine, "stepfunctions")
    execution = machines.start_execution(stateMachineArn=machine, input='{"secret": 1}')["executionArn"]
    while machines.describe_execution(executionArn=execution)["status"] == "RUNNING":
        time.sleep(0.1)
    return str(execution)


@contextmanager
def _log_group(engine: Engine) -> Iterator[dict[str, Any]]:
    """A log group; the configuration of a state machine that logs to it without data."""
    logs = client_of(engine, "logs")
    logs.create_log_group(logGroupName="observed")
    (group,) = logs.describe_log_groups(logGroupNamePrefix="observed")["logGroups"]
    destination = {"cloudWatchLogsLogGroup": {"logGroupArn": group["arn"]}}
    try:
        yield {"level": "ALL", "includeExecutionData": False, "destinations": [destination]}
    finally:
        logs.delete_log_group(logGroupName="observed")


def _is_refused(engine: Engine, role: str, logging: dict[str, Any]) -> bool:
    try:
        with _machine(engine, role, loggingConfiguration=logging):
            return False
    except ClientError as error:
        found = error.response["Error"]
        return found["Code"] == "AccessDeniedException" and "is not authorized to access the Log Destination" in str(
            found["Message"]
        )


def refusal_of_logging(engine: Engine) -> bool:
    """Whether a state machine that logs needs each permission of log delivery, when it is created and when it is updated."""
    machines, refused = client_of(engine, "stepfunctions"), []
    with _log_group(engine) as logging:
        for missing in LOG_DELIVERY:
            kept = [one for one in LOG_DELIVERY if one != missing]
            with role_with(engine, "lacking", "states", allow(*kept, on="*")) as role:
                refused.append(_is_refused(engine, role, logging))
                with _machine(engine, role) as machine:
                    try:
                        machines.update_state_machine(stateMachineArn=machine, loggingConfiguration=logging)
                    except ClientError as error:
                        refused.append(error.response["Error"]["Code"] == "AccessDeniedException")
                    else:
                        refused.append(False)
        with role_with(engine, "logging", "states", allow(*LOG_DELIVERY, on="*")) as role:
            assert not _is_refused(engine, role, logging)
    assert len(set(refused)) == 1, refused
    return refused[0]


def logs_of_a_state_machine(engine: Engine) -> bool:
    """Whether each event of an execution is a log event, without data."""
    logs = client_of(engine, "logs")
    with (
        _log_group(engine) as logging,
        role_with(engine, "logging", "states", allow(*LOG_DELIVERY, on="*")) as role,
        _machine(engine, role, loggingConfiguration=logging) as machine,
    ):
        execution = _run(engine, machine)
        found = logs.filter_log_events(logGroupName="observed")["events"]
    lines = [json.loads(one["message"]) for one in found]
    for line in lines:
        assert line.pop("event_timestamp").isdigit()
    common = {"execution_arn": execution, "redrive_count": "0"}
    return [one["logStreamName"].split("/")[:2] for one in found] == [["states", "observed"]] * 4 and lines == [
        {"id": str(number), "type": kind, "details": details, "previous_event_id": str(previous), **common}
        for number, kind, details, previous in (
            (1, "ExecutionStarted", {"roleArn": role}, 0),
            (2, "PassStateEntered", {"name": "First"}, 0),
            (3, "PassStateExited", {"name": "First"}, 2),
            (4, "ExecutionSucceeded", {}, 3),
        )
    ]


def events_of_a_function(engine: Engine) -> bool:
    """Whether a task that is a function has the events of Lambda in the history."""
    kinds = []
    for fails in (False, True):
        with (
            function_with(engine, "observed", fails=fails) as function,
            role_with(engine, "invoking", "states", allow("lambda:InvokeFunction", on="*")) as role,
        ):
            task = {"StartAt": "Invoke", "States": {"Invoke": {"Type": "Task", "Resource": function, "End": True}}}
            with _machine(engine, role, task) as machine:
                execution = _run(engine, machine)
                history = client_of(engine, "stepfunctions").get_execution_history(executionArn=execution)["events"]
        kinds.append([one["type"] for one in history[2:5]])
    return kinds == [
        ["LambdaFunctionScheduled", "LambdaFunctionStarted", f"LambdaFunction{end}"] for end in ("Succeeded", "Failed")
    ]


def traced_names(client: Any, since: datetime) -> list[str]:
    """Return the name of what each trace is of; raises ClientError where there is no X-Ray."""
    summaries = client.get_trace_summaries(StartTime=since, EndTime=since + timedelta(hours=1))["TraceSummaries"]
    return [service["Name"] for one in summaries for service in one["ServiceIds"]]


def tracing(engine: Engine) -> bool:
    """Whether tracing a function needs both permissions, and a state machine is traced only with all four."""
    since, xray = datetime.now(UTC) - timedelta(seconds=1), client_of(engine, "xray")
    functions, refusals = client_of(engine, "lambda"), []
    for missing in (*WRITE_TRACES, ""):
        kept = [one for one in ("sts:GetCallerIdentity", *WRITE_TRACES) if one != missing]
        with function_with(engine, f"traced{len(kept)}", allow(*kept, on="*")) as function:
            try:
                functions.update_function_configuration(FunctionName=function, TracingConfig={"Mode": "Active"})
            except ClientError as error:
                refusals.append(error.response["Error"]["Message"].rpartition("call ")[2])
            functions.invoke(FunctionName=function)
    every = [*WRITE_TRACES, *READ_SAMPLING]
    for missing in (*every, ""):
        kept = [one for one in every if one != missing]
        with (
            role_with(engine, "tracing", "states", allow(*kept, on="*")) as role,
            _machine(engine, role, tracingConfiguration={"enabled": True}) as machine,
        ):
            _run(engine, machine)
    try:
        names = traced_names(xray, since)
    except ClientError:
        return False
    return refusals == ["PutTraceSegments on XRAY", "PutTelemetryRecords on XRAY"] and [
        one for one in names if one in ("traced2", "traced3", "observed")
    ] == ["traced3", "observed"]


def refused_stacks(engine: Engine) -> bool:
    """Whether a stack is not created whose state machine logs, or whose function is traced, without the permission."""
    formation, ends = client_of(engine, "cloudformation"), []
    with _log_group(engine) as logging, role_with(engine, "lacking", "states") as role:
        (destination,) = logging["destinations"]
        arn = destination["cloudWatchLogsLogGroup"]["logGroupArn"]
        machine = {
            "RoleArn": role,
            "DefinitionString": json.dumps(_DEFINITION),
            "LoggingConfiguration": {
                "Level": "ALL",
                "Destinations": [{"CloudWatchLogsLogGroup": {"LogGroupArn": arn}}],
            },
        }
        function = {
            "Role": role,
            "Runtime": "python3.13",
            "Handler": "index.handler",
            "Code": {"ZipFile": "def handler(event, context): pass"},
            "TracingConfig": {"Mode": "Active"},
        }
        for kind, properties in (("AWS::StepFunctions::StateMachine", machine), ("AWS::Lambda::Function", function)):
            name = f"refused-{kind.rpartition(':')[2]}"
            resources = {"Observed": {"Type": kind, "Properties": properties}}
            formation.create_stack(StackName=name, TemplateBody=json.dumps({"Resources": resources}))
            while (status := _status(formation, name)).endswith("_IN_PROGRESS"):
                time.sleep(0.1)
            events = formation.describe_stack_events(StackName=name)["StackEvents"]
            reasons = [one.get("ResourceStatusReason", "") for one in events if one["LogicalResourceId"] == "Observed"]
            ends.append((status, any(word in one for one in reasons for word in ("Log Destination", "on XRAY"))))
            formation.delete_stack(StackName=name)
    return ends == [("ROLLBACK_COMPLETE", True)] * 2


def _status(formation: Any, stack: str) -> str:
    (found,) = formation.describe_stacks(StackName=stack)["Stacks"]
    return str(found["StackStatus"])
