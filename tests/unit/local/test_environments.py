"""`.venvs/run` holds what `make run`, `up`, `drop`, `deploy` and `remove` import, and nothing of the development libraries."""

import ast
import re
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
# local/engine.py is not one of them: it runs in ministack's own environment.
ENTRIES = ("local.run", "local.up", "local.provider_simulator.__main__", "cli.__main__")
PACKAGES = {"local": ROOT, "cli": ROOT, "dropreel": ROOT / "layers" / "dropreel"}
NAMES = {"PIL": "pillow", "yaml": "pyyaml"}
COMMANDS = {"aws-sam-cli", "pip"}
"""What is run and not imported: the SAM CLI, and pip for the layers' Makefiles."""
COMES_WITH_BOTO3 = {"botocore"}


def _without_type_checking(tree: ast.AST) -> Iterator[ast.AST]:
    for node in ast.iter_child_nodes(tree):
        if not (isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"):
            yield node
            yield from _without_type_checking(node)


def _file_of(module: str) -> Path | None:
    place = PACKAGES[module.partition(".")[0]].joinpath(*module.split("."))
    return next((file for file in (place.with_suffix(".py"), place / "__init__.py") if file.is_file()), None)


def _imported_by(module: str, file: Path) -> Iterator[str]:
    package = module if file.name == "__init__.py" else module.rpartition(".")[0]
    for node in _without_type_checking(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package.rsplit(".", node.level - 1)[0] if node.level else ""
            origin = ".".join(part for part in (base, node.module) if part)
            yield origin
            yield from (f"{origin}.{alias.name}" for alias in node.names)


@cache
def _imports() -> dict[str, set[str]]:
    """Return each library that the commands import, functions included, with the modules of ours that do."""
    libraries: dict[str, set[str]] = {}
    left, seen = list(ENTRIES), set()
    while left:
        module = left.pop()
        file = _file_of(module)
        if module in seen or file is None:
            continue
        seen.add(module)
        for imported in _imported_by(module, file):
            top = imported.partition(".")[0]
            if top in PACKAGES:
                left.append(imported)
            elif top not in sys.stdlib_module_names:
                libraries.setdefault(NAMES.get(top, top), set()).add(module)
    assert seen >= set(ENTRIES)
    return libraries


def _required() -> set[str]:
    lines = (ROOT / "requirements" / "run.in").read_text(encoding="utf-8").splitlines()
    return {found[0] for line in lines if (found := re.match(r"[a-z0-9-]+", line))}


def _locked(name: str) -> dict[str, str]:
    lock = (ROOT / "requirements" / f"{name}.txt").read_text(encoding="utf-8")
    return dict(re.findall(r"^([a-z0-9._-]+)==(\S+)", lock, re.MULTILINE))


def test_the_run_environment_has_what_the_commands_import_and_no_more() -> None:
    imported = {name: modules for name, modules in _imports().items() if name not in COMES_WITH_BOTO3}

    assert {name: modules for name, modules in imported.items() if name not in _required()} == {}
    assert _required() - COMMANDS - set(imported) == set()


def test_imports_of_imported_modules_are_found_too() -> None:
    assert "local.provider_simulator.rendering" in _imports()["av"]
    assert "cli.parameters" in _imports()["pyyaml"]
    assert "local.cloud" in _imports()["boto3"]


def test_no_development_library_is_in_the_run_environment() -> None:
    development = {"pytest", "mypy", "ruff", "moto", "hypothesis", "numpy", "cfn-lint", "awscli", "uv"}

    assert development & set(_locked("run")) == set()
    assert development - {"awscli"} <= set(_locked("dev"))


@pytest.mark.parametrize("target", ["run", "up", "drop", "deploy", "remove"])
def test_what_a_user_makes_installs_no_development_environment(target: str) -> None:
    rule = re.search(rf"^{target}: (?P<needs>.+?) ## .+\n(?P<recipe>\t.+\n)+\n", MAKEFILE, re.MULTILINE)

    assert rule is not None
    assert re.findall(r"[^\s@]+/bin/python", rule["recipe"]) == ["$(RUN)/bin/python"]
    assert set(rule["needs"].split()) <= {"$(LOCAL_CLOUD)", "$(RUN)/installed", "$(AWS)/installed", "$(BUILT)"}
    assert ("$(AWS)/installed" in rule["needs"]) == (target == "up")


def test_the_local_engine_has_no_library_of_the_functions_layers() -> None:
    layers = set(_locked("../layers/dependencies/requirements")) - {"urllib3", "jmespath", "typing-extensions"}

    assert {"requests", "aws-lambda-powertools"} <= layers
    assert layers & set(_locked("ministack")) == set()


def test_the_tests_render_with_the_library_that_make_run_renders_with() -> None:
    run, dev = _locked("run"), _locked("dev")

    assert {name: run[name] for name in ("av", "pillow")} == {name: dev[name] for name in ("av", "pillow")}
