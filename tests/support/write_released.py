"""Write released_resources.json from the previous release: `python -m tests.support.write_released`."""

import json
import tempfile
from pathlib import Path
from typing import Any

from tests.support.releases import Release, previous_release
from tests.support.stateful_resources import resources_of_stack
from tests.support.templates import load_template

ROOT = Path(__file__).resolve().parents[2]
TARGET = Path(__file__).with_name("released_resources.json")


def released_resources(release: Release) -> dict[str, Any]:
    """Return the content of the file: the release's version, and its resources with data."""
    with tempfile.TemporaryDirectory() as folder:

        def load(name: str) -> dict[str, Any]:
            path = Path(folder, name)
            path.write_text(release.text(name), encoding="utf-8")
            return load_template(str(path))

        return {"version": release.version, "resources": resources_of_stack(load)}


if __name__ == "__main__":
    TARGET.write_text(json.dumps(released_resources(previous_release(ROOT)), indent=2) + "\n", encoding="utf-8")
