"""The schema of each published event, made from events/schemas/event.schema.json, and the form in which it is registered.

`event_schema` fixes the status: the rules of that status replace the general ones, and the event has EventBridge's own fields.
`registered` is the same in JSON Schema draft 4, the newest that EventBridge's schema registry takes, for consumers: fields that
they do not know are allowed, and so are new values of a list that says it may grow.
"""

import json
from copy import deepcopy
from pathlib import Path
from typing import Any

from dropreel.domain.events import SOURCE, VERSION
from dropreel.domain.job import EventType, JobStatus
from dropreel.domain.messages import REQUESTED

ROOT = Path(__file__).resolve().parents[1]
SCHEMAS = ROOT / "events" / "schemas"
GROWS = "Version 1 may get more values."
"""The `$comment` of an enum to which values may be added within a version."""
STATUS_OF = {event: JobStatus(event.split()[-1].lower()) for event in EventType if event is not EventType.SUBMITTED} | {
    EventType.SUBMITTED: JobStatus.GENERATING
}
"""Event -> the status in it."""
DRAFT_4 = "http://json-schema.org/draft-04/schema#"

Schema = dict[str, Any]


def load_schema(name: str) -> Schema:
    """Return events/schemas/<name>.schema.json."""
    loaded: Schema = json.loads((SCHEMAS / f"{name}.schema.json").read_text(encoding="utf-8"))
    return loaded


def file_name(detail_type: str) -> str:
    """Return the name of an event's files: `video_generation_completed`."""
    return detail_type.lower().replace(" ", "_")


def event_schema(event: EventType) -> Schema:
    """Return the schema of one event as EventBridge delivers it."""
    source, request = load_schema("event"), load_schema(file_name(REQUESTED))
    status, properties = STATUS_OF[event], source["properties"]
    data = properties["data"]
    for rule in data.pop("allOf"):
        if status in rule["if"]["properties"]["status"]["enum"]:
            data = _narrowed(data, rule["then"])
    data["properties"]["status"] = {"const": status.value, "description": "The job's status in this event."}
    envelope = {**request["properties"], "source": {"const": SOURCE, "description": "Who published it."}}
    envelope["detail-type"] = {"const": event.value, "description": "Which event it is."}
    envelope["resources"] = {**envelope["resources"], "minItems": 1, "maxItems": 1}
    envelope["resources"]["description"] = "The ARN of the image's bucket."
    envelope["detail"] = {
        "type": "object",
        "description": "What Dropreel says.",
        "additionalProperties": False,
        "required": source["required"],
        "properties": {**properties, "data": data},
    }
    return {
        "$schema": source["$schema"],
        "$id": f"urn:dropreel:{file_name(event)}:{VERSION}",
        "title": event.title().replace(" ", ""),
        "description": f"`{event}`, as EventBridge delivers it.",
        "type": "object",
        "required": request["required"],
        "properties": envelope,
    }


def registered(schema: Schema) -> Schema:
    """Return an event's schema in JSON Schema draft 4, for consumers and EventBridge's registry."""
    head = {"$schema": DRAFT_4, "id": schema["$id"]}
    if "const" in schema["properties"]["source"]:
        head["x-amazon-events-source"] = schema["properties"]["source"]["const"]
    head["x-amazon-events-detail-type"] = schema["properties"]["detail-type"]["const"]
    return {**head, **_draft_4({name: one for name, one in schema.items() if name not in ("$schema", "$id")})}


def _draft_4(schema: Schema) -> Schema:
    made: Schema = {}
    for name, value in schema.items():
        if name == "const":
            made["enum"] = [value]
        elif name == "exclusiveMinimum":
            made |= {"minimum": value, "exclusiveMinimum": True}
        elif name == "propertyNames":
            # Draft 4 has no such rule; the names that are known today are listed, and others allowed.
            made["properties"] = {one: _draft_4(schema["additionalProperties"]) for one in value["enum"]}
        elif name == "properties":
            made[name] = {key: _draft_4(one) for key, one in value.items()}
        elif name == "items":
            made[name] = _draft_4(value)
        elif name == "anyOf" and "type" not in schema:  # with a type it is only about the fields of one another
            made[name] = [_draft_4(one) for one in value]
        elif name == "enum" and schema.get("$comment") == GROWS:
            made["type"] = "string"
        elif name not in ("additionalProperties", "anyOf", "$comment"):
            made[name] = value
    if "enum" in made:  # code bindings are made from types
        made.setdefault("type", "integer" if isinstance(made["enum"][0], int) else "string")
    return made


def _narrowed(schema: Schema, rule: Schema) -> Schema:
    """Return a schema that a value must follow to follow both; `rule` has the few forms of event.schema.json's rules."""
    made = deepcopy(schema)
    for name, value in rule.items():
        if name == "properties":
            for field, inner in value.items():
                made["properties"][field] = _narrowed(made["properties"][field], inner)
        elif name == "type" and "anyOf" in made:
            (form,) = [one for one in made.pop("anyOf") if one["type"] == value]
            made |= form
        elif name == "minProperties" and "anyOf" in made:
            (form,) = [one for one in made.pop("anyOf") if one.get("maxProperties") != 0]
            made |= form
        elif name == "const" and "enum" in made:
            made["const"] = value
            del made["enum"]
        else:
            made[name] = value
    return made
