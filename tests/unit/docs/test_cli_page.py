"""docs/cli.md is made from the commands' own help, and is the same for every version of Click and every terminal."""

import os
import re
import subprocess
from pathlib import Path

import click
import pytest

from docs.write_cli import PAGE, SCHEMAS, exit_table, fields, page
from dropreel_cli.app import GROUPS, application
from dropreel_cli.exits import Exit
from tests.unit.docs.test_links import anchors, broken

ROOT = Path(__file__).resolve().parents[3]
TEXT = PAGE.read_text(encoding="utf-8")
NAMES = application.list_commands(click.Context(application))


def test_the_page_is_not_stale() -> None:
    assert page() == TEXT, "docs/cli.md is stale: run `make docs`"


@pytest.mark.parametrize(("environment", "columns"), [("run", "40"), ("dev", "200")])
def test_the_page_does_not_depend_on_click_or_the_terminal(environment: str, columns: str) -> None:
    """`.venvs/run` has the oldest Click that the command takes."""
    done = subprocess.run(
        [str(ROOT / ".venvs" / environment / "bin" / "python"), "-m", "docs.write_cli", "--print"],
        cwd=ROOT,
        env={**os.environ, "COLUMNS": columns},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )

    assert done.stdout == TEXT


def test_the_commands_are_in_the_order_of_the_help() -> None:
    in_order = [name for names in GROUPS.values() for name in names if name in NAMES]

    assert re.findall(r"^### `dropreel ([a-z]+)`$", TEXT, re.MULTILINE) == in_order


def test_every_link_of_the_page_leads_to_what_is_there() -> None:
    assert broken(PAGE) == []
    assert {f"dropreel-{name}" for name in NAMES} <= anchors(PAGE)


@pytest.mark.parametrize("name", NAMES)
def test_a_command_with_json_has_a_schema_with_a_table(name: str) -> None:
    command = application.get_command(click.Context(application), name)
    assert command is not None
    has_json = any(parameter.name == "is_json" for parameter in command.params)

    assert (SCHEMAS / f"{name}.json").is_file() == has_json
    section = TEXT.partition(f"### `dropreel {name}`\n")[2].partition("\n### ")[0].partition("\n## ")[0]
    assert ("\n| field | type | meaning |\n" in section) == has_json


def test_every_exit_status_has_its_meaning() -> None:
    rows = exit_table().splitlines()[2:]

    assert [int(row.split("|")[1]) for row in rows] == [int(one) for one in Exit]
    assert all(len(row.split("|")[2].strip()) > 3 for row in rows)


def test_a_table_has_the_fields_inside_of_lists_objects_and_references() -> None:
    schema = {
        "properties": {
            "version": {"const": 1},
            "jobs": {"type": "array", "items": {"$ref": "job.json"}},
            "days": {"type": "array", "items": {"$ref": "#/$defs/day"}, "description": "Newest first."},
            "by_mode": {"type": "object", "additionalProperties": {"type": "integer"}},
            "cap": {"anyOf": [{"type": "number"}, {"const": "unlimited"}]},
            "next": {"type": ["string", "null"]},
        },
        "$defs": {"day": {"type": "object", "properties": {"day": {"type": "string"}, "mode": {"enum": ["fast", 1]}}}},
    }

    assert list(fields(schema, schema)) == [
        ("jobs", "array of [job](#a-job)", ""),
        ("days", "array of object", "Newest first."),
        ("days[].day", "string", ""),
        ("days[].mode", "`fast`, `1`", ""),
        ("by_mode", "object", ""),
        ("by_mode.*", "integer", ""),
        ("cap", "number or `unlimited`", ""),
        ("next", "string or null", ""),
    ]
