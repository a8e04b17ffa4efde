"""The built layers: their compiled files, and the wheels for Lambda's processor and for this machine's."""

import _imp
import os
import re
import subprocess
import sys
from email.parser import Parser
from pathlib import Path

import pytest

from local.cloud import ROOT

FOR_AWS, LOCAL = ROOT / ".aws-sam" / "build", ROOT / ".aws-sam" / "local" / "build"
LAYERS = ("DropreelLayer", "DependenciesLayer")
IMAGING = Path("ImagingLayer", "python")
ENGINE_PYTHON = ROOT / ".venvs" / "ministack" / "bin" / "python"
MAGIC_OF_3_13 = (3571).to_bytes(2, "little") + b"\r\n"
CHECKED_HASH = 0b11


def has_the_deployed_python() -> bool:
    """Whether this machine has Python 3.13, as the Makefile asks for it."""
    if sys.version_info[:2] == (3, 13):
        return True
    try:
        asked = subprocess.run(["python3.13", "--version"], capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return False
    return asked.returncode == 0


@pytest.mark.parametrize("built", [FOR_AWS, LOCAL], ids=["AWS", "local"])
def test_the_layers_are_compiled_for_the_deployed_python_or_not_at_all(built: Path) -> None:
    sources = {source for layer in LAYERS for source in (built / layer / "python").rglob("*.py")}
    compiled = {file for layer in LAYERS for file in (built / layer / "python").rglob("*.pyc")}

    stale, misplaced = [], []
    for file in compiled:
        source = file.parents[1] / file.name.replace(".cpython-313.pyc", ".py")
        content = file.read_bytes()
        expected = _imp.source_hash(int.from_bytes(MAGIC_OF_3_13, "little"), source.read_bytes())
        if content[:16] != MAGIC_OF_3_13 + CHECKED_HASH.to_bytes(4, "little") + expected:
            stale.append(file)
        if f"/opt/{source.relative_to(built).as_posix().partition('/')[2]}".encode() not in content:
            misplaced.append(file)

    assert stale == []
    assert misplaced == []
    assert len(compiled) == (len(sources) if has_the_deployed_python() else 0)
    assert len(sources) > 100


def locked() -> dict[str, str]:
    """Return the packages of the imaging layer's lock file with their versions."""
    lock = (ROOT / "layers" / "imaging" / "requirements.txt").read_text(encoding="utf-8")
    return dict(re.findall(r"^([a-z0-9-]+)==(\S+)", lock, re.MULTILINE))


def wheels(layer: Path) -> list[Path]:
    return sorted(layer.glob("*.dist-info"))


def header(path: Path, name: str) -> list[str]:
    """Return the values of a header of a wheel's METADATA or WHEEL."""
    return Parser().parsestr(path.read_text(encoding="utf-8")).get_all(name, [])


@pytest.mark.parametrize("built", [FOR_AWS, LOCAL], ids=["AWS", "local"])
def test_the_imaging_layer_has_exactly_what_its_lock_file_names(built: Path) -> None:
    found = {
        header(wheel / "METADATA", "Name")[0].lower().replace("_", "-"): header(wheel / "METADATA", "Version")[0]
        for wheel in wheels(built / IMAGING)
    }

    assert found == locked()
    assert {"pillow", "pi-heif"} <= found.keys()


def test_the_imaging_layer_for_aws_is_for_lambda_whatever_machine_built_it() -> None:
    layer = FOR_AWS / IMAGING
    libraries = [path for path in layer.rglob("*") if path.is_file() and path.read_bytes()[:4] == b"\x7fELF"]
    extensions = [path.name for path in layer.rglob("*.cpython-*.so")]

    tags = [tag for wheel in wheels(layer) for tag in header(wheel / "WHEEL", "Tag")]
    assert [tag for tag in tags if not re.fullmatch(r"cp313-cp313-manylinux\w+_aarch64", tag)] == []
    machines = {int.from_bytes(path.read_bytes()[18:20], "little") for path in libraries}
    assert machines == {183}  # ELF's number of AArch64
    assert extensions
    assert [name for name in extensions if not name.endswith(".cpython-313-aarch64-linux-gnu.so")] == []


def test_the_local_imaging_layer_works_in_the_python_that_runs_the_functions() -> None:
    script = (
        "import PIL, PIL.Image, PIL.ImageCms, PIL.features, pi_heif; "
        "print(PIL.__version__, pi_heif.__version__, PIL.features.check('avif'), pi_heif.libheif_version() > '')"
    )
    done = subprocess.run(
        [str(ENGINE_PYTHON), "-c", script],
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(LOCAL / IMAGING), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )

    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.split() == [locked()["pillow"], locked()["pi-heif"], "True", "True"]


@pytest.mark.parametrize("package", ["pillow", "pi-heif"])
def test_the_imaging_layer_and_the_tests_have_the_same_release(package: str) -> None:
    lock = (ROOT / "requirements" / "dev.txt").read_text(encoding="utf-8")

    assert f"\n{package}=={locked()[package]} " in lock


def test_a_wheel_whose_hash_is_not_locked_is_not_built_in() -> None:
    assert "--require-hashes" in (ROOT / "layers" / "imaging" / "Makefile").read_text(encoding="utf-8")
