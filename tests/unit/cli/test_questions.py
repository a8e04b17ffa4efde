"""The questions before a deployment, what Enter keeps, and the values that are sent: only those that differ."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import pytest

from dropreel_cli.parameters import Parameter
from dropreel_cli.questions import Terminal, UsageError, ask_target, values_to_send
from dropreel_cli.target import Target

DECLARED: dict[str, dict[str, Any]] = {
    "Key": {"NoEcho": True, "AllowedPattern": "^[a-z0-9]+$"},
    "Mode": {"Default": "fast", "AllowedValues": ["fast", "hq"]},
    "Limit": {"Default": "50", "AllowedPattern": "^[0-9]+$"},
    "Mail": {"Default": ""},
}
PARAMETERS = {
    name: Parameter(name, {"Description": f"About {name}.", "Type": "String", **declared})
    for name, declared in DECLARED.items()
}
IN_STACK = {"Key": "****", "Mode": "hq", "Limit": "0", "Mail": "me@example.com"}


@dataclass
class FakeTerminal:
    """Gives the answers in their order, and records the questions and what is shown."""

    answers: Iterable[str]
    asked: list[tuple[str, bool]] = field(default_factory=list)
    shown: list[str] = field(default_factory=list)

    @property
    def terminal(self) -> Terminal:
        answers = iter(self.answers)

        def ask(question: str, hidden: bool) -> str:
            self.asked.append((question, hidden))
            return next(answers)

        return Terminal(ask, self.shown.append)


def test_a_first_deployment_asks_for_all_and_sends_non_defaults() -> None:
    fake = FakeTerminal(["s3cret", "", "7", ""])

    values = values_to_send(PARAMETERS, {}, None, fake.terminal, ask_all=True)

    assert values == {"Key": "s3cret", "Limit": "7"}
    assert fake.asked == [("Key: ", True), ("Mode [fast]: ", False), ("Limit [50]: ", False), ("Mail []: ", False)]
    assert "About Mode. One of: fast, hq." in "".join(fake.shown)


def test_a_wrong_answer_is_explained_and_asked_again() -> None:
    fake = FakeTerminal(["", "k", "hd", "fast", "many", "7", ""])

    values = values_to_send(PARAMETERS, {}, None, fake.terminal, ask_all=True)

    assert values == {"Key": "k", "Limit": "7"}
    assert "Mode is 'hd'; allowed are fast, hq." in fake.shown
    assert "Key is not valid; must not be empty." in fake.shown


def test_guided_offers_the_stacks_values_and_enter_keeps_them() -> None:
    fake = FakeTerminal(["", "", "", ""])

    values = values_to_send(PARAMETERS, {}, IN_STACK, fake.terminal, ask_all=True)

    assert values == {}
    assert [question for question, _ in fake.asked] == [
        "Key [current value]: ", "Mode [hq]: ", "Limit [0]: ", "Mail [me@example.com]: ",
    ]  # fmt: skip


def test_two_quotes_set_a_value_to_empty() -> None:
    fake = FakeTerminal(["", "", "", '""'])

    assert values_to_send(PARAMETERS, {}, IN_STACK, fake.terminal, ask_all=True) == {"Mail": ""}
    assert 'Type "" for an empty value.' in fake.shown[-1]


def test_a_hidden_value_can_be_set_and_emptied() -> None:
    hook = {"Hook": Parameter("Hook", {"Type": "String", "Default": "", "NoEcho": True})}
    first, later = FakeTerminal(["https://x"]), FakeTerminal(['""'])

    assert values_to_send(hook, {}, None, first.terminal, ask_all=True) == {"Hook": "https://x"}
    assert values_to_send(hook, {}, {"Hook": "****"}, later.terminal, ask_all=True) == {"Hook": ""}
    assert first.asked + later.asked == [("Hook []: ", True), ("Hook [current value]: ", True)]


def test_a_later_deployment_asks_and_sends_nothing() -> None:
    fake = FakeTerminal([])

    assert values_to_send(PARAMETERS, {}, IN_STACK, fake.terminal, ask_all=False) == {}
    assert values_to_send(PARAMETERS, {}, IN_STACK, None, ask_all=False) == {}
    assert fake.asked == []


def test_a_given_value_is_sent_and_not_asked_for() -> None:
    fake = FakeTerminal(["", ""])

    values = values_to_send(PARAMETERS, {"Limit": "0", "Mode": "fast"}, IN_STACK, fake.terminal, ask_all=True)

    assert values == {"Limit": "0", "Mode": "fast"}
    assert [question for question, _ in fake.asked] == ["Key [current value]: ", "Mail [me@example.com]: "]


def test_only_a_value_that_is_no_longer_allowed_is_asked_for() -> None:
    fake = FakeTerminal(["", "3"])

    values = values_to_send(PARAMETERS, {}, {**IN_STACK, "Limit": "1.5"}, fake.terminal, ask_all=False)

    assert values == {"Limit": "3"}
    assert "The stack's Limit is '1.5'" in fake.shown[0]


def test_a_new_parameter_gets_its_default_without_a_question() -> None:
    older = {name: value for name, value in IN_STACK.items() if name != "Mail"}

    assert values_to_send(PARAMETERS, {}, older, None, ask_all=False) == {}


def test_without_a_terminal_every_required_value_is_named() -> None:
    with pytest.raises(UsageError) as error:
        values_to_send(PARAMETERS, {}, {"Mode": "hd"}, None, ask_all=False)

    assert "Key is required. Set it with the environment variable KEY." in str(error.value)
    assert "The stack's Mode is 'hd'; allowed are fast, hq. Set it with Mode=VALUE." in str(error.value)


def test_stack_name_and_region_are_asked_for_until_they_are_valid() -> None:
    fake = FakeTerminal(["my stack", "shop", "Frankfurt", "eu-central-1"])

    assert ask_target(Target("dropreel", None), fake.terminal, is_name_given=False) == Target("shop", "eu-central-1")
    assert fake.shown == ["'my stack' is not a valid stack name.", "'Frankfurt' is not a valid AWS region."]


def test_enter_keeps_the_region_and_a_given_name_is_not_asked_for() -> None:
    fake = FakeTerminal([""])

    assert ask_target(Target("shop", "us-gov-west-1"), fake.terminal, is_name_given=True) == Target(
        "shop", "us-gov-west-1"
    )
    assert [question for question, _ in fake.asked] == ["AWS region [us-gov-west-1]: "]
