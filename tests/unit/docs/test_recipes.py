"""The cookbook's recipes, pasted twice into one folder, with a fake `aws` that records its arguments."""

import os
import subprocess
from pathlib import Path

import pytest

from tests.e2e.test_recipes import OWN_PICTURE, PAGE, RECIPES, Recipe


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: recipe.title)
def test_a_recipe_can_be_pasted_twice(recipe: Recipe, tmp_path: Path) -> None:
    aws = tmp_path / "bin" / "aws"
    aws.parent.mkdir()
    aws.write_text(f'#!/bin/sh\n[ "$3" = - ] && cat >/dev/null\necho "$@" >>"{tmp_path}/asked"\n')
    aws.chmod(0o755)
    place = tmp_path / "place"
    place.mkdir()
    for name in OWN_PICTURE.findall(recipe.script):
        (place / name).write_bytes(b"a picture")
    environment = {**os.environ, "PATH": f"{aws.parent}:{os.environ['PATH']}", "UPLOADS": "uploads"}

    asked = []
    for _ in range(2):
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", recipe.script],
            cwd=place,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=20,
        )
        assert (done.returncode, done.stderr) == (0, "")
        asked.append((tmp_path / "asked").read_text())

    assert asked[1] == asked[0] * 2


def test_a_sync_of_images_looks_at_sizes_only() -> None:
    """A fresh checkout changes all files' times: without --size-only, every image would be uploaded and paid again."""
    syncs = [line for recipe in RECIPES for line in recipe.script.splitlines() if line.startswith("aws s3 sync ")]

    assert syncs
    assert all(line.endswith(" --size-only") for line in syncs)
    assert "fresh checkout" in PAGE
