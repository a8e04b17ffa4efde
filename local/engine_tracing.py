"""AWS X-Ray, which the local engine lacks; part of engine_corrections.py."""

import json
import secrets
import time
from collections.abc import Iterator
from importlib import import_module
from typing import Any

from local.engine_service_roles import is_allowed

WRITE_TRACES = ("xray:PutTraceSegments", "xray:PutTelemetryRecords")
"""What a function's role needs. https://docs.aws.amazon.com/lambda/latest/dg/services-xray.html"""
READ_SAMPLING = ("xray:GetSamplingRules", "xray:GetSamplingTargets")
"""What a state machine's role needs as well. https://docs.aws.amazon.com/step-functions/latest/dg/xray-iam.html"""
_KEPT = 1000


def trace_in_the_names_of_roles() -> None:
    """`TracingConfig` of a function, and `TracingConfiguration` of a state machine.

    AWS: refuses active tracing of a function whose role may not write traces. It traces a state machine only where the role
    may write traces and read the rules of sampling. A trace is listed with the name of what is traced.
    The engine: has no X-Ray, and takes both settings without a permission. Here every invocation and every execution is
    traced, without sampling, and GetTraceSummaries alone is there, without segments of its own for what is called.
    """
    app: Any = import_module("ministack.app")
    functions: Any = import_module("ministack.services.lambda_svc")
    machines: Any = import_module("ministack.services.stepfunctions")
    traces: list[dict[str, Any]] = []

    def add(kind: str, name: str) -> None:
        trace_id = f"1-{int(time.time()):08x}-{secrets.token_hex(12)}"
        traces.append({"Id": trace_id, "at": time.time(), "ServiceIds": [{"Name": name, "Type": kind}]})
        del traces[:-_KEPT]

    async def list_traces(_method: str, path: str, _headers: Any, body: bytes, _query: Any) -> Any:
        if path != "/TraceSummaries":
            return 404, {}, b"{}"
        asked = json.loads(body)
        found = [
            {name: one[name] for name in ("Id", "ServiceIds")}
            for one in traces
            if asked["StartTime"] <= one["at"] <= asked["EndTime"]
        ]
        answer = {"TraceSummaries": found, "TracesProcessedCount": len(found)}
        return 200, {"Content-Type": "application/json"}, json.dumps(answer).encode()

    detect = app.detect_service

    def detect_xray(method: str, path: str, headers: Any, query: Any) -> Any:
        is_xray = "/xray/aws4_request" in headers.get("authorization", "")
        return "xray" if is_xray else detect(method, path, headers, query)

    app.detect_service, app.SERVICE_HANDLERS["xray"] = detect_xray, list_traces
    _trace_functions(functions, add)
    _trace_state_machines(machines, add)


def _lacking(role: str, *actions: str) -> Iterator[str]:
    return (action for action in actions if not is_allowed(role, action, "*"))


def _is_active(config: dict[str, Any]) -> bool:
    return (config.get("TracingConfig") or {}).get("Mode") == "Active"


def _trace_functions(functions: Any, add: Any) -> None:
    provisioners: Any = import_module("ministack.services.cloudformation.provisioners")
    handlers: dict[str, Any] = provisioners._RESOURCE_HANDLERS["AWS::Lambda::Function"]
    create, update, emit = functions._create_function, functions._update_config, functions._emit_lambda_logs
    create_from_template = handlers["create"]

    def reason(config: dict[str, Any]) -> str:
        """Return why the function is refused; an empty text if it is not."""
        missing = next(_lacking(config.get("Role", ""), *WRITE_TRACES), "") if _is_active(config) else ""
        call = missing.removeprefix("xray:")
        return missing and f"The provided execution role does not have permissions to call {call} on XRAY"

    def refused(text: str) -> Any:
        return functions.error_response_json("InvalidParameterValueException", text, 400)

    def create_if_allowed(data: dict[str, Any]) -> Any:
        text = reason(data)
        return refused(text) if text else create(data)

    def update_if_allowed(name: str, data: dict[str, Any]) -> Any:
        known = functions._functions.get(name)
        text = reason({**known["config"], **data}) if known and {"TracingConfig", "Role"} & data.keys() else ""
        return refused(text) if text else update(name, data)

    def create_from_template_if_allowed(logical_id: str, properties: dict[str, Any], stack: str) -> Any:
        text = reason(properties)
        if text:
            raise ValueError(f'Resource handler returned message: "{text} (Service: Lambda, Status Code: 400)"')
        return create_from_template(logical_id, properties, stack)

    def emit_and_trace(function: Any, *arguments: Any, **others: Any) -> None:
        emit(function, *arguments, **others)
        config = function.get("config") or function
        if _is_active(config) and not next(_lacking(config["Role"], *WRITE_TRACES), ""):
            add("AWS::Lambda::Function", config["FunctionName"])

    functions._create_function, functions._update_config = create_if_allowed, update_if_allowed
    functions._emit_lambda_logs, handlers["create"] = emit_and_trace, create_from_template_if_allowed


def _trace_state_machines(machines: Any, add: Any) -> None:
    """Keep the setting of a template's state machines, and trace their executions."""
    provisioners: Any = import_module("ministack.services.cloudformation.provisioners")
    handlers: dict[str, Any] = provisioners._RESOURCE_HANDLERS["AWS::StepFunctions::StateMachine"]
    create, update, run = handlers["create"], handlers["update"], machines._run_execution
    create_by_api, update_by_api = machines._create_state_machine, machines._update_state_machine
    traced: dict[str, bool] = {}

    def keep(answer: Any, properties: dict[str, Any]) -> Any:
        traced[answer[0]] = bool((properties.get("TracingConfiguration") or {}).get("Enabled"))
        return answer

    def create_traced(logical_id: str, properties: dict[str, Any], stack: str) -> Any:
        return keep(create(logical_id, properties, stack), properties)

    def update_traced(physical_id: str, old: Any, new: dict[str, Any], *others: Any, **named: Any) -> Any:
        return keep(update(physical_id, old, new, *others, **named), new)

    def create_by_api_traced(data: dict[str, Any]) -> Any:
        answer = create_by_api(data)
        if answer[0] == 200:
            traced[json.loads(answer[2])["stateMachineArn"]] = bool(
                (data.get("tracingConfiguration") or {}).get("enabled")
            )
        return answer

    def update_by_api_traced(data: dict[str, Any]) -> Any:
        answer = update_by_api(data)
        if answer[0] == 200 and "tracingConfiguration" in data:
            traced[data["stateMachineArn"]] = bool(data["tracingConfiguration"].get("enabled"))
        return answer

    def run_and_trace(execution_arn: str) -> None:
        machine = machines._executions[execution_arn]["stateMachineArn"]
        name, role = machines._state_machines[machine]["name"], machines._state_machines[machine]["roleArn"]
        run(execution_arn)
        if traced.get(machine) and not next(_lacking(role, *WRITE_TRACES, *READ_SAMPLING), ""):
            add("AWS::StepFunctions::StateMachine", name)

    handlers["create"], handlers["update"] = create_traced, update_traced
    machines._create_state_machine, machines._update_state_machine = create_by_api_traced, update_by_api_traced
    machines._run_execution = run_and_trace
