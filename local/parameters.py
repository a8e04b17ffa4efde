"""The stack's parameters in a local run: its defaults, and those of `make up DAILY_SPEND_LIMIT_USD=1`."""

from collections.abc import Mapping

from cli.parameters import read_parameters
from cli.target import given_names
from cli.variables import SET_BY_THE_LOCAL_CLOUD

LOCAL_DEFAULTS = {"UploadSettleSeconds": "1"}
"""Where a local run differs from the template's defaults: local uploads need no time to settle."""


def parameters_from(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the template's parameters on make's command line. Other variables of the environment are ignored."""
    given = given_names(environment)
    return {
        parameter.name: environment.get(parameter.variable, "")
        for parameter in read_parameters().values()
        if parameter.variable in given and parameter.variable not in SET_BY_THE_LOCAL_CLOUD
    }


def parameter_faults(parameters: Mapping[str, str]) -> list[str]:
    """Return a sentence for each value that the template does not allow."""
    known = read_parameters()
    return [fault for name, value in parameters.items() if (fault := known[name].fault_of(value))]


def local_parameters(base_url: str, api_key: str) -> dict[str, str]:
    """Return the default parameters of a local stack; `base_url` is the simulator's address."""
    return {"NohumanApiKey": api_key, "NohumanApiBaseUrl": base_url, **LOCAL_DEFAULTS}
