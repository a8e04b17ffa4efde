"""Where the local engine differs from AWS, corrected where it is started: one function for each difference.

This runs in ministack's interpreter, which has none of our packages. `tests/e2e/test_engine.py` shows each difference on an
engine without corrections; a test there fails once the engine no longer needs a correction, which is then deleted.
"""

import contextvars
import hashlib
import ipaddress
import json
import tempfile
import threading
import zipfile
from collections.abc import Callable
from functools import cached_property
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

from local.engine_alarms import evaluate_metric_math
from local.engine_boundaries import keep_permissions_boundaries
from local.engine_log_delivery import deliver_logs_of_state_machines, name_events_of_lambda_tasks
from local.engine_nested_attributes import keep_attributes_in_nested_stacks
from local.engine_query_definitions import accept_query_definitions
from local.engine_regions import list_services_of_regions
from local.engine_resource_policies import ask_targets_for_what_rules_send, ask_topics_for_what_alarms_publish
from local.engine_service_roles import (
    ask_roles_for_what_lambda_does,
    ask_roles_for_what_state_machines_do,
    deny_missing_keys_to_who_may_not_list,
    permit_batches_of_sqs,
)
from local.engine_stores import read_copies_of_stores
from local.engine_tracing import trace_in_the_names_of_roles
from local.secret_corrections import exclude_punctuation_of_secrets, reference_secrets_by_arn

_Properties = dict[str, Any]


def correct_all() -> None:
    """Correct every difference. Call it before the engine serves its first request."""
    for correct in CORRECTIONS:
        correct()


def apply_range_and_overrides_to_versions() -> None:
    """GetObject with `versionId`.

    AWS: a `Range` answers 206 with that part, and the `response-*` parameters of a signed request replace headers.
    The engine: does both for the current version only; a named version answers 200 with the whole object and its own headers.
    """
    s3: Any = import_module("ministack.services.s3")
    get_object = s3._get_object

    def get_version(
        bucket: str, key: str, headers: dict[str, str], query: dict[str, Any] | None = None
    ) -> tuple[int, dict[str, str], bytes]:
        status, answered, body = get_object(bucket, key, headers, query)
        if status != 200 or not s3._qp(query or {}, "versionId", ""):
            return status, answered, body
        wanted = headers.get("range", "")
        if wanted:
            part = s3._parse_range(wanted, len(body))
            if part is None:
                not_there = {"Content-Type": "application/xml", "Content-Range": f"bytes */{len(body)}"}
                return 416, not_there, s3._xml_body(s3._range_error_xml(bucket, key))
            first, last = part
            # A checksum of the whole object does not hold for a part of it.
            answered = {name: value for name, value in answered.items() if "x-amz-checksum-" not in name.lower()}
            answered["Content-Range"] = f"bytes {first}-{last}/{len(body)}"
            body = body[first : last + 1]
            answered["Content-Length"] = str(len(body))
            status = 206
        s3._apply_response_overrides(answered, query)
        return status, answered, body

    s3._get_object = get_version


def add_version_ids_to_s3_events() -> None:
    """S3's events on EventBridge.

    AWS: `detail.object` of a versioned bucket's event carries `version-id`.
    The engine: knows the version, and puts it only into the records that go to a queue, a topic or a function directly.
    """
    s3: Any = import_module("ministack.services.s3")
    eventbridge: Any = import_module("ministack.services.eventbridge")
    fire, dispatch = s3._fire_s3_event, eventbridge._dispatch_event
    version_of_event: contextvars.ContextVar[str | None] = contextvars.ContextVar("version_of_event", default=None)

    def fire_with_version(*arguments: Any, version_id: str | None = None, **others: Any) -> None:
        token = version_of_event.set(version_id)
        try:
            fire(*arguments, version_id=version_id, **others)
        finally:
            version_of_event.reset(token)

    def dispatch_with_version(event: dict[str, Any], *arguments: Any, **others: Any) -> Any:
        version = version_of_event.get()
        if version is not None and event.get("Source") == "aws.s3":
            detail = json.loads(event["Detail"])
            detail["object"]["version-id"] = version
            event = {**event, "Detail": json.dumps(detail)}
        return dispatch(event, *arguments, **others)

    s3._fire_s3_event, eventbridge._dispatch_event = fire_with_version, dispatch_with_version


