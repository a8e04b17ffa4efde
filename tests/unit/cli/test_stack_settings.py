"""What the command reads from a stack's parameters."""

import pytest

from dropreel.domain.prices import DOCUMENTED
from dropreel_cli.exits import CommandError
from dropreel_cli.stack import Stack
from dropreel_cli.stack_settings import prices_of


def stack_with(**parameters: str) -> Stack:
    return Stack("shop", {}, None, parameters=parameters)  # type: ignore[arg-type]


def test_a_stack_of_an_earlier_release_has_the_documented_prices() -> None:
    assert prices_of(stack_with()) == DOCUMENTED


@pytest.mark.parametrize("text", ["fast-5=47 fast-10=0.94 hq-5=0.94 hq-10=1.87", "free"])
def test_prices_that_submit_nothing_are_named_with_a_command_that_corrects_them(text: str) -> None:
    with pytest.raises(CommandError, match="PricesUsd submits nothing") as wrong:
        prices_of(stack_with(PricesUsd=text))

    assert f"dropreel set 'PricesUsd={DOCUMENTED.text}'" in str(wrong.value)
