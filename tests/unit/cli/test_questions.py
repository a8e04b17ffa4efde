"""What is asked before a deployment, what Enter keeps, and what is then sent: only what differs."""

from collections.abc import Iterable
from dataclasses import dataclass, field

import pytest

from cli.parameters import Parameter
from cli.questions import Terminal, ValueNeeded, ask_target, values_to_send
from cli.target import Target

PARAMETERS = {
    name: Parameter(name, {"Description": f"About {name}.", "Type": "String", **declared})
    for name, declared in {
        "Key": {"NoEcho": True, "AllowedPattern": "^[a-z0-9]+$"},
        "Mode": {"Default": "fast", "AllowedValues": ["fast", "hq"]},
        "Limit": {"Default": "50", "AllowedPattern": "^[0-9]+$"},
        "Mail": {"Default": ""},
    }.items()
}
IN_STACK = {"Key": "****", "Mode": "hq", "Limit": "0", "Mail": "me@example.com"}


@dataclass
class Person:
    """Answers each question in turn, and keeps what was asked and said."""

    answers: Iterable[str]
    asked: list[tuple[str, bool]] = field(default_factory=list)
    heard: list[str] = field(default_factory=list)

    @property
    def terminal(self) -> Terminal:
        answers = iter(self.answers)

        def ask(question: str, hidden: bool) -> str:
            self.asked.append((question, hidden))
            return next(answers)

        return Terminal(ask, self.heard.append)


def test_the_first_deployment_asks_for_everything_and_sends_what_is_not_the_default() -> None:
    person = Person(["s3cret", "", "7", ""])

    values = values_to_send(PARAMETERS, {}, None, person.terminal, ask_all=True)

    assert values == {"Key": "s3cret", "Limit": "7"}
    assert person.asked == [("Key: ", True), ("Mode [fast]: ", False), ("Limit [50]: ", False), ("Mail []: ", False)]
    assert "About Mode. One of: fast, hq." in "".join(person.heard)


def test_a_wrong_answer_is_told_and_asked_again() -> None:
    person = Person(["", "k", "hd", "fast", "many", "7", ""])

    values = values_to_send(PARAMETERS, {}, None, person.terminal, ask_all=True)

    assert values == {"Key": "k", "Limit": "7"}
    assert "Mode is 'hd'; allowed are fast, hq." in person.heard
    assert "Key is not right; must not be empty." in person.heard


def test_guided_offers_the_stacks_values_and_enter_keeps_them_all() -> None:
    person = Person(["", "", "", ""])

    values = values_to_send(PARAMETERS, {}, IN_STACK, person.terminal, ask_all=True)

    assert values == {}
    assert [question for question, _ in person.asked] == [
        "Key [the present one]: ", "Mode [hq]: ", "Limit [0]: ", "Mail [me@example.com]: ",
    ]  # fmt: skip


def test_two_quotes_make_a_value_empty_where_enter_would_keep_it() -> None:
    person = Person(["", "", "", '""'])

    assert values_to_send(PARAMETERS, {}, IN_STACK, person.terminal, ask_all=True) == {"Mail": ""}
    assert '"" makes it empty' in person.heard[-1]


def test_a_later_deployment_asks_and_sends_nothing() -> None:
    person = Person([])

    assert values_to_send(PARAMETERS, {}, IN_STACK, person.terminal, ask_all=False) == {}
    assert values_to_send(PARAMETERS, {}, IN_STACK, None, ask_all=False) == {}
    assert person.asked == []


def test_what_was_given_is_sent_and_not_asked_for() -> None:
    person = Person(["", ""])

    values = values_to_send(PARAMETERS, {"Limit": "0", "Mode": "fast"}, IN_STACK, person.terminal, ask_all=True)

    assert values == {"Limit": "0", "Mode": "fast"}
    assert [question for question, _ in person.asked] == ["Key [the present one]: ", "Mail [me@example.com]: "]


def test_a_value_of_the_stack_that_the_template_takes_no_longer_is_asked_for_alone() -> None:
    person = Person(["", "3"])

    values = values_to_send(PARAMETERS, {}, {**IN_STACK, "Limit": "1.5"}, person.terminal, ask_all=False)

    assert values == {"Limit": "3"}
    assert "The stack's Limit is '1.5'" in person.heard[0]


def test_a_parameter_that_the_stack_does_not_have_yet_gets_its_default_without_a_question() -> None:
    older = {name: value for name, value in IN_STACK.items() if name != "Mail"}

    assert values_to_send(PARAMETERS, {}, older, None, ask_all=False) == {}


def test_without_a_terminal_every_value_that_is_needed_is_named() -> None:
    with pytest.raises(ValueNeeded) as needed:
        values_to_send(PARAMETERS, {}, {"Mode": "hd"}, None, ask_all=False)

    assert "Key is needed. Give it as KEY." in str(needed.value)
    assert "The stack's Mode is 'hd'; allowed are fast, hq. Give it as MODE." in str(needed.value)


def test_the_stacks_name_and_region_are_asked_for_until_they_can_be() -> None:
    person = Person(["my stack", "shop", "Frankfurt", "eu-central-1"])

    assert ask_target(Target("dropreel", None), person.terminal, is_name_given=False) == Target("shop", "eu-central-1")
    assert person.heard == ["'my stack' is no stack name.", "'Frankfurt' is no AWS region."]


def test_enter_keeps_the_region_and_a_given_name_is_not_asked_for() -> None:
    person = Person([""])

    assert ask_target(Target("shop", "us-gov-west-1"), person.terminal, is_name_given=True) == Target(
        "shop", "us-gov-west-1"
    )
    assert [question for question, _ in person.asked] == ["AWS region [us-gov-west-1]: "]