NUMBERS = {
    "AWS::Lambda::EventSourceMapping": {
        "MaximumConcurrency",
        "ParallelizationFactor",
        "MaximumRetryAttempts",
        "MaximumRecordAgeInSeconds",
    },
    "AWS::Lambda::EventInvokeConfig": {"MaximumRetryAttempts", "MaximumEventAgeInSeconds"},
    "AWS::Events::Rule": {"MaximumRetryAttempts", "MaximumEventAgeInSeconds"},
}
"""The integer properties of a resource type, at any depth, that the engine keeps as the text of a parameter."""


def convert_numbers_from_text() -> None:
    """Whole numbers in a template.

    AWS: a parameter is text, even one of type Number, and CloudFormation makes it a number where the property is one.
    The engine: keeps the text in some properties, and compares it with numbers later, or refuses it.
    """
    provisioners: Any = import_module("ministack.services.cloudformation.provisioners")

    def with_numbers(names: set[str], value: Any) -> Any:
        if isinstance(value, dict):
            return {
                name: int(one) if name in names and isinstance(one, str) else with_numbers(names, one)
                for name, one in value.items()
            }
        return [with_numbers(names, one) for one in value] if isinstance(value, list) else value

    def on_numbers(names: set[str], provision: Callable[..., Any]) -> Callable[..., Any]:
        return lambda *arguments, **others: provision(*(with_numbers(names, one) for one in arguments), **others)

    for resource_type, names in NUMBERS.items():
        handlers: dict[str, Any] = provisioners._RESOURCE_HANDLERS[resource_type]
        for step in {"create", "update"} & handlers.keys():
            handlers[step] = on_numbers(names, handlers[step])


def treat_loopback_as_tls() -> None:
    """`aws:SecureTransport`.

    AWS: its endpoints and its own deliveries are TLS, so a policy that denies everything else lets both through.
    The engine: serves plain http on loopback, which no other machine reaches, and calls that, and what it delivers itself,
    insecure.
    """
    app: Any = import_module("ministack.app")
    evaluator: Any = import_module("ministack.core.iam_evaluator")
    pin = evaluator.pin_request_origin
    evaluator._request_origin = contextvars.ContextVar("request_origin", default=("127.0.0.1", True))

    def pin_loopback(source_ip: str, secure_transport: bool) -> None:
        pin(source_ip, secure_transport or ipaddress.ip_address(source_ip).is_loopback)

    evaluator.pin_request_origin = app.pin_request_origin = pin_loopback


def unpack_each_layer_once() -> None:
    """Layers.

    AWS: a layer is there before a function starts, one copy for all of a function's environments.
    The engine: unpacks hundreds of files for each process that it starts, and removes them with it: a burst of images is
    slower by minutes, and so is its end.
    """
    runtime: Any = import_module("ministack.core.lambda_runtime")
    place, lock = Path(tempfile.gettempdir(), "layers"), threading.Lock()

    class Archive(zipfile.ZipFile):
        @cached_property
        def shared(self) -> Path | None:
            """Return where this layer is unpacked for all processes; None for what is not a layer."""
            if not Path(str(self.filename)).name.startswith("layer_"):
                return None
            return place / hashlib.sha256(Path(str(self.filename)).read_bytes()).hexdigest()

        def namelist(self) -> list[str]:
            is_unpacked = self.shared is not None and self.shared.exists()
            return [] if is_unpacked else super().namelist()  # the engine checks each path, which takes longest

        def extractall(self, path: Any = None, *arguments: Any, **others: Any) -> None:
            shared, target = self.shared, Path(path)
            if shared is None:
                super().extractall(path, *arguments, **others)
                return
            with lock:
                if not shared.exists():
                    unfinished = shared.with_suffix(".part")
                    super().extractall(unfinished, *arguments, **others)
                    unfinished.rename(shared)
            target.rmdir()
            target.symlink_to(shared)

    zip_module: Any = ModuleType("zipfile")
    vars(zip_module).update({**vars(zipfile), "ZipFile": Archive})
    runtime.zipfile = zip_module


