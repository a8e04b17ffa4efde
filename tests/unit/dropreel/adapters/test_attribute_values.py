"""Attribute values, beside boto3's own converter."""

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest
from boto3.dynamodb.types import TypeDeserializer, TypeSerializer
from hypothesis import given
from hypothesis import strategies as st

from dropreel.adapters.attribute_values import attribute_value, value_of
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
    """boto3 takes a Decimal where we take a float."""
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
    theirs = TypeSerializer().serialize(for_boto3(value))

    assert value_of(theirs) == value
    assert TypeDeserializer().deserialize(attribute_value(value)) == for_boto3(value)


@pytest.mark.parametrize(
    ("text", "number"),
    [("47", 47), ("47.0", 47), ("4.7E+1", 47), ("-0.5", -0.5), ("1e-7", 1e-7), (str(10**37), 10**37)],
)
def test_a_whole_number_is_an_int_however_it_is_written(text: str, number: float):
    found = value_of({"N": text})

    assert found == number
    assert type(found) is type(number)


def test_a_time_is_text_in_utc_and_a_status_is_its_word():
    noon = datetime(2026, 5, 4, 12, 30, tzinfo=timezone(timedelta(hours=2)))

    assert attribute_value(noon) == {"S": "2026-05-04T10:30:00+00:00"}
    assert value_of(attribute_value(noon)) == noon.astimezone(UTC).isoformat()
    assert attribute_value([JobStatus.HELD]) == {"L": [{"S": "held"}]}
    assert type(attribute_value(JobStatus.HELD)["S"]) is str


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf"), set(), {1}, b"bytes", object()])
def test_what_an_item_cannot_hold_is_refused(value: Any):
    with pytest.raises(TypeError, match="cannot hold"):
        attribute_value(value)


def test_a_kind_that_no_item_of_ours_has_is_refused():
    with pytest.raises(TypeError, match="kind B"):
        value_of({"B": b"bytes"})
