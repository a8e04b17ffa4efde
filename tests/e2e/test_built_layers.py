"""The layers as they were built: what they bring along compiled."""

import _imp
import subprocess
import sys

from local.cloud import ROOT

LAYERS = [ROOT / ".aws-sam" / "build" / name / "python" for name in ("DropreelLayer", "DependenciesLayer")]
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

    stale = []
    for file in compiled:
        source = file.parents[1] / file.name.replace(".cpython-313.pyc", ".py")
        header = file.read_bytes()[:16]
        expected = _imp.source_hash(int.from_bytes(MAGIC_OF_3_13, "little"), source.read_bytes())
        if header != MAGIC_OF_3_13 + CHECKED_HASH.to_bytes(4, "little") + expected:
            stale.append(file)

    assert stale == []
    assert len(compiled) == (len(sources) if has_the_deployed_python() else 0)
    assert len(sources) > 100
