"""The stack's parameters as arguments of a command."""

import pytest

from dropreel_cli.assignments import given_parameters
from dropreel_cli.exits import Exit
from dropreel_cli.questions import UsageError


def test_a_parameter_is_named_as_in_the_template_or_as_in_make() -> None:
    words = ["DailySpendLimitUsd=1", "DEFAULT_MODE=hq", "NotificationEmail=", "DefaultPrompt=a=b c"]

    assert given_parameters(words) == {
        "DailySpendLimitUsd": "1",
        "DefaultMode": "hq",
        "NotificationEmail": "",
        "DefaultPrompt": "a=b c",
    }
    assert given_parameters([]) == {}


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["DailySpendLimit=1"], "There is no parameter 'DailySpendLimit'; did you mean DailySpendLimitUsd?"),
        (["default_mode=hq"], "There is no parameter 'default_mode'; did you mean DefaultMode?"),
        (["colour=red"], "There is no parameter 'colour'; there are NohumanApiKey, "),
        (["DefaultMode"], "DefaultMode has no value; write DefaultMode=VALUE."),
        (["DefaultMode=hd"], "DefaultMode is 'hd'; allowed are fast, hq."),
        (["DefaultMode=hq", "DEFAULT_MODE=fast"], "DefaultMode is given twice."),
        (
            ["NohumanApiKey=a real key"],
            "NohumanApiKey cannot be given here: the local cloud sets it itself or has no use for it.",
        ),
    ],
)
def test_a_wrong_word_is_reported_before_anything_starts(words: list[str], sentence: str) -> None:
    with pytest.raises(UsageError) as raised:
        given_parameters(words, refused=["NOHUMAN_API_KEY"])

    assert sentence in str(raised.value)
    assert str(raised.value).endswith("\nNothing was started.")
    assert raised.value.exit_status is Exit.USAGE


def test_all_faults_are_reported_at_once() -> None:
    with pytest.raises(UsageError) as raised:
        given_parameters(["DefaultMode=hd", "DefaultSound=x"])

    assert len(str(raised.value).splitlines()) == 3
