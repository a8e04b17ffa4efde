import copy
import hashlib
import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from dropreel.domain.events import detail_of
from dropreel.domain.images import Image, PrepareReason
from dropreel.domain.job import TERMINAL, Charge, EventType, Job, JobStatus, VideoObject
from dropreel.domain.option_places import MAX_PROMPT_CHARACTERS
from dropreel.domain.options import ASPECT_RATIOS, OPTION_NAMES
from dropreel.domain.reasons import Reason, ReasonCode
from dropreel.domain.receipts import receipt_of
from dropreel.provider.limits import MAX_IMAGE_BYTES
from dropreel.use_cases.prepare_image import ENDINGS
from tests.support.sample_jobs import IMAGE, NOON, OPTIONS, PREPARED, VIDEO, job_with

SCHEMAS = Path(__file__).parents[4] / "events" / "schemas"
WRONG_OPTIONS = Reason(ReasonCode.OPTIONS_INVALID, "One. Two.", ("One.", "Two."))


def schema(name: str) -> dict[str, Any]:
    read: dict[str, Any] = json.loads((SCHEMAS / f"{name}.schema.json").read_text(encoding="utf-8"))
    return read


def errors(name: str, document: Any) -> list[str]:
    checker = Draft202012Validator(schema(name), format_checker=Draft202012Validator.FORMAT_CHECKER)
    over_the_wire = json.loads(json.dumps(document))
    return [f"{error.json_path}: {error.message}" for error in checker.iter_errors(over_the_wire)]


def changed(document: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    """The JSON with one value changed, or removed if the value is `...`."""
    copied = copy.deepcopy(document)
    *parents, last = path.split(".")
    holder = copied
    for name in parents:
        holder = holder[name]
    if value is ...:
        del holder[last]
    else:
        holder[last] = value
    return copied


def paths_of(document: dict[str, Any], above: str = "") -> list[str]:
    """The path of every field in the JSON."""
    found = []
    for name, value in document.items():
        found.append(above + name)
        if isinstance(value, dict):
            found += paths_of(value, f"{above}{name}.")
    return found


def objects_of(document: dict[str, Any]) -> list[str]:
    """The path of every object in the JSON, as a prefix."""
    inner = [path for path in paths_of(document) if isinstance(at(document, path), dict)]
    return ["", *(f"{path}." for path in inner)]


def at(document: Any, path: str) -> Any:
    for name in path.split("."):
        document = document[name]
    return document


# --- the schemas themselves ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["receipt", "event"])
def test_a_schema_is_one_of_draft_2020_12(name):
    Draft202012Validator.check_schema(schema(name))

    assert schema(name)["$schema"] == "https://json-schema.org/draft/2020-12/schema"


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("receipt", "properties.options.properties"),
        ("event", "properties.data.properties.option_sources.propertyNames.enum"),
    ],
)
def test_a_schema_has_all_options(name, path):
    assert tuple(at(schema(name), path)) == OPTION_NAMES


def test_the_schema_has_every_reason_code_in_order():
    reason = at(schema("event"), "properties.data.properties.reason.anyOf")[1]

    assert reason["properties"]["code"]["enum"] == [code.value for code in ReasonCode]


@pytest.mark.parametrize(
    ("name", "path"), [("event", "properties.data.properties.image"), ("receipt", "properties.image")]
)
def test_a_schema_has_every_reason_to_prepare_and_all_formats(name, path):
    image = at(schema(name), path)["properties"]

    assert image["prepared"]["properties"]["reasons"]["items"]["enum"] == [reason.value for reason in PrepareReason]
    assert image["prepared"]["properties"]["size"]["maximum"] == MAX_IMAGE_BYTES
    assert set(image["format"]["enum"]) > set(image["prepared"]["properties"]["format"]["enum"]) == set(ENDINGS)


def test_the_schema_has_every_charge():
    assert at(schema("event"), "properties.data.properties.charge.enum") == [charge.value for charge in Charge]


def test_the_schema_has_every_status_of_an_event():
    """`submitting` is the only status that is never published: it lasts for minutes at most."""
    statuses = at(schema("event"), "properties.data.properties.status.enum")

    assert set(statuses) == {*TERMINAL, "generating", "held", "deferred"}


