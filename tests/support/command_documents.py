"""Validates the JSON documents of the `dropreel` command by their schemas."""

import json
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator
from referencing import Registry, Resource

SCHEMAS = Path(__file__).resolve().parents[2] / "cli" / "dropreel_cli" / "schemas"


def validate_document(document: dict[str, Any], name: str) -> None:
    """Raise jsonschema's ValidationError for a document that does not follow `schemas/<name>.json`."""
    schemas = {file.name: json.loads(file.read_text(encoding="utf-8")) for file in SCHEMAS.glob("*.json")}
    registry: Registry[Any] = Registry().with_resources(
        [(file, Resource.from_contents(schema)) for file, schema in schemas.items()]
    )
    Draft202012Validator(schemas[f"{name}.json"], registry=registry).validate(document)
