"""What `make deploy` asks a person: the stack's name, its region, and its parameters."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from cli.parameters import Parameter
from cli.target import Target

EMPTY = '""'
"""What is typed to make a value empty, where Enter alone keeps what is there."""
STACK_NAME = re.compile(r"[A-Za-z][A-Za-z0-9-]{0,127}")
"""What CloudFormation takes as a name."""
_REGION = re.compile(r"[a-z]{2,}(-[a-z]+)+-[0-9]+")


class ValueNeeded(Exception):
    """A value is needed and there is no terminal to ask at; the message says how to give it."""


@dataclass(frozen=True)
class Terminal:
    """A person to ask: `ask` takes the question and whether the answer is hidden while it is typed."""

    ask: Callable[[str, bool], str]
    say: Callable[[str], None]


def ask_target(present: Target, terminal: Terminal, *, is_name_given: bool) -> Target:
    """Ask for the stack's name, unless it was given, and for its region; Enter keeps what is meant already."""
    name = present.stack if is_name_given else _ask_matching("stack name", present.stack, STACK_NAME, terminal)
    return Target(name, _ask_matching("AWS region", present.region, _REGION, terminal))


def values_to_send(
    parameters: Mapping[str, Parameter],
    given: Mapping[str, str],
    in_stack: Mapping[str, str] | None,
    terminal: Terminal | None,
    *,
    ask_all: bool,
) -> dict[str, str]:
    """Return the values that differ from what the stack has (None: there is no stack yet) or else from the defaults.

    Asked is for each parameter with `ask_all`, else only for those that need a value: one without a default that the stack
    does not have, or one of the stack's that the template takes no longer. Raises ValueNeeded without a terminal.
    """
    values = dict(given)
    needed = []
    for parameter in parameters.values():
        if parameter.name in given:
            continue
        present = (in_stack or {}).get(parameter.name, parameter.default)
        fault = _fault_of_present(parameter, present, is_in_stack=parameter.name in (in_stack or {}))
        if terminal is None and fault:
            needed.append(f"{fault} Give it as {parameter.variable}.")
        if terminal is None or not (fault or ask_all):
            continue
        if fault and present is not None:
            terminal.say(f"\n{fault}")
        answer = _ask_value(parameter, None if fault else present, terminal)
        if answer != present:
            values[parameter.name] = answer
    if needed:
        raise ValueNeeded("\n".join(needed))
    return values


def _fault_of_present(parameter: Parameter, present: str | None, *, is_in_stack: bool) -> str | None:
    if present is None:
        return f"{parameter.name} is needed."
    if parameter.is_secret and is_in_stack:
        return None  # nobody can read it
    fault = parameter.fault_of(present)
    return f"The stack's {fault}" if fault else None


def _ask_value(parameter: Parameter, present: str | None, terminal: Terminal) -> str:
    """Ask until the answer can be taken; Enter means `present`, where there is one."""
    kept = "" if present is None else " [the present one]" if parameter.is_secret else f" [{present}]"
    can_empty = present and not parameter.is_secret and parameter.fault_of("") is None
    terminal.say(f"\n{parameter.description}{f' {EMPTY} makes it empty.' if can_empty else ''}")
    while True:
        answer = terminal.ask(f"{parameter.name}{kept}: ", parameter.is_secret).strip()
        if not answer and present is not None:
            return present
        value = "" if answer == EMPTY else answer
        fault = parameter.fault_of(value)
        if fault is None:
            return value
        terminal.say(fault)


def _ask_matching(what: str, present: str | None, form: re.Pattern[str], terminal: Terminal) -> str:
    while True:
        answer = (
            terminal.ask(f"{what[0].upper()}{what[1:]}{f' [{present}]' if present else ''}: ", False).strip()
            or present
            or ""
        )
        if form.fullmatch(answer):
            return answer
        terminal.say(f"{answer!r} is no {what}.")
