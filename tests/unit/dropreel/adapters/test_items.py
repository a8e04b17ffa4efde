"""Items: what boto3's conversion adds to ours, and ours to boto3's."""

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any, cast

import pytest
from boto3.dynamodb.types import TypeDeserializer, TypeSerializer
from hypothesis import given
from hypothesis import strategies as st

from dropreel.adapters.items import attribute_value, values_of
from dropreel.domain.job import JobStatus

# What DynamoDB and boto3 can hold: 38 digits, and no number smaller than 1e-130.
NUMBERS = st.integers(-(10**38) + 1, 10**38 - 1) | st.floats(-1e100, 1e100).filter(lambda x: x == 0 or abs(x) > 1e-100)
SCALARS = st.none() | st.booleans() | st.text() | NUMBERS
VALUES = st.recursive(
    SCALARS | st.sets(st.text(), min_size=1),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


def for_boto3(value: Any) -> Any:
    """Return a value as boto3 takes it: a Decimal in place of a float."""
    if isinstance(value, float):
        return Decimal(repr(value))
    if isinstance(value, dict):
        return {name: for_boto3(inner) for name, inner in value.items()}
    return [for_boto3(inner) for inner in value] if isinstance(value, list) else value


def by_number(attribute: Any) -> Any:
    """The same attribute with its numbers as numbers and its sets as sets: there are several ways to write them."""
    ((kind, held),) = attribute.items()
    match kind:
        case "N":
            return kind, Decimal(held)
        case "SS":
            return kind, set(held)
        case "M":
            return kind, {name: by_number(inner) for name, inner in held.items()}
        case "L":
            return kind, [by_number(inner) for inner in held]
    return kind, held


@given(VALUES)
def test_what_is_written_is_what_boto3_writes(value: Any):
    assert by_number(attribute_value(value)) == by_number(TypeSerializer().serialize(for_boto3(value)))


@given(VALUES)
def test_what_boto3_writes_is_read_and_what_is_written_boto3_reads(value: Any):
    theirs: Any = TypeSerializer().serialize(for_boto3(value))

    assert values_of({"x": theirs}) == {"x": value}
    assert TypeDeserializer().deserialize(cast("Any", attribute_value(value))) == for_boto3(value)


@pytest.mark.parametrize(
    ("text", "number"),
    [("47", 47), ("47.0", 47), ("4.7E+1", 47), ("-0.5", -0.5), ("1e-7", 1e-7), (str(10**37), 10**37)],
)
def test_a_whole_number_is_an_int_however_it_is_written(text: str, number: float):
    found = values_of({"x": {"N": text}})["x"]

    assert found == number
    assert type(found) is type(number)


def test_a_time_is_text_in_utc_and_a_status_is_its_word():
    noon = datetime(2026, 5, 4, 12, 30, tzinfo=timezone(timedelta(hours=2)))

    assert attribute_value(noon) == {"S": "2026-05-04T10:30:00+00:00"}
    assert values_of({"at": attribute_value(noon)}) == {"at": noon.astimezone(UTC).isoformat()}
    assert attribute_value([JobStatus.HELD]) == {"L": [{"S": "held"}]}
    assert type(attribute_value(JobStatus.HELD)["S"]) is str


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf"), set(), {1}, b"bytes", object()])
def test_what_an_item_cannot_hold_is_refused(value: Any):
    with pytest.raises(TypeError, match="cannot hold"):
        attribute_value(value)


@pytest.mark.parametrize("number", [10**38, 1e140])
def test_a_number_beyond_dynamodbs_range_is_refused(number: float):
    with pytest.raises(ArithmeticError):
        attribute_value({"number": number})


@pytest.mark.parametrize(
    ("attribute", "kind"), [({"B": b"bytes"}, "Binary"), ({"NS": ["1"]}, "set"), ({"BS": [b"bytes"]}, "set")]
)
def test_a_type_that_no_item_of_ours_has_is_refused(attribute: dict[str, Any], kind: str):
    with pytest.raises(TypeError, match=f"holds {kind}"):
        values_of({"x": attribute})


def test_text_that_is_read_can_be_encoded_at_any_depth():
    found = values_of({"a": {"S": "\ud83d"}, "b": {"M": {"c": {"L": [{"S": "\ud83d\ude00"}]}}}})

    assert found == {"a": "\ufffd", "b": {"c": ["\U0001f600"]}}
