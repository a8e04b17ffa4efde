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
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

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
        def extractall(self, path: Any = None, *arguments: Any, **others: Any) -> None:
            target = Path(path)
            if not target.name.startswith("layer_"):
                super().extractall(path, *arguments, **others)
                return
            shared = place / hashlib.sha256(Path(str(self.filename)).read_bytes()).hexdigest()
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


CORRECTIONS: tuple[Callable[[], None], ...] = (
    apply_range_and_overrides_to_versions,
    add_version_ids_to_s3_events,
    convert_numbers_from_text,
    treat_loopback_as_tls,
    unpack_each_layer_once,
    add_condition_keys_of_put_events,
    match_alarms_by_dimensions,
)
