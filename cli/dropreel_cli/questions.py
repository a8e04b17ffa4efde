"""The questions of `dropreel deploy`: the stack's name, its region, and its parameters."""

import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from dropreel_cli.exits import CommandError, Exit
from dropreel_cli.output import Output
from dropreel_cli.parameters import Parameter
from dropreel_cli.target import Target

EMPTY = '""'
"""The input that sets a value to empty; Enter alone keeps the current value."""
STACK_NAME = re.compile(r"[A-Za-z][A-Za-z0-9-]{0,127}")
"""The names that CloudFormation allows."""
_REGION = re.compile(r"[a-z]{2,}(-[a-z]+)+-[0-9]+")


class UsageError(CommandError):
    """An input is missing or wrong, and nothing was done; the message says which."""

    def __init__(self, message: str) -> None:
        super().__init__(message, Exit.USAGE)


@dataclass(frozen=True)
class Terminal:
    """Questions and output of an interactive run. `ask` takes the question and whether the typed answer is hidden."""

    ask: Callable[[str, bool], str]
    show: Callable[[str], None]

    @classmethod
    def of(cls, output: Output) -> "Terminal | None":
        """Return the terminal of a command, which asks on standard error; None where standard input is none."""
        if not sys.stdin.isatty():
            return None

        def ask(question: str, hidden: bool) -> str:
            try:
                return output.progress.input(question, markup=False, password=hidden)
            except EOFError:
                raise CommandError("The input ended. Nothing was changed.", Exit.REFUSED) from None

        return cls(ask, output.note)


def ask_target(default: Target, terminal: Terminal, *, is_name_given: bool) -> Target:
    """Ask for the stack's name, unless it was given, and for its region; Enter takes the default."""
    name = default.stack if is_name_given else _ask_matching("stack name", default.stack, STACK_NAME, terminal)
    return Target(name, _ask_matching("AWS region", default.region, _REGION, terminal), default.profile)


def check_stack_name(name: str | None) -> None:
    """Raise UsageError for a name that CloudFormation does not allow."""
    if name and not STACK_NAME.fullmatch(name):
        raise UsageError(
            f"The stack name is {name!r}; a stack name has only letters, digits and hyphens, and starts with a letter."
        )


def values_to_send(
    parameters: Mapping[str, Parameter],
    given: Mapping[str, str],
    in_stack: Mapping[str, str] | None,
    terminal: Terminal | None,
    *,
    ask_all: bool,
) -> dict[str, str]:
    """Return the values that differ from what the stack has (None: there is no stack yet) or else from the defaults.

    With `ask_all` it asks for every parameter, else only where a value is required: the stack has none and there is no default,
    or the template no longer allows the stack's. Without a terminal it raises UsageError instead.
    """
    values = dict(given)
    required = []
    for parameter in parameters.values():
        if parameter.name in given:
            continue
        current = (in_stack or {}).get(parameter.name, parameter.default)
        fault = _fault_of_current(parameter, current, is_in_stack=parameter.name in (in_stack or {}))
        if terminal is None and fault:
            how = f"the environment variable {parameter.variable}" if parameter.is_secret else f"{parameter.name}=VALUE"
            required.append(f"{fault} Set it with {how}.")
        if terminal is None or not (fault or ask_all):
            continue
        if fault and current is not None:
            terminal.show(f"\n{fault}")
        answer = _ask_value(parameter, None if fault else current, terminal)
        if answer != current:
            values[parameter.name] = answer
    if required:
        raise UsageError("\n".join(required))
    return values


def _fault_of_current(parameter: Parameter, current: str | None, *, is_in_stack: bool) -> str | None:
    if current is None:
        return f"{parameter.name} is required."
    if parameter.is_secret and is_in_stack:
        return None  # CloudFormation returns `****`
    fault = parameter.fault_of(current)
    return f"The stack's {fault}" if fault else None


def _ask_value(parameter: Parameter, current: str | None, terminal: Terminal) -> str:
    """Ask until the answer is valid; Enter keeps `current`, unless that is None."""
    kept = "" if current is None else " [current value]" if parameter.is_secret and current else f" [{current}]"
    can_empty = current and parameter.fault_of("") is None
    terminal.show(f"\n{parameter.description}{f' Type {EMPTY} for an empty value.' if can_empty else ''}")
    while True:
        answer = terminal.ask(f"{parameter.name}{kept}: ", parameter.is_secret).strip()
        if not answer and current is not None:
            return current
        value = "" if answer == EMPTY else answer
        fault = parameter.fault_of(value)
        if fault is None:
            return value
        terminal.show(fault)


def _ask_matching(what: str, default: str | None, pattern: re.Pattern[str], terminal: Terminal) -> str:
    question = f"{what[0].upper()}{what[1:]}{f' [{default}]' if default else ''}: "
    while True:
        answer = terminal.ask(question, False).strip() or default or ""
        if pattern.fullmatch(answer):
            return answer
        terminal.show(f"{answer!r} is not a valid {what}.")
