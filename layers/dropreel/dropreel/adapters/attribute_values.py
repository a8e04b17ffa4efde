"""DynamoDB's attribute values: what an item holds in place of Python's values.

boto3 has a converter, which brings all of boto3's import with it: more of a function's start than all our modules take
(docs/performance.md). A test holds this one against it.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from math import isfinite
from typing import Any

from dropreel.domain.encodable import encodable


def attribute_value(value: Any) -> dict[str, Any]:
    """Return a value as DynamoDB takes it. A time becomes ISO 8601 text in UTC, a set (of text) a string set.

    Raises TypeError for what an item cannot hold.
    """
    match value:
        case None:
            return {"NULL": True}
        case bool():
            return {"BOOL": value}
        case str():
            return {"S": str(value)}
        case int():
            return {"N": str(value)}
        case float() if isfinite(value):
            return {"N": repr(value)}
        case datetime():
            return {"S": value.astimezone(UTC).isoformat()}
        case Mapping():
            return {"M": {name: attribute_value(inner) for name, inner in value.items()}}
        case list() | tuple():
            return {"L": [attribute_value(inner) for inner in value]}
        case set() | frozenset() if value and all(isinstance(inner, str) for inner in value):
            return {"SS": sorted(value)}
    raise TypeError(f"an item cannot hold {value!r}")


def value_of(attribute: Mapping[str, Any]) -> Any:
    """Return what an attribute value stands for: a whole number as an int, any other as a float, a string set as a set.

    A text comes so that it can be encoded. Raises TypeError for a kind that no item of ours has.
    """
    ((kind, held),) = attribute.items()
    match kind:
        case "S":
            return encodable(held)
        case "BOOL":
            return held
        case "NULL":
            return None
        case "N":
            return _number(held)
        case "M":
            return {name: value_of(inner) for name, inner in held.items()}
        case "L":
            return [value_of(inner) for inner in held]
        case "SS":
            return set(held)
    raise TypeError(f"an attribute of the kind {kind} is none of ours")


def _number(text: str) -> int | float:
    try:
        return int(text)
    except ValueError:
        number = float(text)
        return int(number) if number.is_integer() else number
