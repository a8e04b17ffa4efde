"""The schema of a request and the code that reads one agree: what either refuses is rejected, and what both take is taken."""

import json
import re
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator, ValidationError
from jsonschema.validators import extend

from docs.event_schemas import file_name, load_schema
from dropreel.domain.encodable import is_encodable
from dropreel.domain.messages import MAX_KEY_BYTES, REQUESTED, decode_drop
from dropreel.domain.option_places import Place, resolve
from dropreel.domain.options import OPTION_NAMES
from dropreel.domain.redaction import holds_signed_address
from tests.support.sample_events import load_event
from tests.support.sample_jobs import OPTIONS

SIGNED = "https://b.s3.amazonaws.com/a.jpg?X-Amz-Signature=5ec2e7"
WRONG: tuple[Any, ...] = (None, [], "\x07", -1)
"""Values that no option takes."""
DETAIL: dict[str, Any] = {"image": {"bucket": "uploads", "key": "a b+é.jpg"}}


def _pattern(_validator: Any, pattern: str, text: Any, _schema: Any) -> Any:
    """JSON Schema's `$` is the end of the text; Python's is also before a last newline."""
    if isinstance(text, str) and not re.search(pattern.replace("$", r"\Z"), text):
        yield ValidationError(f"{text!r} does not match {pattern}")


VALIDATOR = extend(Draft202012Validator, {"pattern": _pattern})(load_schema(file_name(REQUESTED)))


def schema_takes(detail: Any) -> bool:
    return VALIDATOR.is_valid({**load_event(file_name(REQUESTED)), "detail": detail})


def code_takes(detail: Any) -> bool:
    """Whether neither the request nor its options have a fault. A request that names no bucket reaches no stack."""
    drop = decode_drop({**load_event(file_name(REQUESTED)), "detail": detail})
    resolved = resolve([Place("request", drop.options), Place("stack parameters", OPTIONS._asdict())])
    return not drop.faults and not isinstance(resolved, list)


def is_beyond_schemas(detail: Any) -> bool:
    """Whether a rule that JSON Schema cannot express is broken; the schema's descriptions have them."""
    texts = list(_texts(detail))
    key = detail["image"].get("key") if isinstance(detail.get("image"), dict) else None
    request_id = detail.get("request_id")
    return (
        any(holds_signed_address(text) or not is_encodable(text) for text in texts)
        or (isinstance(key, str) and is_encodable(key) and len(key.encode()) > MAX_KEY_BYTES)
        or (isinstance(request_id, str) and not request_id.isprintable())
    )


def _texts(value: Any) -> Any:
    if isinstance(value, str):
        yield value
    elif isinstance(value, (dict, list)):
        for one in value.values() if isinstance(value, dict) else value:
            yield from _texts(one)


ANYTHING: st.SearchStrategy[Any] = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False), st.text(), st.just([])
) | st.just({})
TEXTS = st.text(max_size=8) | st.sampled_from(["", "ü" * 600, "x" * 63, "x" * 64, "x" * 1025, "a\n", SIGNED, "null"])
VALUES = {
    "prompt": TEXTS | st.sampled_from([" ", "x" * 2500, "x" * 2501, "\u2003", "a\tb"]),
    "negative_prompt": TEXTS | st.sampled_from([" ", "x" * 2500, "x" * 2501, "a\x85b"]),
    "mode": st.sampled_from(["fast", "hq", "FAST", "slow"]),
    "aspect_ratio": st.sampled_from(["16:9", "9:16", "1:1", "auto", "4:3"]),
    "duration": st.sampled_from([5, 10, 5.0, 7, "5", True]),
    "cfg_scale": st.floats(-0.1, 1.1) | st.sampled_from([0, 1, 2, "0.5", True, 10**400]),
    "sound": st.sampled_from([True, False, "true", 1]),
}


def mostly(usual: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.one_of(usual, usual, usual, usual, ANYTHING)


DETAILS = st.fixed_dictionaries(
    {
        "image": mostly(
            st.fixed_dictionaries(
                {"bucket": mostly(st.just("uploads") | TEXTS), "key": mostly(st.just("a.jpg") | TEXTS)},
                optional={"version_id": mostly(TEXTS), "etag": st.just("e")},
            )
        )
    },
    optional={
        "options": mostly(
            st.fixed_dictionaries({}, optional={**{n: mostly(v) for n, v in VALUES.items()}, "fps": st.just(30)})
        ),
        "request_id": mostly(TEXTS),
        "priority": st.just(1),
    },
)


@settings(max_examples=400, deadline=None)
@given(DETAILS)
@example(DETAIL)
@example({**DETAIL, "options": dict.fromkeys(OPTION_NAMES, "x")})
@example({**DETAIL, "options": {**OPTIONS._asdict(), "aspect_ratio": "auto"}, "request_id": "order-4711"})
def test_the_schema_takes_what_the_code_takes(detail: dict[str, Any]) -> None:
    detail = json.loads(json.dumps(detail))

    if is_beyond_schemas(detail):
        assert not code_takes(detail)
    else:
        assert schema_takes(detail) == code_takes(detail)


@pytest.mark.parametrize(
    "detail",
    [
        DETAIL,
        {**DETAIL, "options": None, "request_id": None},
        {**DETAIL, "options": {}},
        {**DETAIL, "options": OPTIONS._asdict(), "request_id": "é" * 256},
        {"image": {**DETAIL["image"], "version_id": None}},
        {"image": {**DETAIL["image"], "version_id": "null"}},
        {"image": {"bucket": "x" * 63, "key": "k" * 1024}},
    ],
)
def test_a_request_is_taken_by_both(detail: dict[str, Any]) -> None:
    assert (schema_takes(detail), code_takes(detail)) == (True, True)


@pytest.mark.parametrize(
    "detail",
    [
        {},
        {"image": None},
        {"image": {"bucket": "uploads"}},
        {"image": {"key": "a.jpg"}},
        {"image": {**DETAIL["image"], "etag": "e"}},
        {"image": {"bucket": "x" * 64, "key": "a.jpg"}},
        {"image": {"bucket": "uploads\n", "key": "a.jpg"}},
        {"image": {"bucket": "uploads", "key": ""}},
        {"image": {**DETAIL["image"], "version_id": ""}},
        {**DETAIL, "options": []},
        {**DETAIL, "options": {"fps": 30}},
        {**DETAIL, "request_id": ""},
        {**DETAIL, "request_id": "x" * 257},
        {**DETAIL, "priority": 1},
        *({**DETAIL, "options": {name: value}} for name in OPTION_NAMES for value in WRONG),
    ],
)
def test_a_request_is_refused_by_both(detail: dict[str, Any]) -> None:
    assert (schema_takes(detail), code_takes(detail)) == (False, False)


@pytest.mark.parametrize(
    "detail",
    [
        {"image": {"bucket": "uploads", "key": "ü" * 600}},
        {"image": {"bucket": "uploads", "key": SIGNED}},
        {**DETAIL, "options": {"prompt": SIGNED}},
        {**DETAIL, "request_id": "a\u200bb"},
    ],
)
def test_what_a_schema_cannot_say_is_refused_by_the_code(detail: dict[str, Any]) -> None:
    assert is_beyond_schemas(detail)
    assert (schema_takes(detail), code_takes(detail)) == (True, False)
