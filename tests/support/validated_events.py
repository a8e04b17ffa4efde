"""Validates events by their schemas in events/schemas/. Every suite does it with each event that reaches its bus."""

import json
from functools import cache, lru_cache
from typing import Any

from jsonschema import Draft202012Validator

from docs.event_schemas import file_name, load_schema


class ContractError(AssertionError):
    """An event does not follow its schema."""


def event_faults(event: dict[str, Any]) -> list[str]:
    """Return what is wrong with an event as EventBridge delivers it; nothing where it follows its schema."""
    return list(_faults(event["detail-type"], json.dumps(event), False))


def detail_faults(detail_type: str, detail: dict[str, Any]) -> list[str]:
    """Return what is wrong with the `detail` of an event of this type; nothing where it follows its schema."""
    return list(_faults(str(detail_type), json.dumps(detail), True))


def validate_event(event: dict[str, Any]) -> None:
    """Raise ContractError for an event that does not follow its schema."""
    _demand(event["detail-type"], event_faults(event))


def validate_detail(detail_type: str, detail: dict[str, Any]) -> None:
    """Raise ContractError for a `detail` that does not follow the schema of its event."""
    _demand(detail_type, detail_faults(detail_type, detail))


def _demand(detail_type: str, faults: list[str]) -> None:
    if faults:
        raise ContractError(f"{detail_type} does not follow its schema: {'; '.join(faults)}")


@lru_cache(maxsize=10_000)  # schedules of faults publish the same few events very often
def _faults(detail_type: str, text: str, is_detail: bool) -> tuple[str, ...]:
    errors = _validator(detail_type, is_detail).iter_errors(json.loads(text))
    return tuple(f"{error.json_path}: {error.message}" for error in errors)


@cache
def _validator(detail_type: str, is_detail: bool) -> Draft202012Validator:
    schema = load_schema(file_name(detail_type))
    return Draft202012Validator(schema["properties"]["detail"] if is_detail else schema)
