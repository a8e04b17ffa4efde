"""The README and docs/ say what the code says: pictures, links, commands, parameters, outputs."""

import copy
import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from docs.draw_state_machine import DEFINITION, PICTURE, START, LayoutMissing, picture_of, transitions
from dropreel.domain.job import EventType
from dropreel.domain.options import OPTION_NAMES
from dropreel.domain.prices import PRICE_CENTS, usd

ROOT = Path(__file__).resolve().parents[3]
README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").glob("*.md")])


def _nothing(*_: object) -> None:
    return None


class _Loader(yaml.SafeLoader):
    """Reads a template; what CloudFormation's own tags stand for is of no interest here."""


_Loader.add_multi_constructor("!", _nothing)


@pytest.fixture(scope="module")
def definition() -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(DEFINITION.read_text(encoding="utf-8"))
    return loaded


@pytest.fixture(scope="module")
def template() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.load((ROOT / "template.yaml").read_text(encoding="utf-8"), _Loader)
    return loaded


def table(heading: str) -> dict[str, list[str]]:
    """Return the rows of the README's first table with this heading in its first cell, by their first cell."""
    lines = iter(README.splitlines())
    for line in lines:
        if line.startswith(f"| {heading} |"):
            break
    else:
        raise AssertionError(f"README.md has no table of {heading}")
    rows = {}
    for line in lines:
        if not line.startswith("|"):
            break
        first, *others = (cell.strip() for cell in line.strip("|").split("|"))
        if set(first) != {"-"}:
            rows[first.strip("`")] = [cell.strip("`") for cell in others]
    return rows


def anchors(page: Path) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


# --- the state machine's picture ----------------------------------------------------------------------------------


def test_the_committed_picture_is_what_the_script_draws_now(definition: dict[str, Any]) -> None:
    assert PICTURE.read_text(encoding="utf-8") == picture_of(definition), (
        "draw it again: .venvs/dev/bin/python docs/draw_state_machine.py"
    )


def test_every_state_is_in_the_picture(definition: dict[str, Any]) -> None:
    drawn = PICTURE.read_text(encoding="utf-8")
    assert [name for name in definition["States"] if f">{name}</text>" not in drawn] == []


def test_every_transition_of_the_definition_becomes_an_arrow(definition: dict[str, Any]) -> None:
    drawn = {(one.source, one.target) for one in transitions(definition)}
    targets = re.findall(r'"(?:Next|Default)": "([^"]+)"', DEFINITION.read_text(encoding="utf-8"))
    assert {target for _, target in drawn} == {*targets, definition["StartAt"]}
    assert (START, definition["StartAt"]) in drawn


def test_a_new_state_is_refused_with_what_to_add(definition: dict[str, Any]) -> None:
    grown = copy.deepcopy(definition)
    grown["States"]["Make Coffee"] = {"Type": "Pass", "Next": "Done"}
    with pytest.raises(LayoutMissing, match="'Make Coffee' has no place: add its column and row to PLACES"):
        picture_of(grown)


def test_a_new_transition_is_refused_with_what_to_add(definition: dict[str, Any]) -> None:
    grown = copy.deepcopy(definition)
    grown["States"]["Report Failure"]["Next"] = "Wait"
    with pytest.raises(LayoutMissing, match="from 'Report Failure' to 'Wait' has no route: add it to ROUTES"):
        picture_of(grown)


# --- links and commands -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_relative_link_leads_somewhere(page: Path) -> None:
    links = re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8"))
    dead = []
    for link in links:
        path, _, anchor = link.partition("#")
        if "://" in path:
            continue
        target = (page.parent / path).resolve() if path else page
        if not target.exists() or (anchor and anchor not in anchors(target)):
            dead.append(link)
    assert dead == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_make_target_that_is_named_exists(page: Path) -> None:
    targets = set(re.findall(r"^([a-z][a-z0-9-]*):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    named = re.findall(r"(?:^|`)make ([a-z][a-z0-9-]*)", page.read_text(encoding="utf-8"), re.MULTILINE)
    assert [name for name in named if name not in targets] == []


def test_every_resource_and_output_in_the_checklist_is_in_the_template(template: dict[str, Any]) -> None:
    page = (ROOT / "docs" / "first-deployment.md").read_text(encoding="utf-8")
    assert set(re.findall(r"\$\(resource (\w+)\)", page)) <= set(template["Resources"])
    assert set(re.findall(r"\$\((?:name|arn) (\w+)\)", page)) <= set(template["Outputs"])


# --- tables -------------------------------------------------------------------------------------------------------


def test_the_parameters_and_their_defaults_are_the_templates(template: dict[str, Any]) -> None:
    def told(parameter: dict[str, Any]) -> str:
        return str(parameter["Default"]) or "empty" if "Default" in parameter else "required"

    in_template = {name: told(parameter) for name, parameter in template["Parameters"].items()}
    assert {name: cells[0] for name, cells in table("parameter").items()} == in_template


def test_the_outputs_are_the_templates(template: dict[str, Any]) -> None:
    assert set(table("output")) == set(template["Outputs"])


def test_the_variables_are_the_options() -> None:
    options = {name: cells[0] for name, cells in table("variable").items() if name != "IMAGE"}
    assert options == {name.upper(): name for name in OPTION_NAMES}


def test_the_prices_are_the_price_tables() -> None:
    told = {
        (mode, seconds): cells[column]
        for mode, cells in table("mode").items()
        for column, seconds in enumerate((5, 10))
    }
    assert told == {key: str(usd(cents)) for key, cents in PRICE_CENTS.items()}


def test_the_events_are_named_as_they_are_published() -> None:
    assert set(table("`detail-type`")) <= {event.value for event in EventType}
