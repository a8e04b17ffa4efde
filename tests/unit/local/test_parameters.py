"""The stack's parameters as variables of `make up`."""

from cli.parameters import read_parameters
from local.parameters import LOCAL_DEFAULTS, local_parameters, parameter_faults, parameters_from


def test_only_parameters_on_makes_command_line_are_used() -> None:
    environment = {
        "MAKE_VARIABLES": "DAILY_SPEND_LIMIT_USD NOTIFICATION_EMAIL NOHUMAN_API_KEY PYTHON",
        "DAILY_SPEND_LIMIT_USD": "1",
        "NOTIFICATION_EMAIL": "",
        "NOHUMAN_API_KEY": "a real key",
        "MAX_ATTEMPTS": "3",
        "PYTHON": "python3.13",
    }

    assert parameters_from(environment) == {"DailySpendLimitUsd": "1", "NotificationEmail": ""}
    assert parameters_from({"MAX_ATTEMPTS": "3"}) == {}


def test_a_local_stacks_parameters_are_valid() -> None:
    chosen = local_parameters("http://127.0.0.1:1", "key")

    assert chosen == {"NohumanApiKey": "key", "NohumanApiBaseUrl": "http://127.0.0.1:1", **LOCAL_DEFAULTS}
    assert set(chosen) <= set(read_parameters())
    assert parameter_faults(chosen) == []


def test_a_value_that_the_template_does_not_allow_is_a_fault() -> None:
    faults = parameter_faults({"DefaultMode": "hd", "DailySpendLimitUsd": "1"})

    assert faults == ["DefaultMode is 'hd'; allowed are fast, hq."]
