"""The stack's parameters as variables of `make up`."""

import pytest

from cli.variables import parameter_names
from local import parameters
from local.parameters import SET_HERE, local_parameters, override, parameters_from, variable_names


def test_no_two_parameters_have_the_same_variable() -> None:
    assert sorted([*variable_names().values(), *SET_HERE]) == sorted(parameter_names())


def test_only_parameters_on_makes_command_line_are_taken() -> None:
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


@pytest.mark.parametrize("known", [True, False])
def test_a_local_stack_reads_options_soon_where_the_template_lets_it(
    monkeypatch: pytest.MonkeyPatch, known: bool
) -> None:
    monkeypatch.setattr(parameters, "parameter_names", lambda: ["UploadSettleSeconds"] if known else [])

    assert local_parameters("http://127.0.0.1:1", "key") == {
        "NohumanApiKey": "key",
        "NohumanApiBaseUrl": "http://127.0.0.1:1",
        **({"UploadSettleSeconds": "1"} if known else {}),
    }


def test_quotes_and_backslashes_are_escaped_for_sam() -> None:
    assert override("DefaultPrompt", 'say "hi" \\ bye') == r'DefaultPrompt="say \"hi\" \\ bye"'
