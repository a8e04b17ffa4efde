"""The tests that docs/ names are there."""

import ast
import re

import pytest

from tests.unit.docs.pages import PAGES, ROOT

TEXTS = [page.read_text(encoding="utf-8") for page in PAGES]
NAMED = sorted({named for text in TEXTS for named in re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", text)})
PATHS = sorted({path.rstrip(".") for text in TEXTS for path in re.findall(r"(?<![\w/])tests/[\w/.]+", text)})


def test_the_page_names_tests() -> None:
    reliability = (ROOT / "docs" / "reliability.md").read_text(encoding="utf-8")

    assert len([name for _, name in NAMED if f"::{name}`" in reliability]) > 30


@pytest.mark.parametrize(("file", "name"), NAMED)
def test_a_test_that_the_page_names_is_there(file: str, name: str) -> None:
    tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))

    assert name in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}


def test_a_path_of_tests_that_a_page_names_is_there() -> None:
    assert [path for path in PATHS if not (ROOT / path).exists()] == []
