"""The cookbook of docs/options.md, pasted unchanged: the provider gets the requests that the page shows."""

import json
import os
import re
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from dropreel.domain.job import Job, JobStatus
from dropreel.domain.options import OPTION_NAMES
from dropreel.domain.prices import PRICE_CENTS, usd
from dropreel_cli.parameters import read_parameters
from local.cloud import ROOT
from tests.e2e.conftest import SAMPLE, Account

PAGE = (ROOT / "docs" / "options.md").read_text()
RECIPES_AT_ONCE = 4
# A picture that the recipe takes from the current folder: not part of a key, and not a sidecar's name.
OWN_PICTURE = re.compile(r"(?<![\w/.-])([\w-]+\.jpg)\b(?!\.json)")


@dataclass(frozen=True)
class Recipe:
    """One recipe. `asked` is image key -> a subset of each request that the provider gets about it."""

    title: str
    script: str
    asked: dict[str, list[dict[str, Any]]]


def _recipes() -> list[Recipe]:
    _, cookbook = PAGE.split("\n## Cookbook\n")
    found = []
    for section in re.split(r"^### ", cookbook, flags=re.MULTILINE)[1:]:
        title = section.splitlines()[0]
        (script,) = re.findall(r"^```bash\n(.*?)^```", section, re.MULTILINE | re.DOTALL)
        (answer,) = re.findall(r"^```json\n(.*?)^```", section, re.MULTILINE | re.DOTALL)
        asked = {key: one if isinstance(one, list) else [one] for key, one in json.loads(answer).items()}
        found.append(Recipe(title, script, asked))
    return found


RECIPES = _recipes()


def _paste(account: Account, recipe: Recipe, folder: Path) -> "subprocess.CompletedProcess[str]":
    for name in set(OWN_PICTURE.findall(recipe.script)):
        shutil.copy(SAMPLE, folder / name)
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("AWS_")},
        **account.cloud.engine.environment,
        "AWS_PAGER": "",
        "PATH": f"{ROOT / '.venvs' / 'aws' / 'bin'}:{os.environ['PATH']}",
        "UPLOADS": account.uploads,
    }
    return subprocess.run(
        ["bash", "-euo", "pipefail", "-c", recipe.script],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


@pytest.fixture(scope="module")
def pasted(account: Account, tmp_path_factory: pytest.TempPathFactory) -> dict[str, "subprocess.CompletedProcess[str]"]:
    """Every recipe's block, run in a folder of its own; title -> how it ended."""
    folders = {recipe.title: tmp_path_factory.mktemp("recipe") for recipe in RECIPES}
    with ThreadPoolExecutor(RECIPES_AT_ONCE) as pool:
        runs = {recipe.title: pool.submit(_paste, account, recipe, folders[recipe.title]) for recipe in RECIPES}
    for recipe in RECIPES:  # a second sync uploads nothing: the tests below would find a second payment
        if "aws s3 sync" in recipe.script:
            assert _paste(account, recipe, folders[recipe.title]).returncode == 0
    return {title: run.result() for title, run in runs.items()}


def test_there_are_ten_recipes_and_no_two_touch_the_same_folder() -> None:
    assert len(RECIPES) == 10
    folders = [folder for recipe in RECIPES for folder in {key.split("/")[0] for key in recipe.asked}]
    assert len(folders) == len(set(folders)) == 10


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: recipe.title)
def test_a_recipe_does_what_the_page_says(
    account: Account, pasted: dict[str, "subprocess.CompletedProcess[str]"], recipe: Recipe
) -> None:
    done = pasted[recipe.title]
    assert done.returncode == 0, done.stdout + done.stderr

    for key, asked in recipe.asked.items():
        _wait_for_videos(account, key, len(asked))
        requests = [submission["request"] for submission in account.submitted(key)]
        assert len(requests) == len(asked)
        unmet = [one for one in asked if not any(one.items() <= request.items() for request in requests)]
        assert not unmet, f"asked of {key}: {[_without_address(request) for request in requests]}"


def _wait_for_videos(account: Account, key: str, number: int) -> None:
    """Wait until the image has so many jobs and all are completed with their events published."""
    if number > 1:
        account.job_when(key, lambda _: len(account.jobs_of(key)) == number)
    for job_id in {job.job_id for job in account.jobs_of(key)}:
        ended = account.job_when(key, partial(_has_ended, job_id))
        assert ended.status is JobStatus.COMPLETED, ended
    account.ended(key)


def _has_ended(job_id: str, job: Job) -> bool:
    return job.job_id == job_id and job.is_terminal and not job.pending_events


def _without_address(request: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in request.items() if name != "image_url"}


def _rows(heading: str) -> list[list[str]]:
    section = PAGE.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip().strip("`") for cell in line.strip("|").split("|")] for line in lines[2:]]


def test_the_options_table_has_every_option_with_its_default() -> None:
    parameters = read_parameters()
    rows = {row[0]: row for row in _rows("The options")}

    assert sorted(rows) == sorted(OPTION_NAMES)
    for name in set(OPTION_NAMES) - {"prompt", "negative_prompt"}:
        parameter = "Default" + name.title().replace("_", "")
        assert rows[name][3] == parameters[parameter].default
    assert f"The default prompt is `{parameters['DefaultPrompt'].default}`." in PAGE


def test_the_price_table_is_the_one_that_is_charged() -> None:
    shown = {row[0]: row[1:] for row in _rows("What a video costs")}

    assert shown == {mode: [str(usd(PRICE_CENTS[mode, seconds])) for seconds in (5, 10)] for mode in ("fast", "hq")}
