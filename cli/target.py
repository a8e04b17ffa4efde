"""Which stack in which region is meant, and what was answered to that at an earlier `make deploy`."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3

DEFAULT_STACK = "dropreel"
ANSWERS = Path(".dropreel.json")
"""Not tracked, and kept by `make clean`: the stack in AWS outlives what a checkout has built."""
_REGION_VARIABLES = ("AWS_REGION", "AWS_DEFAULT_REGION")


@dataclass(frozen=True)
class Target:
    """A stack's name and region; the region is None where nothing names one."""

    stack: str
    region: str | None

    def __str__(self) -> str:
        return f"{self.stack} in {self.region}"


def target_from(environment: Mapping[str, str], answers: Path = ANSWERS) -> Target:
    """Return the stack and the region that are meant.

    The stack: STACK, else the name last answered, else `dropreel`. The region: what was answered for this stack, unless
    make's command line names one or the environment has come to name another since; else what the environment names.
    """
    saved = _load(answers)
    stack = environment.get("STACK") or saved.get("stack") or DEFAULT_STACK
    named = region_in(environment)
    answered = saved.get("regions", {}).get(stack)
    is_explicit = not given_names(environment).isdisjoint(_REGION_VARIABLES)
    if answered and not is_explicit and named in (None, answered["instead_of"]):
        return Target(stack, answered["region"])
    return Target(stack, named)


def region_in(environment: Mapping[str, str]) -> str | None:
    """Return the region that the environment or its AWS profile names."""
    return environment.get("AWS_REGION") or boto3.Session().region_name


def session_of(target: Target) -> boto3.Session:
    """Return a session in the target's region."""
    return boto3.Session(region_name=target.region)


def is_yes(environment: Mapping[str, str], name: str) -> bool:
    """Return whether a variable such as GUIDED=1 says yes."""
    return environment.get(name, "").strip().lower() not in ("", "0", "no", "false")


def given_names(environment: Mapping[str, str]) -> set[str]:
    """Return the names of the variables on make's command line."""
    return set(environment.get("MAKE_VARIABLES", "").split())


def remember(target: Target, environment: Mapping[str, str], answers: Path = ANSWERS) -> None:
    """Keep the answers for what is called later. A name that STACK gave was not answered, and stays for that call."""
    saved = _load(answers)
    saved.setdefault("regions", {})[target.stack] = {"region": target.region, "instead_of": region_in(environment)}
    if not environment.get("STACK"):
        saved["stack"] = target.stack
    unfinished = answers.with_suffix(".new")
    unfinished.write_text(json.dumps(saved, indent=2) + "\n", encoding="utf-8")
    unfinished.replace(answers)


def _load(answers: Path) -> dict[str, Any]:
    """Return the file's content; nothing where there is none or somebody broke it."""
    try:
        saved = json.loads(answers.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return saved if isinstance(saved, dict) else {}
