"""The options that people pass to make as variables: `make run PROMPT="..." DURATION=10`."""

from collections.abc import Mapping

from dropreel.options import OPTION_NAMES


def options_from(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the options that are set, under the provider's names."""
    return {name: environment[name.upper()] for name in OPTION_NAMES if environment.get(name.upper())}
