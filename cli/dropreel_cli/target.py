"""The stack and region that a command works on, and the answers of earlier `dropreel deploy` runs."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3

DEFAULT_STACK = "dropreel"
ANSWERS = Path(".dropreel.json")
"""Not tracked, and kept by `make clean`: the stack in AWS outlives the build."""
_REGION_VARIABLES = ("AWS_REGION", "AWS_DEFAULT_REGION")


@dataclass(frozen=True)
class Target:
    """A stack's name and region, and the AWS profile; None where the environment decides."""

    stack: str
    region: str | None
    profile: str | None = None

    def __str__(self) -> str:
        return f"{self.stack} in {self.region}"


def answers_file() -> Path:
    """Return the file of the answers: in the current folder or the nearest one above that has it, else in the current one."""
    here = Path.cwd()
    return next((found for folder in (here, *here.parents) if (found := folder / ANSWERS).is_file()), here / ANSWERS)


def target_from(
    environment: Mapping[str, str],
    answers: Path | None = None,
    *,
    region: str | None = None,
    profile: str | None = None,
) -> Target:
    """Return the stack and the region to work on.

    The stack: STACK, else the last answer, else `dropreel`. The region: the given one; else the answer for this stack, unless
    make's command line sets one or the environment's has changed since that answer; else the environment's or the profile's.
    """
    saved = _load(answers or answers_file())
    stack = environment.get("STACK") or saved.get("stack") or DEFAULT_STACK
    if region:
        return Target(stack, region, profile)
    current = region_in(environment, profile)
    answered = saved.get("regions", {}).get(stack)
    is_explicit = not given_names(environment).isdisjoint(_REGION_VARIABLES)
    if answered and not is_explicit and current in (None, answered["instead_of"]):
        return Target(stack, answered["region"], profile)
    return Target(stack, current, profile)


def region_in(environment: Mapping[str, str], profile: str | None = None) -> str | None:
    """Return the region of the environment or of its AWS profile."""
    return environment.get("AWS_REGION") or boto3.Session(profile_name=profile).region_name


def session_of(target: Target) -> boto3.Session:
    """Return a session in the target's region."""
    return boto3.Session(profile_name=target.profile, region_name=target.region)


def is_yes(environment: Mapping[str, str], name: str) -> bool:
    """Return whether a variable such as GUIDED=1 is switched on."""
    return environment.get(name, "").strip().lower() not in ("", "0", "no", "false")


def given_names(environment: Mapping[str, str]) -> set[str]:
    """Return the names of the variables on make's command line."""
    return set(environment.get("MAKE_VARIABLES", "").split())


def save_answers(target: Target, environment: Mapping[str, str], answers: Path) -> None:
    """Save the answers for later commands. A name from STACK holds for one command and is not saved."""
    saved = _load(answers)
    instead_of = region_in(environment, target.profile)
    saved.setdefault("regions", {})[target.stack] = {"region": target.region, "instead_of": instead_of}
    if not environment.get("STACK"):
        saved["stack"] = target.stack
    temporary = answers.with_suffix(".new")
    temporary.write_text(json.dumps(saved, indent=2) + "\n", encoding="utf-8")
    temporary.replace(answers)


def _load(answers: Path) -> dict[str, Any]:
    """Return the file's content; empty where it is missing or not valid."""
    try:
        saved = json.loads(answers.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return saved if isinstance(saved, dict) else {}
