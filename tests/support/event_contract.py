"""What version 1 of the events promises, and what breaks it.

`tests/unit/docs/event_contract_1.json` has every field of every event as it was promised. `python -m tests.support.event_contract`
adds new fields to it; with `--replace` it writes the whole file again, which is right only before the first release and for a
new version.
"""

import json
import sys
from pathlib import Path
from typing import Any

from docs.event_schemas import GROWS, event_schema
from dropreel.domain.job import EventType

PROMISED = Path(__file__).resolve().parents[1] / "unit" / "docs" / "event_contract_1.json"
Fields = dict[str, dict[str, Any]]


def fields_of(schema: dict[str, Any], above: str = "") -> Fields:
    """Return every field of a schema by its path: its JSON types, whether it is always there, and its values where few are allowed."""
    found: Fields = {}
    for form in [schema, *schema.get("anyOf", [])]:
        for name, field in form.get("properties", {}).items():
            path = f"{above}{name}"
            found.setdefault(path, {}).update(_field(field, name in form.get("required", [])))
            found |= fields_of(field, f"{path}.")
    return found


def broken_promises(promised: Fields, now: Fields) -> list[str]:
    """Return a sentence for each change that a consumer of the promised fields can notice."""
    faults = []
    for path, was in promised.items():
        field = now.get(path)
        if field is None:
            faults.append(f"{path} is gone")
            continue
        if was["always"] and not field["always"]:
            faults.append(f"{path} is no longer always there")
        if more := sorted(set(field["types"]) - set(was["types"])):
            faults.append(f"{path} may now be {', '.join(more)}")
        if "values" in was and (more := [one for one in field.get("values", ["anything"]) if one not in was["values"]]):
            faults.append(f"{path} may now be {', '.join(map(str, more))}")
    faults += [
        f"{path} is new and always there: an event that was archived does not have it"
        for path in now.keys() - promised.keys()
        if now[path]["always"] and path.rpartition(".")[0] in promised
    ]
    return faults


def _field(field: dict[str, Any], always: bool) -> dict[str, Any]:
    forms = [one for one in field.get("anyOf", []) if "type" in one] or [field]
    types = {kind for one in forms for kind in _types(one)}
    values = [field["const"]] if "const" in field else field.get("enum")
    kept = {} if values is None or field.get("$comment") == GROWS else {"values": values}
    return {"types": sorted(types), "always": always, **kept}


def _types(form: dict[str, Any]) -> list[str]:
    if "type" in form:
        return [form["type"]] if isinstance(form["type"], str) else list(form["type"])
    values = [form["const"]] if "const" in form else form["enum"]
    return ["integer" if isinstance(one, int) else "string" for one in values]


def contract() -> dict[str, Fields]:
    """Return the fields of every published event as they are now."""
    return {event.value: fields_of(event_schema(event)) for event in EventType}


def promised_contract() -> dict[str, Fields]:
    """Return the fields of every published event as they were promised."""
    loaded: dict[str, Fields] = json.loads(PROMISED.read_text(encoding="utf-8"))
    return loaded


def main() -> None:
    """Write the file."""
    now = contract()
    if "--replace" not in sys.argv:
        now = {event: {**fields, **promised_contract().get(event, {})} for event, fields in now.items()}
    lines = [
        f"  {json.dumps(event)}: {{\n"
        + ",\n".join(f"    {json.dumps(path)}: {json.dumps(field)}" for path, field in fields.items())
        + "\n  }"
        for event, fields in now.items()
    ]
    PROMISED.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