def test_the_receipts_limits_are_the_options_own():
    options = schema("receipt")["properties"]["options"]["properties"]

    assert options["aspect_ratio"]["properties"]["value"]["enum"] == list(ASPECT_RATIOS)
    assert options["prompt"]["properties"]["value"]["maxLength"] == MAX_PROMPT_CHARACTERS


# --- events ----------------------------------------------------------------------------------------------------------

STORED = VIDEO._replace(version_id="v9")
SUBMITTED = job_with(charge=Charge.CHARGED)
HEIC = IMAGE._replace(format="HEIC", prepared=PREPARED)
COMPLETED = job_with(
    status=JobStatus.COMPLETED, image=HEIC, charge=Charge.CHARGED, video=STORED, warnings=("It is small.",)
)
FAILED = job_with(status=JobStatus.FAILED, charge=Charge.CHARGED, reason=Reason(ReasonCode.TIMED_OUT, "Too late."))
REFUSED = job_with(
    status=JobStatus.REJECTED,
    generation_id=None,
    submitted_at=None,
    reason=Reason(ReasonCode.PROVIDER_REFUSED, "Too dark."),
)
BAD_OPTIONS = job_with(
    status=JobStatus.REJECTED,
    generation_id=None,
    submitted_at=None,
    options=None,
    option_sources={},
    cost_cents=0,
    reason=WRONG_OPTIONS,
)
NO_BYTES = hashlib.sha256(b"").hexdigest()
BAD_REQUEST = job_with(
    status=JobStatus.REJECTED,
    image=Image("", ""),
    generation_id=None,
    submitted_at=None,
    options=None,
    option_sources={},
    cost_cents=0,
    reason=Reason(ReasonCode.REQUEST_INVALID, "image must be an object but is null."),
)
EMPTY_FILE = job_with(
    status=JobStatus.REJECTED,
    image=Image("uploads", "a.jpg", etag='"e1"', size=0, sha256=NO_BYTES),
    generation_id=None,
    submitted_at=None,
    options=None,
    option_sources={},
    cost_cents=0,
    reason=Reason(ReasonCode.IMAGE_EMPTY, "The image is empty (0 bytes)."),
)
FULL = Reason(ReasonCode.DAILY_LIMIT, "The day's limit would be passed.")
HELD = job_with(
    status=JobStatus.HELD,
    generation_id=None,
    submitted_at=None,
    reason=FULL,
)
BALANCE = Reason(ReasonCode.PROVIDER_BALANCE, "No money is left.", provider_error="Insufficient balance")
DEFERRED = job_with(
    status=JobStatus.DEFERRED,
    generation_id=None,
    submitted_at=None,
    reason=BALANCE,
)
DEAD = job_with(
    status=JobStatus.DEFERRED,
    image=Image("uploads", "a.jpg"),
    generation_id=None,
    submitted_at=None,
    options=None,
    option_sources={},
    cost_cents=0,
    reason=Reason(ReasonCode.DEAD_LETTER, "It could not be worked on."),
)
BEFORE_PREPARATION = IMAGE._replace(format=None, width=None, height=None)
NOT_PREPARED = job_with(
    status=JobStatus.REJECTED,
    image=BEFORE_PREPARATION,
    options=OPTIONS._replace(aspect_ratio="auto"),
    generation_id=None,
    submitted_at=None,
    reason=Reason(ReasonCode.IMAGE_DAMAGED, "It cannot be decoded."),
)
DEAD_PREPARATION = replace(
    NOT_PREPARED, status=JobStatus.PREPARING, reason=Reason(ReasonCode.DEAD_LETTER, "It could not be worked on.")
)
UNKNOWN = job_with(
    status=JobStatus.UNKNOWN,
    generation_id=None,
    submitted_at=None,
    charge=Charge.UNKNOWN,
    reason=Reason(ReasonCode.SUBMISSION_UNKNOWN, "It may have been paid."),
)
PUBLISHED = {
    "submitted": (SUBMITTED, EventType.SUBMITTED),
    "submitted, published late": (COMPLETED, EventType.SUBMITTED),
    "completed": (COMPLETED, EventType.COMPLETED),
    "completed in a bucket without versions": (replace(COMPLETED, video=VIDEO), EventType.COMPLETED),
    "failed": (FAILED, EventType.FAILED),
    "refused by the provider": (REFUSED, EventType.REJECTED),
    "bad options": (BAD_OPTIONS, EventType.REJECTED),
    "bad request": (BAD_REQUEST, EventType.REJECTED),
    "empty file": (EMPTY_FILE, EventType.REJECTED),
    "held": (HELD, EventType.HELD),
    "held, published late": (replace(COMPLETED, notices={EventType.HELD: FULL}), EventType.HELD),
    "deferred": (DEFERRED, EventType.DEFERRED),
    "deferred, published late": (replace(COMPLETED, notices={EventType.DEFERRED: BALANCE}), EventType.DEFERRED),
    "a dead letter": (DEAD, EventType.DEFERRED),
    "a dead letter before its preparation": (DEAD_PREPARATION, EventType.DEFERRED),
    "not prepared": (NOT_PREPARED, EventType.REJECTED),
    "submitted as it is": (replace(COMPLETED, image=IMAGE), EventType.COMPLETED),
    "unknown": (UNKNOWN, EventType.UNKNOWN),
}


