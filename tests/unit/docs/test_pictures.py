"""Pictures, links and commands of the README and docs/ agree with the code."""

import copy
import json
import re
from pathlib import Path
from typing import Any

import pytest

from docs.draw_images import DRAWN, PREPARED
from docs.draw_state_machine import DEFINITION, PICTURE, START, LayoutMissing, picture_of, transitions
from docs.write_reference import load_template
from dropreel.domain.images import PrepareReason
from tests.unit.docs.pages import PAGES, ROOT


@pytest.fixture(scope="module")
def definition() -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(DEFINITION.read_text(encoding="utf-8"))
    return loaded


def anchors(page: Path) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


# --- the state machine's picture ----------------------------------------------------------------------------------


def test_the_committed_picture_is_what_the_script_draws_now(definition: dict[str, Any]) -> None:
    assert PICTURE.read_text(encoding="utf-8") == picture_of(definition), "draw it again: make docs"


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


# --- the pictures of docs/images.md --------------------------------------------------------------------------------


@pytest.mark.parametrize("picture", DRAWN, ids=lambda picture: picture.name)
def test_a_committed_picture_of_images_is_what_the_script_draws_now(picture: Path) -> None:
    assert picture.read_text(encoding="utf-8") == DRAWN[picture](), "draw it again: make docs"


def test_every_reason_for_preparing_is_in_the_picture_and_on_the_page() -> None:
    page = (ROOT / "docs" / "images.md").read_text(encoding="utf-8")

    assert set(PREPARED) == set(PrepareReason)
    assert re.findall(r"^\| `([a-z_]+)` \| .+ \| .+ \|$", page.split("\n## Rejected")[0], re.MULTILINE) == [
        *PrepareReason
    ]


# --- links and commands -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
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


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_make_target_that_is_named_exists(page: Path) -> None:
    targets = set(re.findall(r"^([a-z][a-z0-9-]*):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    named = re.findall(r"(?:^|`)make ([a-z][a-z0-9-]*)", page.read_text(encoding="utf-8"), re.MULTILINE)
    assert [name for name in named if name not in targets] == []


@pytest.mark.parametrize("page", ["first-deployment.md", "operations.md", "notifications.md"])
def test_every_resource_and_output_that_a_page_asks_for_is_in_the_template(page: str) -> None:
    text, template = (ROOT / "docs" / page).read_text(encoding="utf-8"), load_template()
    resources = re.findall(r"\$\(resource (\w+)\)|\blines (\w+LogGroup)\b", text)

    assert resources or page == "notifications.md"
    assert {name for pair in resources for name in pair if name} <= set(template["Resources"])
    for name, stack in re.findall(r"\$\(nested (\w+) ?(\w*)\)", text):
        assert name in load_template(f"{(stack or 'Operations').lower()}.yaml")["Resources"]
    assert set(re.findall(r"\$\((?:name|arn) (\w+)\)", text)) <= set(template["Outputs"])
