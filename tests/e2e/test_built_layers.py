"""The compiled files of the built layers."""

import _imp
import subprocess
import sys

from local.cloud import ROOT

BUILT = ROOT / ".aws-sam" / "build"
LAYERS = [BUILT / name / "python" for name in ("DropreelLayer", "DependenciesLayer")]
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


def test_the_layers_are_compiled_for_the_deployed_python_or_not_at_all() -> None:
    sources = {source for layer in LAYERS for source in layer.rglob("*.py")}
    compiled = {file for layer in LAYERS for file in layer.rglob("*.pyc")}

    stale, misplaced = [], []
    for file in compiled:
        source = file.parents[1] / file.name.replace(".cpython-313.pyc", ".py")
        content = file.read_bytes()
        expected = _imp.source_hash(int.from_bytes(MAGIC_OF_3_13, "little"), source.read_bytes())
        if content[:16] != MAGIC_OF_3_13 + CHECKED_HASH.to_bytes(4, "little") + expected:
            stale.append(file)
        if f"/opt/{source.relative_to(BUILT).as_posix().partition('/')[2]}".encode() not in content:
            misplaced.append(file)

    assert stale == []
    assert misplaced == []
    assert len(compiled) == (len(sources) if has_the_deployed_python() else 0)
    assert len(sources) > 100