@pytest.mark.parametrize(("job", "event"), PUBLISHED.values(), ids=PUBLISHED.keys())
def test_every_event_matches_the_schema(job: Job, event):
    assert errors("event", detail_of(job, event)) == []


def test_all_event_types_are_checked():
    assert {event for _job, event in PUBLISHED.values()} == set(EventType)


DETAIL = detail_of(COMPLETED, EventType.COMPLETED)
MAY_BE_ABSENT = {f"data.image.{name}" for name in ("etag", "format", "width", "height")} | {"metadata.rehearsal"}


@pytest.mark.parametrize("path", [path for path in paths_of(DETAIL) if not path.startswith("data.option_sources.")])
def test_an_event_without_one_of_its_fields_is_refused(path):
    wrong = errors("event", changed(DETAIL, path, ...))

    assert bool(wrong) is (path not in MAY_BE_ABSENT)


@pytest.mark.parametrize("prefix", objects_of(DETAIL))
def test_an_event_with_an_additional_field_is_refused(prefix):
    assert errors("event", changed(DETAIL, f"{prefix}result_url", "https://cdn.example/v.mp4?sig=1"))


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("metadata.version", "2"),
        ("metadata.id", "AB" * 16),
        ("data.job_id", "0" * 23),
        ("data.status", "done"),
        ("data.status", "submitting"),
        ("data.image.size", "1234"),
        ("data.image.format", "ICO"),
        ("data.image.prepared", None),
        ("data.image.prepared.bucket", ""),
        ("data.image.prepared.key", "holiday/beach.jpg"),
        ("data.image.prepared.reasons", []),
        ("data.image.prepared.reasons", ["ugly"]),
        ("data.image.prepared.reasons", ["size", "size"]),
        ("data.image.prepared.format", "WebP"),
        ("data.image.prepared.size", 10_000_001),
        ("data.image.prepared.width", 0),
        ("data.image.prepared.sha256", "ab"),
        ("data.image.sha256", "ab"),
        ("data.image.sha256", "AB" * 32),
        ("data.options.duration", "5"),
        ("data.options.duration", 7),
        ("data.options.aspect_ratio", "auto"),
        ("data.options.sound", 1),
        ("data.options", None),
        ("data.option_sources.prompt", None),
        ("data.attempt", 0),
        ("data.cost_usd", "0.47"),
        ("data.cost_usd", -0.47),
        ("data.charge", "spent"),
        ("data.warnings", None),
        ("data.warnings", [1]),
        ("data.video.size", 0),
        ("data.video.sha256", "ab"),
        ("data.video.version_id", ""),
        ("data.generation_id", ""),
    ],
)
def test_an_event_with_a_wrong_value_is_refused(path, value):
    assert errors("event", changed(DETAIL, path, value))


