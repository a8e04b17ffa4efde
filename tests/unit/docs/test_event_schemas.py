"""Each event has a schema of its own, an example, and a schema for EventBridge's registry; all are made from the code."""

import copy
import json
from typing import Any

import pytest
from jsonschema import Draft4Validator, Draft202012Validator

from docs.event_schemas import ROOT, SCHEMAS, STATUS_OF, event_schema, file_name, load_schema, registered
from docs.write_reference import load_template
from docs.write_schemas import example, files
from dropreel.domain.events import detail_of
from dropreel.domain.job import EventType
from dropreel.domain.messages import REQUESTED, decode_drop
from tests.support.sample_events import load_event
from tests.support.validated_events import ContractError, event_faults, validate_detail, validate_event
from tests.unit.dropreel.domain.test_schemas import PUBLISHED, changed, objects_of, paths_of

ALL = [*EventType, REQUESTED]
WRONG: tuple[Any, ...] = (..., None, "", "x", -1, 0, 10, [], {}, True, "charged", "none", "unknown", "auto")
"""Values for each field in turn; `...` takes the field away."""
LENIENT = ("detail.data.option_sources.", "detail.data.image.prepared")
"""What a registered schema does not say: all options have a source, and which formats are submitted unprepared."""
MADE = files()


def registered_schemas() -> dict[str, dict[str, Any]]:
    """Return the content of each schema in schemas.yaml by the schema's name."""
    template = load_template("schemas.yaml")["Resources"].values()
    found = [one["Properties"] for one in template if one["Type"] == "AWS::EventSchemas::Schema"]
    assert {one["Type"] for one in found} == {"JSONSchemaDraft4"}
    return {one["SchemaName"]: json.loads(one["Content"]) for one in found}


def lenient(document: Any) -> Any:
    """The document with a field more in each object."""
    if isinstance(document, dict):
        return {**{name: lenient(one) for name, one in document.items()}, "a_field_of_tomorrow": 1}
    return document


# --- made from the code ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", MADE)
def test_a_made_file_is_not_stale(path: str) -> None:
    assert (ROOT / path).read_text(encoding="utf-8") == MADE[path], f"{path} is stale: run `make docs`"


def test_every_event_has_a_schema_and_an_example() -> None:
    names = {file_name(event) for event in ALL}

    assert {path.name for path in SCHEMAS.glob("video_*")} == {f"{name}.schema.json" for name in names}
    assert {path.stem for path in SCHEMAS.parent.glob("video_*.json")} == names


@pytest.mark.parametrize("event", ALL)
def test_a_schema_is_of_draft_2020_12_and_has_its_version_in_its_id(event: str) -> None:
    schema = load_schema(file_name(event))

    Draft202012Validator.check_schema(schema)
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert schema["$id"] == f"urn:dropreel:{file_name(event)}:1"
    assert "$ref" not in json.dumps(schema)  # one file is enough for a consumer


@pytest.mark.parametrize("event", EventType)
def test_the_ids_version_is_that_of_the_metadata(event: EventType) -> None:
    detail = load_schema(file_name(event))["properties"]["detail"]

    assert detail["properties"]["metadata"]["properties"]["version"]["const"] == "1"


# --- examples -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("event", ALL)
def test_an_example_follows_its_schema(event: str) -> None:
    validate_event(load_event(file_name(event)))


@pytest.mark.parametrize("event", EventType)
def test_an_example_can_be_put_on_a_bus(event: EventType) -> None:
    """The shell command in docs/events.md takes these fields; EventBridge adds the others."""
    found = load_event(file_name(event))

    assert (found["source"], found["detail-type"]) == ("dropreel", event.value)
    assert found["resources"] == [f"arn:aws:s3:::{found['detail']['data']['image']['bucket']}"]
    assert example(event) == found


# --- a schema of one event and the schema of all --------------------------------------------------------------------------


@pytest.mark.parametrize(("job", "event"), PUBLISHED.values(), ids=PUBLISHED.keys())
def test_an_event_of_a_job_follows_the_schema_of_its_type_alone(job, event):
    detail = detail_of(job, event)

    validate_detail(event, detail)
    for other in EventType:
        if other is not event:
            with pytest.raises(ContractError, match="status"):
                validate_detail(other, detail)


