"""Within a version of the events, fields are only added, and only optional ones."""

from typing import Any

import pytest

from docs.event_schemas import event_schema
from dropreel.domain.job import EventType
from tests.support.event_contract import broken_promises, contract, fields_of, promised_contract

SCHEMA = event_schema(EventType.FAILED)
PROMISED = fields_of(SCHEMA)


def after(change: Any) -> list[str]:
    """Return the promises that a change of the schema breaks."""
    schema = event_schema(EventType.FAILED)
    change(schema["properties"]["detail"]["properties"]["data"])
    return broken_promises(PROMISED, fields_of(schema))


@pytest.mark.parametrize("event", EventType)
def test_version_1_keeps_what_it_promised(event: EventType) -> None:
    assert broken_promises(promised_contract()[event], contract()[event]) == []


@pytest.mark.parametrize("event", EventType)
def test_every_field_is_promised(event: EventType) -> None:
    """A new optional field is added by `python -m tests.support.event_contract`."""
    assert contract()[event].keys() - promised_contract()[event].keys() == set()


def test_a_new_optional_field_breaks_nothing() -> None:
    assert after(lambda data: data["properties"].update(note={"type": "string"})) == []


def test_a_new_object_may_have_fields_that_are_always_in_it() -> None:
    note = {"type": "object", "required": ["text"], "properties": {"text": {"type": "string"}}}

    assert after(lambda data: data["properties"].update(note=note)) == []


def test_a_narrower_field_breaks_nothing() -> None:
    assert after(lambda data: data["properties"].update(charge={"const": "charged"})) == []


def test_a_new_reason_code_breaks_nothing() -> None:
    assert after(lambda data: data["properties"]["reason"]["properties"]["code"]["enum"].append("new")) == []


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (lambda data: data["properties"].pop("attempt"), "detail.data.attempt is gone"),
        (lambda data: data["required"].remove("attempt"), "detail.data.attempt is no longer always there"),
        (lambda data: data["properties"]["attempt"].update(type=["integer", "null"]), "detail.data.attempt may now be null"),
        (lambda data: data["properties"]["attempt"].update(type="string"), "detail.data.attempt may now be string"),
        (lambda data: data["properties"]["charge"]["enum"].append("half"), "detail.data.charge may now be half"),
        (lambda data: data["properties"].update(charge={"type": "string"}), "detail.data.charge may now be anything"),
        (lambda data: data["properties"]["status"].update(const="late"), "detail.data.status may now be late"),
        (
            lambda data: (data["required"].append("note"), data["properties"].update(note={"type": "string"})),
            "detail.data.note is new and always there: an event that was archived does not have it",
        ),
    ],
)  # fmt: skip
def test_a_change_that_a_consumer_notices_is_refused(change: Any, fault: str) -> None:
    assert after(change) == [fault]