def add_condition_keys_of_put_events() -> None:
    """`events:source` and `events:detail-type`.

    AWS: a PutEvents request has both as condition keys, checked for every entry.
    The engine: knows neither, so that a policy with such a condition allows nothing.
    """
    actions: Any = import_module("ministack.core.iam_actions")
    known = actions.request_tag_context

    def with_events(service: str, iam_action: str, body: bytes, params: dict[str, Any]) -> dict[str, Any]:
        found: dict[str, Any] = known(service, iam_action, body, params)
        return {**found, **_events(body)} if iam_action == "events:PutEvents" else found

    actions.request_tag_context = with_events


def _events(body: bytes) -> dict[str, Any]:
    """Return the keys of a request whose entries all agree; where they do not, a list, which equals no value."""
    entries = json.loads(body).get("Entries", [])
    found = {}
    for key, name in (("events:source", "Source"), ("events:detail-type", "DetailType")):
        values = {str(entry.get(name, "")) for entry in entries}
        found[key] = values.pop() if len(values) == 1 else sorted(values)
    return found


def match_alarms_by_dimensions() -> None:
    """CloudWatch's alarms.

    AWS: an alarm watches the metric with exactly its dimensions.
    The engine: watches every metric of that name, so that one queue's messages raise another one's alarm.
    """
    cloudwatch: Any = import_module("ministack.services.cloudwatch")
    wanted: contextvars.ContextVar[str | None] = contextvars.ContextVar("wanted", default=None)
    evaluate = cloudwatch._evaluate_alarm

    class Metrics(type(cloudwatch._metrics)):  # type: ignore[misc]  # the engine has no types
        __slots__ = ()

        def items(self) -> list[Any]:
            found = list(super().items())
            return found if wanted.get() is None else [one for one in found if one[0][2] == wanted.get()]

    def evaluate_with_dimensions(alarm: dict[str, Any]) -> None:
        token = wanted.set(cloudwatch._dims_key(cloudwatch._dims_from_list(alarm.get("Dimensions") or [])))
        try:
            evaluate(alarm)
        finally:
            wanted.reset(token)

    cloudwatch._metrics = Metrics()
    cloudwatch._evaluate_alarm = evaluate_with_dimensions


def authorize_by_resource() -> None:
    """What a policy is asked for.

    AWS: an event source mapping is read by `lambda:GetEventSourceMapping` and changed by `lambda:UpdateEventSourceMapping`;
    Lambda's quotas are read by `lambda:GetAccountSettings`; a rule on the default bus is `rule/NAME`; DescribeAlarms with
    names is allowed alarm by alarm; a simulation is allowed for the principal that it is of.
    The engine: asks for `lambda:ListEventSourceMappings` for a read, for nothing for a change and for the quotas, for
    `rule/default/NAME`, for all alarms, and for all principals.
    """
    actions: Any = import_module("ministack.core.iam_actions")
    action_of, arn_of = actions._lambda_action, actions.extract_resource_arn

    def lambda_action(method: str, path: str) -> str | None:
        parts = [part for part in path.split("/") if part]
        if "event-source-mappings" in parts[:-1]:
            verb = {"GET": "Get", "PUT": "Update", "DELETE": "Delete"}.get(method)
            return f"{verb}EventSourceMapping" if verb else None
        if parts[-1:] == ["account-settings"]:
            return "GetAccountSettings"
        found: str | None = action_of(method, path)
        return found

    def resource_arn(service: str, method: str, path: str, headers: Any, body: bytes, params: Any, *where: str) -> str:
        found: str = arn_of(service, method, path, headers, body, params, *where)
        if service == "iam" and found == "*":
            return str(actions._query_param(params, "PolicySourceArn") or "*")
        if service == "events":
            if rule := actions._safe_json_field(body, "Rule"):  # of ListTargetsByRule
                bus = actions._safe_json_field(body, "EventBusName") or "default"
                found = f"arn:aws:events:{where[0]}:{where[1]}:rule/{bus}/{rule}"
            return found.replace(":rule/default/", ":rule/")
        if service == "monitoring" and found == "*":
            name = _first_alarm_name(headers, body, params)
            return f"arn:aws:cloudwatch:{where[0]}:{where[1]}:alarm:{name}" if name else "*"
        return found

    actions._lambda_action, actions.extract_resource_arn = lambda_action, resource_arn


