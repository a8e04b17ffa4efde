"""`.venvs/run` holds what `make run`, `up`, `drop`, `deploy` and `remove` import, and nothing of the development libraries."""

import ast
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
# local/engine.py is not one of them: it runs in ministack's own environment.
ENTRIES = (
    *("local.run", "local.up", "local.provider_simulator.__main__", "dropreel_cli.app", "dropreel_cli.make_arguments"),
    *(f"dropreel_cli.commands.{file.stem}" for file in (ROOT / "cli" / "dropreel_cli" / "commands").glob("[a-z]*.py")),
)
PACKAGES = {"local": ROOT, "dropreel_cli": ROOT / "cli", "dropreel": ROOT / "layers" / "dropreel"}
NAMES = {"PIL": "pillow", "anyio": "starlette", "markupsafe": "jinja2", "pi_heif": "pi-heif", "yaml": "pyyaml"}
COMMANDS = {"aws-sam-cli", "pip"}
"""What is run and not imported: the SAM CLI, and pip for the layers' Makefiles."""
COMES_WITH_BOTO3 = {"botocore", "urllib3"}


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
def imports_of(entries: tuple[str, ...] = ENTRIES, without: str = "") -> dict[str, set[str]]:
    """Return each library that the entries import, functions included, with the modules of ours that do.

    Imports of the package `without` are not followed.
    """
    libraries: dict[str, set[str]] = {}
    left, seen = list(entries), set()
    while left:
        module = left.pop()
        file = _file_of(module)
        if module in seen or file is None:
            continue
        seen.add(module)
        for imported in _imported_by(module, file):
            top = imported.partition(".")[0]
            if top == without:
                continue
            if top in PACKAGES:
                left.append(imported)
            elif top not in sys.stdlib_module_names:
                libraries.setdefault(NAMES.get(top, top), set()).add(module)
    assert seen >= set(entries)
    return libraries


def _required() -> set[str]:
    lines = (ROOT / "requirements" / "run.in").read_text(encoding="utf-8").splitlines()
    return {found[0] for line in lines if (found := re.match(r"[a-z0-9-]+", line))}


def locked(name: str) -> dict[str, str]:
    lock = (ROOT / "requirements" / f"{name}.txt").read_text(encoding="utf-8")
    return dict(re.findall(r"^([a-z0-9._-]+)==(\S+)", lock, re.MULTILINE))


def _needs(target: str) -> set[str]:
    """Return the prerequisites of a target of the Makefile."""
    (needs,) = re.findall(rf"^{target}: (.+?) ##", MAKEFILE, re.MULTILINE)
    return set(needs.split())


def test_the_run_environment_has_what_the_commands_import_and_no_more() -> None:
    imported = {name: modules for name, modules in imports_of().items() if name not in COMES_WITH_BOTO3}

    assert {name: modules for name, modules in imported.items() if name not in _required()} == {}
    assert _required() - COMMANDS - set(imported) == set()


def test_imports_of_imported_modules_are_found_too() -> None:
    assert "local.provider_simulator.rendering" in imports_of()["av"]
    assert "dropreel_cli.parameters" in imports_of()["pyyaml"]
    assert "local.cloud" in imports_of()["boto3"]


def test_no_development_library_is_in_the_run_environment() -> None:
    development = {"pytest", "mypy", "ruff", "moto", "hypothesis", "numpy", "cfn-lint", "awscli", "uv"}

    assert development & set(locked("run")) == set()
    assert development - {"awscli"} <= set(locked("dev"))


@pytest.mark.parametrize("target", ["run", "up", "drop", "deploy", "remove"])
def test_what_a_user_makes_installs_no_development_environment(target: str) -> None:
    rule = re.search(rf"^{target}: (?P<needs>.+?) ## .+\n(?P<recipe>\t.+\n)+\n", MAKEFILE, re.MULTILINE)

    assert rule is not None
    assert re.findall(r"[^\s@]+/bin/python", rule["recipe"]) == ["$(RUN)/bin/python"]
    needs = set(rule["needs"].split())
    assert needs <= {"$(LOCAL_CLOUD)", "$(RUN)/installed", "$(AWS)/installed", "$(BUILT)", "$(BUILT_LOCAL)"}
    assert ("$(AWS)/installed" in needs) == (target == "up")


@pytest.mark.parametrize("target", ["run", "up", "test-scale", "bench"])
def test_what_runs_locally_needs_the_local_build_alone(target: str) -> None:
    needs = _needs(target)

    assert "$(BUILT_LOCAL)" in needs
    assert "$(BUILT)" not in needs


@pytest.mark.parametrize("target", ["build", "deploy", "package"])
def test_what_is_deployed_comes_from_the_build_for_aws_alone(target: str) -> None:
    needs = _needs(target)

    assert "$(BUILT)" in needs
    assert "$(BUILT_LOCAL)" not in needs


def test_the_two_builds_share_no_folder() -> None:
    config = tomllib.loads((ROOT / "samconfig.toml").read_text(encoding="utf-8"))
    aws, local = config["default"], config["local"]

    # sam's own default is .aws-sam/build; it keeps notes about a build in the folder above it.
    assert "build_dir" not in aws["build"]["parameters"]
    assert "template_file" not in aws["deploy"]["parameters"]
    assert local["build"]["parameters"]["build_dir"] == ".aws-sam/local/build"
    assert local["deploy"]["parameters"]["template_file"] == ".aws-sam/local/build/template.yaml"
    assert re.findall(r"^(BUILT\w*) := (\S+)$", MAKEFILE, re.MULTILINE) == [
        ("BUILT", ".aws-sam/build/template.yaml"),
        ("BUILT_LOCAL", local["deploy"]["parameters"]["template_file"]),
    ]


@pytest.mark.parametrize(
    ("built", "environment", "interpreter"),
    [("build", "default", ""), ("local/build", "local", f"{ROOT}/.venvs/ministack/bin/python")],
)
def test_only_the_local_build_names_an_interpreter(built: str, environment: str, interpreter: str) -> None:
    """The imaging layer has wheels for `LAYER_PYTHON`, and for Lambda without one."""
    done = subprocess.run(
        ["make", "--dry-run", "--always-make", f".aws-sam/{built}/template.yaml"],
        cwd=ROOT,
        env={**os.environ, "LAYER_PYTHON": "/usr/bin/python-of-a-shell"},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )

    (command,) = [line for line in done.stdout.splitlines() if line.startswith("LAYER_PYTHON=")]
    assert command.startswith(f"LAYER_PYTHON='{interpreter}' ")
    assert f" sam build --config-env {environment} " in command


def test_the_local_engine_has_no_library_of_the_functions_layers() -> None:
    layers = set(locked("../layers/dependencies/requirements")) - {"urllib3", "jmespath", "typing-extensions"}

    assert {"requests", "aws-lambda-powertools"} <= layers
    assert layers & set(locked("ministack")) == set()


def test_the_tests_render_with_the_library_that_make_run_renders_with() -> None:
    run, dev = locked("run"), locked("dev")

    assert {name: run[name] for name in ("av", "pillow")} == {name: dev[name] for name in ("av", "pillow")}