@pytest.mark.parametrize(("job", "event"), PUBLISHED.values(), ids=PUBLISHED.keys())
def test_a_schema_of_one_event_takes_what_the_schema_of_all_takes(job, event):
    """With each field changed in turn, both take it or both refuse it."""
    detail = json.loads(json.dumps(detail_of(job, event)))
    schema_of_all = Draft202012Validator(load_schema("event"))
    schema_of_one = Draft202012Validator(load_schema(file_name(event))["properties"]["detail"])
    made = [(path, value) for path in paths_of(detail) if path != "data.status" for value in WRONG]
    made += [(f"{prefix}another_field", 1) for prefix in objects_of(detail)]

    for path, value in made:
        other = changed(detail, path, value)
        assert schema_of_one.is_valid(other) == schema_of_all.is_valid(other), (path, value)


def test_every_event_has_its_own_status():
    assert len(set(STATUS_OF.values())) == len(EventType)


# --- the registry -------------------------------------------------------------------------------------------------------


def test_every_event_is_registered_by_the_name_that_eventbridge_gives_it():
    schemas = [load_schema(file_name(event)) for event in ALL]

    assert registered_schemas() == {f"dropreel@{one['title']}": registered(one) for one in schemas}
    assert {one["title"] for one in schemas} == {event.replace(" ", "") for event in ALL}


@pytest.mark.parametrize("event", ALL)
def test_a_registered_schema_is_one_of_draft_4_and_is_small_enough(event: str) -> None:
    schema = registered(load_schema(file_name(event)))

    Draft4Validator.check_schema(schema)
    assert schema["x-amazon-events-detail-type"] == event
    assert len(json.dumps(schema)) < 100_000  # the registry's limit
    assert not {"$id", "$ref", "const", "propertyNames", "$defs", "if"} & keywords(schema)


def keywords(schema: Any) -> set[str]:
    """The keywords of a schema at every depth; names of fields are none."""
    found = set(schema)
    inner = [*schema.get("properties", {}).values(), *schema.get("anyOf", [])]
    for one in [*inner, *([schema["items"]] if "items" in schema else [])]:
        found |= keywords(one)
    return found


@pytest.mark.parametrize(("job", "event"), PUBLISHED.values(), ids=PUBLISHED.keys())
def test_a_registered_schema_takes_what_is_published_today_and_tomorrow(job, event):
    taken = Draft4Validator(registered(event_schema(event)))
    today = {**example(event), "detail": json.loads(json.dumps(detail_of(job, event)))}
    tomorrow = lenient(copy.deepcopy(today))
    tomorrow["detail"]["data"]["option_sources"].pop("a_field_of_tomorrow")
    if tomorrow["detail"]["data"]["reason"]:
        tomorrow["detail"]["data"]["reason"]["code"] = "a_code_of_tomorrow"
    if tomorrow["detail"]["data"]["options"] == {"a_field_of_tomorrow": 1}:
        tomorrow["detail"]["data"]["options"] = {}

    assert [error.message for error in taken.iter_errors(today)] == []
    assert [error.message for error in taken.iter_errors(tomorrow)] == []
    assert event_faults(tomorrow) != []  # our own tests are strict


@pytest.mark.parametrize(("job", "event"), PUBLISHED.values(), ids=PUBLISHED.keys())
def test_a_registered_schema_refuses_an_event_without_a_field(job, event):
    taken = Draft4Validator(registered(event_schema(event)))
    strict = Draft202012Validator(load_schema(file_name(event)))
    whole = {**example(event), "detail": json.loads(json.dumps(detail_of(job, event)))}

    for path in paths_of(whole):
        without = changed(whole, path, ...)
        if not path.startswith(LENIENT):
            assert taken.is_valid(without) == strict.is_valid(without), path


@pytest.mark.parametrize("wrong", [{"detail": {}}, {"source": "else"}, {"detail-type": "Else"}, {"account": "1"}])
def test_a_registered_schema_refuses_another_event(wrong):
    assert not Draft4Validator(registered(event_schema(EventType.FAILED))).is_valid(
        {**example(EventType.FAILED), **wrong}
    )


def test_the_example_of_a_request_is_taken_by_both_of_its_schemas():
    event = load_event(file_name(REQUESTED))

    assert decode_drop(event).faults == ()
    assert event_faults(event) == []
    assert Draft4Validator(registered(load_schema(file_name(REQUESTED)))).is_valid(event)
