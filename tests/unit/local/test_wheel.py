"""The wheel that `pipx install .` makes: two packages, the schemas, one command, and the libraries that it imports."""

import json
import re
import subprocess
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.local.test_environments import COMES_WITH_BOTO3, ROOT, imports_of, locked

COMMAND = ROOT / "cli" / "dropreel_cli"
ENTRIES = (
    *("dropreel_cli.app", "dropreel_cli.__main__", "dropreel.provider.client"),  # `dropreel doctor` asks the provider
    *(f"dropreel_cli.commands.{file.stem}" for file in (COMMAND / "commands").glob("[a-z]*.py")),
)
BUILD_TOOLS = {"hatchling", "pip"}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[zipfile.ZipFile]:
    """Build the wheel as pip does, without a network: hatchling is in the environment of the command."""
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [ROOT / ".venvs" / "command" / "bin" / "python", "-m", "hatchling", "build", "-t", "wheel", "-d", folder],
        cwd=ROOT,
        check=True,
        capture_output=True,
        timeout=60,
    )
    (built,) = folder.glob("*.whl")
    with zipfile.ZipFile(built) as opened:
        yield opened


def read(wheel: zipfile.ZipFile, ending: str) -> str:
    (name,) = [name for name in wheel.namelist() if name.endswith(ending)]
    return wheel.read(name).decode()


def names_in(requirements: list[str]) -> set[str]:
    return {found[0] for line in requirements if (found := re.match(r"[A-Za-z0-9-]+", line))}


def test_the_wheel_has_two_packages_and_no_other_top_level_module(wheel: zipfile.ZipFile) -> None:
    top = {name.partition("/")[0] for name in wheel.namelist()}

    assert {name for name in top if not name.endswith(".dist-info")} == {"dropreel", "dropreel_cli"}


def test_the_wheel_has_every_module_and_schema_and_no_compiled_file(wheel: zipfile.ZipFile) -> None:
    names = set(wheel.namelist())
    packages = {"dropreel_cli": COMMAND, "dropreel": ROOT / "layers" / "dropreel" / "dropreel"}
    sources = {
        f"{package}/{file.relative_to(folder).as_posix()}"
        for package, folder in packages.items()
        for file in folder.rglob("*")
        if file.is_file() and file.suffix != ".pyc"
    }

    assert sources - names == {"dropreel_cli/release.py"}  # it makes releases of the repository
    assert [name for name in names if name.endswith(".pyc")] == []
    for name in names:
        if name.startswith("dropreel_cli/schemas/"):
            assert json.loads(wheel.read(name))["title"]


def test_the_installed_wheel_has_the_boards_pages_and_their_files(wheel: zipfile.ZipFile, tmp_path: Path) -> None:
    python = ROOT / ".venvs" / "command" / "bin" / "python"
    install = ("-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--no-compile", "--target", tmp_path)
    subprocess.run([python, *install, str(wheel.filename)], check=True, capture_output=True, timeout=60)

    script = "from dropreel_cli.web.site import FOLDER; print(FOLDER)"
    done = subprocess.run(
        [python, "-c", script],
        env={"PYTHONPATH": str(tmp_path)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )

    found = Path(done.stdout.strip())
    assert found == tmp_path / "dropreel_cli" / "web"
    for folder in ("static", "templates"):
        names = {file.name for file in (COMMAND / "web" / folder).iterdir()}
        assert names
        assert {file.name for file in (found / folder).iterdir()} == names


def test_the_board_is_an_extra_and_nothing_else_needs_its_packages(wheel: zipfile.ZipFile) -> None:
    lines = re.findall(r"^Requires-Dist: (.+)$", read(wheel, ".dist-info/METADATA"), re.MULTILINE)
    extra = names_in([line for line in lines if "extra == 'board'" in line])
    board = (*(entry for entry in ENTRIES if not entry.endswith(".board")),)

    assert extra == {"jinja2", "pi-heif", "pillow", "starlette", "uvicorn"}
    assert extra & set(imports_of(board, without="local")) == set()


def test_the_wheel_has_the_command(wheel: zipfile.ZipFile) -> None:
    assert read(wheel, ".dist-info/entry_points.txt").split("\n")[:2] == [
        "[console_scripts]",
        "dropreel = dropreel_cli.app:main",
    ]


def test_the_wheel_has_the_version_of_the_template(wheel: zipfile.ZipFile) -> None:
    (version,) = re.findall(r"SemanticVersion: &version (\S+)", (ROOT / "template.yaml").read_text(encoding="utf-8"))

    assert f"\nVersion: {version}\n" in read(wheel, ".dist-info/METADATA")


def test_the_wheel_requires_what_the_command_imports_and_no_more(wheel: zipfile.ZipFile) -> None:
    required = names_in(re.findall(r"^Requires-Dist: (.+)$", read(wheel, ".dist-info/METADATA"), re.MULTILINE))
    # What is under `local` runs in a checkout's own environment.
    imported = imports_of(ENTRIES, without="local")

    assert {name: modules for name, modules in imported.items() if name not in required | COMES_WITH_BOTO3} == {}
    assert required - set(imported) == set()


def test_the_environment_of_the_tests_has_what_the_wheel_requires(wheel: zipfile.ZipFile) -> None:
    required = names_in(re.findall(r"^Requires-Dist: (.+)$", read(wheel, ".dist-info/METADATA"), re.MULTILINE))
    listed = names_in((ROOT / "requirements" / "command.in").read_text(encoding="utf-8").splitlines())

    assert listed == required | BUILD_TOOLS
    assert listed <= set(locked("command"))


def test_only_the_commands_of_a_checkout_import_what_the_wheel_has_not() -> None:
    importing = {
        file.stem
        for file in (COMMAND / "commands").glob("*.py")
        if re.search(r"^ +from local\b", file.read_text(encoding="utf-8"), re.MULTILINE)
    }
    others = [file for file in COMMAND.glob("*.py") if re.search(r"(?:from|import) local\b", file.read_text("utf-8"))]

    assert importing == {"run", "up"}
    assert others == []
    for name in importing:
        text = (COMMAND / "commands" / f"{name}.py").read_text(encoding="utf-8")
        assert text.index("enter_checkout(") < text.index("from local")