def _first_alarm_name(headers: Any, body: bytes, params: Any) -> str:
    """Return the first name of a DescribeAlarms request, in whichever of CloudWatch's protocols it is; empty for none."""
    named = params.get("AlarmNames.member.1", "")
    if named:
        return str(named[0] if isinstance(named, list) else named)
    if "cbor" in str(headers.get("content-type", "")):
        decoded: Any = import_module("cbor2").loads(body)
    else:
        try:
            decoded = json.loads(body or b"{}")
        except ValueError:
            return ""
    names = decoded.get("AlarmNames") or [""]
    return str(names[0])


def replace_user_name_in_resources() -> None:
    """`${aws:username}` in a policy's resources.

    AWS: is the name of the user who asks.
    The engine: takes it as it is written.
    """
    evaluator: Any = import_module("ministack.core.iam_evaluator")
    evaluate, matches = evaluator.evaluate, evaluator._resource_matches
    user: contextvars.ContextVar[str] = contextvars.ContextVar("user", default="")

    def evaluate_for_user(context: Any, *policies: Any, **others: Any) -> Any:
        token = user.set(str(context.principal_keys.get("aws:username", "")))
        try:
            return evaluate(context, *policies, **others)
        finally:
            user.reset(token)

    def matches_for_user(arn: str, *patterns: list[str]) -> bool:
        named = ([one.replace("${aws:username}", user.get()) for one in each] for each in patterns)
        return bool(matches(arn, *named))

    evaluator.evaluate, evaluator._resource_matches = evaluate_for_user, matches_for_user


def simulate_with_resources_and_context() -> None:
    """SimulatePrincipalPolicy.

    AWS: simulates each action on each of the resources, with the condition keys of the request.
    The engine: looks at the first resource alone, and ignores the keys, so that a statement with a condition allows nothing.
    """
    iam: Any = import_module("ministack.services.iam")
    evaluator: Any = import_module("ministack.core.iam_evaluator")
    simulate, build, context_of = (
        iam._simulate_principal_policy,
        iam._build_simulate_results_real,
        evaluator.EvalContext,
    )
    asked: contextvars.ContextVar[Any] = contextvars.ContextVar("asked", default=None)

    def simulate_all(params: Any) -> Any:
        token = asked.set(params)
        try:
            return simulate(params)
        finally:
            asked.reset(token)

    def members(prefix: str) -> list[str]:
        found: list[str] = []
        while value := iam._p(asked.get(), f"{prefix}.member.{len(found) + 1}"):
            found.append(str(value))
        return found

    def with_keys(**fields: Any) -> Any:
        keys: dict[str, Any] = {}
        if asked.get() is not None:
            while name := iam._p(asked.get(), f"ContextEntries.member.{len(keys) + 1}.ContextKeyName"):
                values = members(f"ContextEntries.member.{len(keys) + 1}.ContextKeyValues")
                keys[str(name).lower()] = values[0] if len(values) == 1 else values
        return context_of(**fields, **({"service_context": keys} if keys else {}))

    def results(actions: list[str], resource: str, *others: Any) -> str:
        if asked.get() is None:
            return str(build(actions, resource, *others))
        found = ""
        for action in actions:
            each = [str(build([action], one, *others)) for one in members("ResourceArns") or [resource]]
            found += next((one for one in each if "<EvalDecision>allowed<" not in one), each[0])
        return found

    iam._build_simulate_results_real, evaluator.EvalContext = results, with_keys
    iam._IAM_HANDLERS["SimulatePrincipalPolicy"] = simulate_all


NESTED_STACK = "AWS::CloudFormation::Stack"
_EMBEDDED = "Embedded stack"
"""How the parent's reason begins; the nested stack's id is next."""


