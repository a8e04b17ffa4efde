"""The stack's parameters as variables of `make`: `make up DAILY_SPEND_LIMIT_USD=1`."""

import re
from collections.abc import Mapping

from local.logs import ROOT

SET_HERE = frozenset({"NohumanApiKey", "NohumanApiBaseUrl"})
"""The local cloud sets these itself: they lead to the simulator."""

LOCAL_DEFAULTS = {"UploadSettleSeconds": "1"}
"""Where a local run differs from the template's own defaults, so that nobody waits for what takes no time here."""

_SECTION = re.compile(r"^Parameters:\n(?P<names>(?:[ #].*\n|\n)*)", re.MULTILINE)
_NAME = re.compile(r"^  ([A-Za-z0-9]+):", re.MULTILINE)


def template_parameters() -> list[str]:
    """Return the names of template.yaml's parameters, in its order."""
    found = _SECTION.search((ROOT / "template.yaml").read_text(encoding="utf-8"))
    return _NAME.findall(found["names"]) if found else []


def variable_names() -> dict[str, str]:
    """Return the variable of each parameter that a local run takes: {"DAILY_SPEND_LIMIT_USD": "DailySpendLimitUsd", ...}."""
    return {_upper_snake(name): name for name in template_parameters() if name not in SET_HERE}


def parameters_from(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the template's parameters that are set there. An empty variable counts as one that is not set."""
    return {name: environment[variable] for variable, name in variable_names().items() if environment.get(variable)}


def local_parameters(base_url: str, api_key: str) -> dict[str, str]:
    """Return what each local stack gets that is not told otherwise; `base_url` is the simulator's address."""
    known = template_parameters()
    defaults = {name: value for name, value in LOCAL_DEFAULTS.items() if name in known}
    return {"NohumanApiKey": api_key, "NohumanApiBaseUrl": base_url, **defaults}


def override(name: str, value: str) -> str:
    """Return one of sam's `--parameter-overrides`; inside quotes, sam takes a backslash before a quote or a backslash."""
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'{name}="{escaped}"'


def _upper_snake(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).upper()
