"""A variable that make would ignore is refused before anything starts; the values of the others arrive unchanged."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from dropreel.domain.options import OPTION_NAMES
from dropreel_cli.parameters import read_parameters
from dropreel_cli.variables import option_variables, parameter_names, variable_faults, variable_name

ROOT = Path(__file__).resolve().parents[3]


def make(*arguments: str, **variables: str) -> "subprocess.CompletedProcess[str]":
    inherited = {
        name: value for name, value in os.environ.items() if name not in ("MAKELEVEL", "MAKEFLAGS", *option_variables())
    }
    return subprocess.run(
        ["make", "--no-print-directory", f"PYTHON={sys.executable}", *arguments],
        cwd=ROOT,
        env={**inherited, **variables},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["run", "DURATIN=10"], "There is no variable DURATIN; did you mean DURATION?"),
        (["run", "duration=10"], "There is no variable duration; did you mean DURATION?"),
        (["drop", "IMAGE=a.jpg", "PROMT=x"], "There is no variable PROMT; did you mean PROMPT?"),
        (["up", "DAILY_SPEND_LIMIT=1"], "There is no variable DAILY_SPEND_LIMIT; did you mean DAILY_SPEND_LIMIT_USD?"),
        (["deploy", "STAK=shop"], "There is no variable STAK; did you mean STACK?"),
        (["bench", "ONYL=startup"], "There is no variable ONYL; did you mean ONLY?"),
        (
            ["test-faults", "DROPREEL_SCHEDULE=9"],
            "There is no variable DROPREEL_SCHEDULE; did you mean DROPREEL_SCHEDULES?",
        ),
        (["remove", "DURATION=5"], "make remove takes no DURATION: it belongs to make run, make drop."),
        (["up", "NOHUMAN_API_KEY=k"], "make up takes no NOHUMAN_API_KEY: it belongs to make deploy."),
        (
            ["up", "REGISTER_EVENT_SCHEMAS=true"],
            "make up takes no REGISTER_EVENT_SCHEMAS: it belongs to make deploy.",
        ),
        (["lint", "FAST=1"], "There is no variable FAST; make lint takes no variables."),
        (["run", "it's=1"], "There is no variable it's; make run takes IMAGE, "),
    ],
)
def test_make_refuses_a_variable_that_it_would_ignore(arguments: list[str], sentence: str) -> None:
    done = make(*arguments)

    assert done.returncode == 2
    assert sentence in done.stderr
    assert "??" not in done.stderr
    assert "?." not in done.stderr
    assert "Nothing was started" in done.stderr
    assert done.stdout == ""


def test_every_wrong_variable_is_named_at_once() -> None:
    done = make("run", "MOOD=fast", "SOUNDS=true", "MODE=fast")

    assert "MOOD; did you mean MODE?" in done.stderr
    assert "SOUNDS; did you mean SOUND?" in done.stderr


@pytest.mark.parametrize(
    ("target", "name"),
    [
        ("run", "IMAGE"),
        ("drop", "AWS_PROFILE"),
        ("deploy", "NOHUMAN_API_KEY"),
        ("deploy", "YES"),
        ("up", "DAILY_SPEND_LIMIT_USD"),
        ("setup", "PIP_INDEX_URL"),
        ("setup", "https_proxy"),
        ("mutants", "ONLY"),
        ("lint", "PYTHON"),
    ],
)
def test_a_variable_of_the_target_is_accepted(target: str, name: str) -> None:
    assert variable_faults([target], [name]) == []


def test_a_variable_of_one_of_two_targets_is_accepted() -> None:
    assert variable_faults(["build", "run"], ["DURATION"]) == []


def test_every_option_and_every_parameter_of_the_template_is_a_variable() -> None:
    assert {name.upper() for name in OPTION_NAMES} == set(option_variables())
    assert parameter_names() == list(read_parameters())
    assert len(set(map(variable_name, parameter_names()))) == len(parameter_names())
    assert variable_name("DailySpendLimitUsd") == "DAILY_SPEND_LIMIT_USD"
    assert variable_name("KmsKeyArn") == "KMS_KEY_ARN"


def test_values_arrive_as_they_were_typed(tmp_path: Path) -> None:
    prompt = 'pan "right" über $5 $(shell exit 1) $$ it\'s #1; \\ `a`=b % 日本'
    printing = tmp_path / "printing.mk"
    script = "import json, os; print(json.dumps([os.environ.get(n) for n in ('PROMPT', 'MODE', 'MAKE_VARIABLES')]))"
    printing.write_text(f'include Makefile\ndrop: ; @{sys.executable} -c "{script}"\n', encoding="utf-8")

    done = make("--file", str(printing), "drop", f"PROMPT={prompt}", MODE="x$y")

    assert done.returncode == 0, done.stderr
    arrived_prompt, mode, names = json.loads(done.stdout)
    assert (arrived_prompt, mode) == (prompt, "x$y")
    assert names.split() == ["PROMPT", "PYTHON"]


def test_the_check_needs_the_standard_library_only() -> None:
    bare = [sys.executable, "-I", "-S", "-c"]
    script = (
        f"import sys; sys.path.insert(0, {str(ROOT / 'cli')!r});"
        "from dropreel_cli.variables import variable_faults; print(variable_faults(['up'], ['A']))"
    )

    done = subprocess.run([*bare, script], capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr
    assert "There is no variable A" in done.stdout