@pytest.mark.parametrize(
    ("job", "path", "value"),
    [
        (COMPLETED, "data.video", None),
        (COMPLETED, "data.charge", "none"),
        (COMPLETED, "data.generation_id", None),
        (COMPLETED, "data.options", {}),
        (SUBMITTED, "data.image.format", "HEIC"),
        (FAILED, "data.options.aspect_ratio", "auto"),
        (HELD, "data.options.aspect_ratio", "auto"),
        (UNKNOWN, "data.options.aspect_ratio", "auto"),
        (SUBMITTED, "data.generation_id", None),
        (SUBMITTED, "data.charge", "none"),
        (SUBMITTED, "data.reason", {"code": "timed_out", "message": "Too late.", "messages": ["Too late."]}),
        (FAILED, "data.reason", None),
        (FAILED, "data.reason.messages", []),
        (FAILED, "data.charge", "none"),
        (FAILED, "data.video", DETAIL["data"]["video"]),
        (REFUSED, "data.reason", None),
        (REFUSED, "data.charge", "charged"),
        (REFUSED, "data.charge", "unknown"),
        (HELD, "data.reason", None),
        (HELD, "data.reason.code", "no_such_reason"),
        (DEFERRED, "data.reason", None),
        (DEFERRED, "data.video", DETAIL["data"]["video"]),
        (UNKNOWN, "data.reason", None),
        (UNKNOWN, "data.charge", "none"),
        (UNKNOWN, "data.charge", "charged"),
    ],
)
def test_an_event_with_contradictory_values_is_refused(job: Job, path, value):
    event = next(event for known, event in reversed(PUBLISHED.values()) if known is job)

    assert errors("event", changed(detail_of(job, event), path, value))


# --- receipts --------------------------------------------------------------------------------------------------------

DELIVERED_AT = NOON + timedelta(seconds=95, microseconds=1499)
RECEIPT = receipt_of(job_with(image=HEIC, charge=Charge.CHARGED, polls=17), STORED, DELIVERED_AT)


@pytest.mark.parametrize(
    "job",
    [
        job_with(),
        job_with(warnings=("It is small.",), attempt=2, polls=17, cost_cents=187),
        job_with(image=IMAGE._replace(version_id=None)),
        job_with(image=HEIC),
        job_with(options=OPTIONS._replace(cfg_scale=1, negative_prompt="blur", duration=10)),
    ],
)
@pytest.mark.parametrize("delivered_at", [NOON, DELIVERED_AT])
@pytest.mark.parametrize("video", [VIDEO, STORED])
def test_every_receipt_matches_the_schema(job: Job, delivered_at, video: VideoObject):
    assert errors("receipt", receipt_of(job, video, delivered_at)) == []


@pytest.mark.parametrize("path", paths_of(RECEIPT))
def test_a_receipt_without_one_of_its_fields_is_refused(path):
    assert errors("receipt", changed(RECEIPT, path, ...))


@pytest.mark.parametrize("prefix", objects_of(RECEIPT))
def test_a_receipt_with_an_additional_field_is_refused(prefix):
    assert errors("receipt", changed(RECEIPT, f"{prefix}result_url", "https://cdn.example/v.mp4?sig=1"))


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("version", "2"),
        ("job_id", "0" * 23),
        ("attempt", 0),
        ("generation_id", None),
        ("image.size", 0),
        ("image.format", "ICO"),
        ("image.prepared", None),
        ("image.prepared.key", ""),
        ("image.prepared.reasons", []),
        ("image.prepared.size", 0),
        ("image.etag", None),
        ("options.prompt.value", ""),
        ("options.prompt.from", None),
        ("options.duration.value", 7),
        ("options.aspect_ratio.value", "auto"),
        ("options.cfg_scale.value", 1.1),
        ("cost_usd", 0),
        ("cost_usd", "0.47"),
        ("polls", -1),
        ("polls", 1.5),
        ("timings.created_at", "2026-05-04"),
        ("timings.submitted_at", None),
        ("timings.delivered_at", "2026-05-04T12:00:00"),
        ("timings.delivered_at", "2026-05-04T12:00:00+02:00"),
        ("timings.generation_seconds", -1),
        ("video.key", "beach.json"),
        ("video.version_id", ""),
        ("video.size", 0),
        ("video.sha256", "AB" * 32),
        ("warnings", "It is small."),
    ],
)
def test_a_receipt_with_a_wrong_value_is_refused(path, value):
    assert errors("receipt", changed(RECEIPT, path, value))
