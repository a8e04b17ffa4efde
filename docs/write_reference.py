"""Writes the tables of docs/reference.md from the template, the schemas and the enums: `python -m docs.write_reference`.

A block goes between `<!-- made by docs/write_reference.py: NAME -->` and `<!-- end -->`. What no code says, what a status,
an event or a reason code means, is in docs/reference_texts.py.
"""

import json
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml  # type: ignore[import-untyped]  # its stubs are a package of their own

from docs.event_schemas import STATUS_OF, file_name
from docs.reference_texts import EVENTS, REASONS, STATUSES, example_jobs
from dropreel.domain.events import detail_of
from dropreel.domain.job import TERMINAL, Charge, EventType, JobStatus
from dropreel.domain.next_steps import next_step
from dropreel.domain.options import OPTION_NAMES
from dropreel.domain.reasons import Reason, ReasonCode

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "reference.md"
_BLOCK = re.compile(r"(<!-- made by docs/write_reference.py: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)
_MOST_VALUES = 15
"""Of a longer list of allowed values, only the first, the last and the count are shown."""
_SOURCED = {"value", "from"}
"""The fields of an option in a receipt."""
_TYPES = {"string": "text", "integer": "whole number", "number": "number", "boolean": "true or false", "array": "list"}


class TextMissing(Exception):
    """A status, an event or a reason code has no sentence in docs/reference_texts.py."""


class _Loader(yaml.SafeLoader):  # type: ignore[misc]  # the base has no types
    """Reads a template; CloudFormation's own tags are read as None."""


_Loader.add_multi_constructor("!", lambda *_: None)


def load_template(name: str = "template.yaml") -> dict[str, Any]:
    """Return template.yaml or operations.yaml; what stands behind one of CloudFormation's tags is None."""
    loaded: dict[str, Any] = yaml.load((ROOT / name).read_text(encoding="utf-8"), _Loader)  # noqa: S506
    return loaded


def page(text: str | None = None) -> str:
    """Return docs/reference.md, or the given text, with each block as it is now."""
    text = PAGE.read_text(encoding="utf-8") if text is None else text
    return _BLOCK.sub(lambda found: f"{found[1]}{BLOCKS[found[2]]()}\n{found[3]}", text)


def parameters() -> str:
    """Return a table for each of the template's groups of parameters, then what it refuses together."""
    template = load_template()
    declared = template["Parameters"]
    groups = template.get("Metadata", {}).get("AWS::CloudFormation::Interface", {}).get("ParameterGroups", [])
    grouped = [(group["Label"]["default"], group["Parameters"]) for group in groups]
    rest = [name for name in declared if not any(name in names for _, names in grouped)]
    parts = []
    for label, names in [*grouped, *([("Others", rest)] if rest else [])]:
        rows = [
            (f"`{name}`", _default(declared[name]), allowed(declared[name]), _prose(declared[name])) for name in names
        ]
        parts += [f"### {label}", table(("parameter", "default", "allowed", "meaning"), rows)]
    rules = [one for rule in template.get("Rules", {}).values() for one in rule["Assertions"]]
    together = dict.fromkeys(one["AssertDescription"] for one in rules if "AssertDescription" in one)
    if together:
        parts.append("Values that CloudFormation refuses together:")
        parts.append("\n".join(f"- {escaped(' '.join(one.split()))}" for one in together))
    return "\n\n".join(parts)


def allowed(parameter: Mapping[str, Any]) -> str:
    """Return what a parameter takes, as a cell."""
    if values := [_text(one) for one in parameter.get("AllowedValues", ())]:
        if len(values) > _MOST_VALUES:
            return f"{len(values)} values from `{values[0]}` to `{values[-1]}`"
        return ", ".join(f"`{value}`" for value in values)
    if "ConstraintDescription" in parameter:
        return escaped(str(parameter["ConstraintDescription"]).removeprefix("must be ").rstrip("."))
    if "MinValue" in parameter or "MaxValue" in parameter:
        return _span(parameter.get("MinValue"), parameter.get("MaxValue"))
    if "AllowedPattern" in parameter:
        return f"`{parameter['AllowedPattern']}`".replace("|", "\\|")
    if parameter.get("MinLength") == 1 and "MaxLength" not in parameter:
        return "any text but the empty one"
    if "MinLength" in parameter or "MaxLength" in parameter:
        return f"{_span(parameter.get('MinLength'), parameter.get('MaxLength'))} characters"
    return "any text"


def options() -> str:
    """Return a table of the options: what each takes, and its name in each place."""
    declared = load_template()["Parameters"]
    choices = _schema("event")["properties"]["data"]["properties"]["options"]
    types = _properties(choices)
    rows = []
    for name in OPTION_NAMES:
        parameter = f"Default{name.title().replace('_', '')}"
        kind = types[name].get("type") or _kind_of(types[name]["enum"][0])
        cells = (f"`{name}`", _TYPES[kind], allowed(declared[parameter]), f"`x-amz-meta-{name.replace('_', '-')}`")
        rows.append((*cells, f"`{name.upper()}`", f"`{parameter}`"))
    return table(("option", "type in JSON", "allowed", "S3 metadata", "`make` variable", "parameter"), rows)


def outputs() -> str:
    """Return a table of the template's outputs."""
    declared = load_template()["Outputs"]
    return table(("output", "meaning"), [(f"`{name}`", _prose(one)) for name, one in declared.items()])


def statuses() -> str:
    """Return a table of every status."""
    rows = []
    for status in JobStatus:
        meaning, what_to_do = _text_of(STATUSES, status)
        rows.append((f"`{status}`", "yes" if status in TERMINAL else "", meaning, what_to_do))
    return table(("status", "final", "meaning", "what to do"), rows)


def reasons() -> str:
    """Return a table of every reason code, with the `next_step` of a job that has it in its first attempt."""
    sample, rows = example_jobs()[EventType.COMPLETED], []
    for code in ReasonCode:
        status, because = _text_of(REASONS, code)
        charge = {"failed": Charge.CHARGED, "unknown": Charge.UNKNOWN}.get(status, Charge.NONE)
        job = replace(sample, status=JobStatus(status), charge=charge, reason=Reason(code, "x"), video=None)
        step = (next_step(job) or "").replace(job.job_id, "<job_id>")
        rows.append((f"`{code}`", f"`{status}`", because, step))
    return table(("code", "the job is", "because", "`next_step`"), rows)


def events() -> str:
    """Return a table of the published events."""
    rows = []
    for event in EventType:
        name = file_name(event)
        links = f"[schema](../events/schemas/{name}.schema.json), [example](../events/{name}.json)"
        rows.append((f"`{event}`", f"`{STATUS_OF[event]}`", _text_of(EVENTS, event), links))
    return table(("`detail-type`", "`status`", "when", "files"), rows)


def examples() -> str:
    """Return the `detail` of a completed job, and of each other event what differs from it."""
    details = _details()
    whole = details.pop(EventType.COMPLETED)
    parts = [f"`{EventType.COMPLETED}`:", _json(whole)]
    for event, detail in details.items():
        differs = {name: value for name, value in detail["data"].items() if value != whole["data"][name]}
        parts += [f"`{event}`, where `data` differs from that:", _json(differs)]
    return "\n\n".join(parts)


def event_fields() -> str:
    """Return a table of every field of an event's `detail`."""
    return _fields("event")


def receipt_fields() -> str:
    """Return a table of every field of a receipt."""
    return _fields("receipt")


BLOCKS: dict[str, Callable[[], str]] = {
    one.__name__: one
    for one in (parameters, options, outputs, statuses, events, examples, event_fields, reasons, receipt_fields)
}


def table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a Markdown table."""
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)


def escaped(text: str) -> str:
    """Return text without a character that Markdown would read, outside of code."""
    parts = re.split(r"(`[^`]*`)", text)
    return "".join(part if part.startswith("`") else re.sub(r"([\\*_|<$])", r"\\\1", part) for part in parts)


def _text_of(texts: Mapping[str, Any], name: str) -> Any:
    if name not in texts:
        raise TextMissing(f"{str(name)!r} has no text: add one to docs/reference_texts.py")
    return texts[name]


def _details() -> dict[EventType, dict[str, Any]]:
    return {event: detail_of(job, event) for event, job in example_jobs().items()}


def _default(parameter: Mapping[str, Any]) -> str:
    if "Default" not in parameter:
        return "required"
    text = _text(parameter["Default"])
    return f"`{text}`" if text else "empty"


def _prose(declared: Mapping[str, Any]) -> str:
    return escaped(" ".join(str(declared.get("Description", "")).split()))


def _span(low: object, high: object) -> str:
    """Return a range in words; either end may be open."""
    if low is None or high is None:
        return f"at least {low}" if high is None else f"at most {int(str(high)):,}"
    return f"{int(str(low)):,} to {int(str(high)):,}"


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _json(value: object) -> str:
    return f"```json\n{json.dumps(value, indent=2, ensure_ascii=False)}\n```"


def _schema(name: str) -> dict[str, Any]:
    path = ROOT / "events" / "schemas" / f"{name}.schema.json"
    loaded: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return loaded


def _fields(schema: str) -> str:
    document = _schema(schema)
    rows = [(f"`{path}`", _type(field), _meaning(field)) for path, field in _walked(document, document, "")]
    return table(("field", "type", "meaning"), rows)


def _walked(field: Mapping[str, Any], document: Mapping[str, Any], above: str) -> Iterator[tuple[str, dict[str, Any]]]:
    for name, inner in _properties(field).items():
        own = {**document.get("$defs", {}).get(str(inner.get("$ref", "")).rpartition("/")[2], {}), **inner}
        path = f"{above}{name}"
        yield path, own
        if set(_properties(own)) == _SOURCED:
            continue
        yield from _walked(own, document, f"{path}.")


def _properties(field: Mapping[str, Any]) -> dict[str, Any]:
    """Return an object's fields; of several forms those of the one that has the most."""
    forms = [field, *field.get("anyOf", ())]
    found: dict[str, Any] = max((form.get("properties", {}) for form in forms), key=len)
    return found


def _type(field: Mapping[str, Any]) -> str:
    if "const" in field:
        return f"`{json.dumps(field['const'])}`"
    if "enum" in field:
        if field["enum"] == list(ReasonCode):
            return "a [reason code](#reason-codes)"
        return ", ".join(f"`{_text(one)}`" for one in field["enum"])
    if set(_properties(field)) == _SOURCED:
        return "object with `value` and `from`"
    kinds = field.get("type", [form.get("type", "") for form in field.get("anyOf", ())])
    kinds = [kinds] if isinstance(kinds, str) else kinds
    names = dict.fromkeys(_TYPES.get(kind, kind) for kind in sorted(kinds, key=lambda kind: kind == "null"))
    return " or ".join(names)


def _meaning(field: Mapping[str, Any]) -> str:
    said = str(field.get("description", ""))
    if "enum" in field and field["enum"] == list(ReasonCode):
        said = said.partition(". ")[0] + "."
    return escaped(said)


def _kind_of(value: object) -> str:
    return "integer" if isinstance(value, int) else "string"


def main() -> int:
    """Write the page. Return 1, with a message, where a sentence is missing."""
    try:
        written = page()
    except TextMissing as missing:
        sys.stderr.write(f"docs/write_reference.py: {missing}.\n")
        return 1
    PAGE.write_text(written, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