def fail_nested_stacks_with_their_parent() -> None:
    """A nested stack that fails.

    AWS: the parent's event has the nested stack's id, and a reason that only names the resources; what the nested stack has
    created is deleted. A rolled back update has statuses of a rollback.
    The engine: the parent's event has the resource's reason and no id, what was created stays, and a rollback is an update.
    """
    formation: Any = import_module("ministack.services.cloudformation")
    stacks: Any = import_module("ministack.services.cloudformation.stacks")
    provisioners: Any = import_module("ministack.services.cloudformation.provisioners")
    handlers: dict[str, Any] = provisioners._RESOURCE_HANDLERS[NESTED_STACK]
    create, update, delete, add_event = handlers["create"], handlers["update"], handlers["delete"], stacks._add_event

    def end_failed(name: str, status: str, verb: str) -> str:
        """Add the nested stack's own event that it has failed; return its reason."""
        stack = formation._stacks[name]
        events = formation._stack_events[stack["StackId"]]
        failed = [one["LogicalResourceId"] for one in events if one["ResourceStatus"].endswith("_FAILED")]
        reason = f"The following resource(s) failed to {verb}: [{', '.join(failed[-1:])}]. "
        add_event(stack["StackId"], name, name, NESTED_STACK, status, reason, physical_id=stack["StackId"])
        return reason

    def create_or_delete(logical_id: str, properties: Any, parent: str) -> Any:
        known = set(formation._stacks)
        try:
            return create(logical_id, properties, parent)
        except Exception as error:
            new = [
                name for name in formation._stacks if name not in known and name.startswith(f"{parent}-{logical_id}-")
            ]
            if not new:  # its template was refused
                raise
            reason, nested_id = end_failed(new[0], "CREATE_FAILED", "create"), formation._stacks[new[0]]["StackId"]
            delete(nested_id, properties)
            raise ValueError(f"{_EMBEDDED} {nested_id} was not successfully created: {reason}") from error

    def update_or_roll_back(nested_id: str, old: Any, new: Any, parent: str) -> Any:
        name = provisioners._nested_stack_lookup_name(nested_id)
        events = formation._stack_events[nested_id]
        is_rollback = formation._stacks[name]["StackStatus"] == "UPDATE_FAILED"
        before = len(events)
        try:
            answer = update(nested_id, old, new, parent)
        except Exception as error:
            if formation._stacks[name]["StackStatus"] != "UPDATE_FAILED":  # its template was refused
                raise
            reason = end_failed(name, "UPDATE_FAILED", "update")
            raise ValueError(f"{_EMBEDDED} {nested_id} was not successfully updated. {reason}") from error
        for event in events[before:] if is_rollback else ():
            if event["LogicalResourceId"] == name:
                event["ResourceStatus"] = event["ResourceStatus"].replace("UPDATE_", "UPDATE_ROLLBACK_")
        return answer

    def add_event_with_id(
        stack_id: str, name: str, logical_id: str, kind: str, status: str, reason: str = "", *rest: Any, **others: Any
    ) -> None:
        if kind == NESTED_STACK and not rest and not others and reason.startswith(_EMBEDDED):
            others = {"physical_id": reason.split()[2]}
        add_event(stack_id, name, logical_id, kind, status, reason, *rest, **others)

    handlers["create"], handlers["update"] = create_or_delete, update_or_roll_back
    stacks._add_event = add_event_with_id


CORRECTIONS: tuple[Callable[[], None], ...] = (
    apply_range_and_overrides_to_versions,
    add_version_ids_to_s3_events,
    convert_numbers_from_text,
    treat_loopback_as_tls,
    unpack_each_layer_once,
    add_condition_keys_of_put_events,
    match_alarms_by_dimensions,
    evaluate_metric_math,
    authorize_by_resource,
    replace_user_name_in_resources,
    simulate_with_resources_and_context,
    reference_secrets_by_arn,
    exclude_punctuation_of_secrets,
    keep_attributes_in_nested_stacks,
    fail_nested_stacks_with_their_parent,
    permit_batches_of_sqs,
    keep_permissions_boundaries,
    accept_query_definitions,
    list_services_of_regions,
    ask_roles_for_what_lambda_does,
    ask_roles_for_what_state_machines_do,
    deny_missing_keys_to_who_may_not_list,
    ask_targets_for_what_rules_send,
    ask_topics_for_what_alarms_publish,
    deliver_logs_of_state_machines,
    name_events_of_lambda_tasks,
    trace_in_the_names_of_roles,
    read_copies_of_stores,
)
