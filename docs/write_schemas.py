"""Writes what is made from the schemas and the code: `python -m docs.write_schemas`.

events/schemas/video_generation_*.schema.json (but the request's, which is written by hand), an example of each published event in
events/, and schemas.yaml, the nested stack that registers all of them with EventBridge.
"""

import json
import re
from datetime import UTC, datetime
from typing import Any

from docs.event_schemas import ROOT, SCHEMAS, event_schema, file_name, load_schema, registered
from docs.reference_texts import example_jobs
from dropreel.domain.events import SOURCE, detail_of
from dropreel.domain.job import EventType
from dropreel.domain.messages import REQUESTED

TEMPLATE = ROOT / "schemas.yaml"
PUBLISHED_AT = datetime(2026, 11, 12, 9, 33, 41, tzinfo=UTC)
_SHORT_LIST = re.compile(r"\[\n +([^][{}]{1,160}?)\n +\]")
_HEAD = """\
AWSTemplateFormatVersion: "2010-09-09"
Description: >-
  The schemas of Dropreel's events in EventBridge's schema registry. Made by docs/write_schemas.py.

Metadata: # the repository takes a nested stack only as an application of its own
  AWS::ServerlessRepo::Application: { Name: dropreel-schemas, Author: dropreel-contributors, SpdxLicenseId: MIT,
    Description: The schemas of Dropreel's events. It is deployed with the application dropreel., LicenseUrl: LICENSE,
    ReadmeUrl: README.md }

Parameters:
  RegistryName: { Type: String, AllowedPattern: "^[0-9A-Za-z_.-]{1,64}$",
    Description: "Name of the registry, at most 64 characters." }

Resources:
  Registry: { Type: AWS::EventSchemas::Registry, Properties: { RegistryName: !Ref RegistryName,
    Description: Events of Dropreel. } }
"""


def example(event: EventType) -> dict[str, Any]:
    """Return an example of a published event, as EventBridge delivers it."""
    detail = detail_of(example_jobs()[event], event)
    return {
        "version": "0",
        "id": f"{list(EventType).index(event) + 1:08x}-5b1c-4f0e-9a55-0b8a3f1d2e4c",
        "detail-type": event.value,
        "source": SOURCE,
        "account": "123456789012",
        "time": PUBLISHED_AT.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "region": "eu-central-1",
        "resources": [f"arn:aws:s3:::{detail['data']['image']['bucket']}"],
        "detail": detail,
    }


def template() -> str:
    """Return schemas.yaml. A schema is named `dropreel@VideoGenerationCompleted`, as EventBridge names those that it finds."""
    parts = [_HEAD]
    schemas = [event_schema(event) for event in EventType] + [load_schema(file_name(REQUESTED))]
    for schema in sorted(schemas, key=lambda one: str(one["title"])):
        content = json.dumps(registered(schema), separators=(",", ":"), ensure_ascii=False).replace("'", "''")
        parts.append(
            f"  {schema['title']}: {{ Type: AWS::EventSchemas::Schema, Properties: {{ Type: JSONSchemaDraft4,\n"
            f"    RegistryName: !GetAtt Registry.RegistryName, SchemaName: {SOURCE}@{schema['title']}, Content:\n"
            f"    '{content}' }} }}\n"
        )
    return "".join(parts)


def files() -> dict[str, str]:
    """Return what is written: the path from the top of the checkout, and the text."""
    made = {TEMPLATE.relative_to(ROOT).as_posix(): template()}
    for event in EventType:
        name = file_name(event)
        made[f"{SCHEMAS.relative_to(ROOT).as_posix()}/{name}.schema.json"] = _json(event_schema(event))
        made[f"events/{name}.json"] = _json(example(event))
    return made


def _json(document: dict[str, Any]) -> str:
    """Return a document as text, with a short list of plain values on one line."""
    text = json.dumps(document, indent=2, ensure_ascii=False) + "\n"
    return _SHORT_LIST.sub(lambda one: "[" + re.sub(r"\n +", " ", one[1]) + "]", text)


def main() -> None:
    """Write all files."""
    for path, text in files().items():
        (ROOT / path).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
