"""The stack's parameters as variables of `make`: `make up DAILY_SPEND_LIMIT_USD=1`."""

from collections.abc import Mapping

from cli.target import given_names
from cli.variables import parameter_names, variable_name

SET_HERE = frozenset({"NohumanApiKey", "NohumanApiBaseUrl"})
"""The local cloud sets these itself: they lead to the simulator."""

LOCAL_DEFAULTS = {"UploadSettleSeconds": "1"}
"""Where a local run differs from the template's own defaults, so that nobody waits for what takes no time here."""


def variable_names() -> dict[str, str]:
    """Return the variable of each parameter that a local run takes: {"DAILY_SPEND_LIMIT_USD": "DailySpendLimitUsd", ...}."""
    return {variable_name(name): name for name in parameter_names() if name not in SET_HERE}


def parameters_from(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the template's parameters on make's command line; what else the environment holds is not meant for the stack."""
    given = given_names(environment)
    return {name: environment.get(variable, "") for variable, name in variable_names().items() if variable in given}


def local_parameters(base_url: str, api_key: str) -> dict[str, str]:
    """Return what each local stack gets that is not told otherwise; `base_url` is the simulator's address."""
    known = parameter_names()
    defaults = {name: value for name, value in LOCAL_DEFAULTS.items() if name in known}
    return {"NohumanApiKey": api_key, "NohumanApiBaseUrl": base_url, **defaults}


def override(name: str, value: str) -> str:
    """Return one of sam's `--parameter-overrides`; inside quotes, sam takes a backslash before a quote or a backslash."""
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'{name}="{escaped}"'
