"""The variables that each make target takes: `python -m dropreel_cli.variables "<targets>" "<variables given>"`.

make runs this before it installs, builds or starts anything, so it uses the standard library only.
"""

from __future__ import annotations

import difflib
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

TEMPLATE = Path(__file__).resolve().parents[2] / "template.yaml"
_AWS = (
    "AWS_PROFILE",
    "AWS_REGION",
    "AWS_DEFAULT_REGION",
    "AWS_ENDPOINT_URL",
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
)
_TARGETS = {
    "run": ("IMAGE",),
    "up": (),
    "drop": ("IMAGE", "STACK"),
    "deploy": ("STACK", "GUIDED", "YES"),
    "remove": ("STACK", "YES"),
    "test": ("DROPREEL_SCHEDULES",),
    "test-faults": ("DROPREEL_SCHEDULES",),
    "mutants": ("ONLY",),
    "bench": ("ONLY",),
}
_WITH_OPTIONS = ("run", "drop")
"""Targets that also take an image's options: DefaultCfgScale's is CFG_SCALE."""
_WITH_PARAMETERS = ("up", "deploy")
"""Targets that also take the template's parameters: DailySpendLimitUsd as DAILY_SPEND_LIMIT_USD."""
NOT_IN_THE_LOCAL_CLOUD = ("NOHUMAN_API_KEY", "NOHUMAN_API_BASE_URL", "REGISTER_EVENT_SCHEMAS")
"""It sets the first two itself, and has no schema registry."""
_WITH_AWS = ("drop", "deploy", "remove")
_EVERYWHERE = re.compile(r"PYTHON|SHELL|(PIP|UV|SAM_CLI)_\w+|(https?|no|all)_proxy", re.IGNORECASE)
"""The variables of make itself and of the installation."""


def main() -> int:
    """Return 0, or 2 after a line on stderr for each variable that none of the targets takes."""
    targets, given = (argument.split() for argument in sys.argv[1:3])
    faults = variable_faults(targets, given)
    for fault in faults:
        print(fault, file=sys.stderr)
    return 2 if faults else 0


def variable_faults(targets: Iterable[str], given: Iterable[str]) -> list[str]:
    """Return a sentence for each given variable that would be ignored."""
    targets = list(targets)
    known = [name for target in targets for name in _taken_by(target)]
    return [_fault(name, targets, known) for name in given if name not in known and not _EVERYWHERE.fullmatch(name)]


def variable_name(parameter: str) -> str:
    """Return the make variable of a template parameter: `DAILY_SPEND_LIMIT_USD` for `DailySpendLimitUsd`."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", parameter).upper()


def parameter_names(template: Path = TEMPLATE) -> list[str]:
    """Return the names of the template's parameters in their order, without a YAML parser."""
    _, _, rest = template.read_text(encoding="utf-8").partition("\nParameters:\n")
    section = re.split(r"^\S", rest, maxsplit=1, flags=re.MULTILINE)[0]
    return re.findall(r"^  (\w+):", section, re.MULTILINE)


def option_variables() -> list[str]:
    """Return the make variables of an image's options: each has a parameter with its default."""
    names = [variable_name(name) for name in parameter_names()]
    return [name.removeprefix("DEFAULT_") for name in names if name.startswith("DEFAULT_")]


def _taken_by(target: str) -> list[str]:
    names = list(_TARGETS.get(target, ()))
    if target in _WITH_OPTIONS:
        names += option_variables()
    if target in _WITH_PARAMETERS:
        variables = map(variable_name, parameter_names())
        names += [name for name in variables if target != "up" or name not in NOT_IN_THE_LOCAL_CLOUD]
    if target in _WITH_AWS:
        names += _AWS
    return names


def _fault(name: str, targets: list[str], known: list[str]) -> str:
    others = [target for target in _TARGETS if name in _taken_by(target)]
    command = f"make {' '.join(targets)}".strip()
    if others:
        return f"{command} takes no {name}: it belongs to make {', make '.join(others)}."
    near = difflib.get_close_matches(name.upper(), known, n=1)
    if near:
        return f"There is no variable {name}; did you mean {near[0]}?"
    takes = [variable for variable in known if variable not in _AWS]
    return f"There is no variable {name}; {command} takes {', '.join(dict.fromkeys(takes)) or 'no variables'}."


if __name__ == "__main__":
    sys.exit(main())
