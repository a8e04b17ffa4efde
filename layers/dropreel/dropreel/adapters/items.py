"""DynamoDB items: boto3's conversion, with the types of ours that boto3 does not take or give."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from math import isfinite
from typing import Any

from boto3.dynamodb.types import TypeDeserializer, TypeSerializer

from dropreel.domain.encodable import encodable

_serialize: Callable[[Any], Any] = TypeSerializer().serialize
_deserialize: Callable[[Any], Any] = TypeDeserializer().deserialize


def attribute_value(value: Any) -> dict[str, Any]:
    """Return a value as DynamoDB takes it. A time becomes ISO 8601 text in UTC, a set (of text) a string set.

    Raises TypeError for what an item cannot hold, and ArithmeticError for a number beyond DynamoDB's range.
    """
    if isinstance(value, str):
        return {"S": str(value)}  # most values are text; boto3 tries the other types first
    return dict(_serialize(_to_boto3(value)))


def values_of(item: Mapping[str, Any]) -> dict[str, Any]:
    """Return an item's values: a whole number as an int, any other as a float, a string set as a set, text encodable.

    Raises TypeError for a type that no item of ours has: binary data, and sets of anything but text.
    """
    return {
        name: encodable(attribute["S"]) if "S" in attribute else _from_boto3(_deserialize(attribute))
        for name, attribute in item.items()
    }


def _to_boto3(value: Any) -> Any:
    match value:
        case None | bool() | int():
            return value
        case str():
            return str(value)  # the plain text of an enum's member
        case float() if isfinite(value):
            return Decimal(repr(value))
        case datetime():
            return value.astimezone(UTC).isoformat()
        case Mapping():
            return {name: _to_boto3(inner) for name, inner in value.items()}
        case list() | tuple():
            return [_to_boto3(inner) for inner in value]
        case set() | frozenset() if value and all(isinstance(inner, str) for inner in value):
            return {str(inner) for inner in value}
    raise TypeError(f"an item cannot hold {value!r}")


def _from_boto3(value: Any) -> Any:
    match value:
        case None | bool():
            return value
        case str():
            return encodable(value)
        case Decimal():
            return _number(value)
        case dict():
            return {name: _from_boto3(inner) for name, inner in value.items()}
        case list():
            return [_from_boto3(inner) for inner in value]
        case set() if all(isinstance(inner, str) for inner in value):
            return value
    raise TypeError(f"no item of ours holds {type(value).__name__}")


def _number(value: Decimal) -> int | float:
    if value.as_tuple().exponent == 0:
        return int(value)
    number = float(value)  # what was written from a float has no more digits than one
    return int(number) if number.is_integer() else number
