"""`dropreel set`: the changes that its arguments ask for, and the update of the stack that makes them."""

from __future__ import annotations

import difflib
import json
import re
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from dropreel.domain.options import OPTION_NAMES
from dropreel_cli.exits import CommandError, Exit
from dropreel_cli.option_metadata import typed_options
from dropreel_cli.parameters import parameters_of
from dropreel_cli.stack import HIDDEN, Stack
from dropreel_cli.stack_status import CHANGEABLE, cause_of_failure, what_to_do

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from dropreel_cli.parameters import Parameter

# A direct update of a template with a transform needs AUTO_EXPAND; `sam deploy` expands it in a change set.
_CAPABILITIES = ["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"]
_CHECK_SECONDS = 2.0
_MAX_SECONDS = 3600


@dataclass(frozen=True)
class Change:
    """A parameter's value in the stack, and the one that it gets."""

    name: str
    before: str
    after: str

    @property
    def document(self) -> dict[str, str]:
        """The change as JSON."""
        return {"name": self.name, "before": self.before, "after": self.shown}

    @property
    def shown(self) -> str:
        """The value that it gets, hidden where CloudFormation hides the one before."""
        return HIDDEN if self.after and self.before == HIDDEN else self.after


def deployed_parameters(stack: Stack) -> dict[str, Parameter]:
    """Return the parameters of the template that the stack was deployed from. Raises botocore's ClientError."""
    body = stack.client("cloudformation").get_template(StackName=stack.arn, TemplateStage="Original")["TemplateBody"]
    return parameters_of(body if isinstance(body, str) else json.dumps(body))


def wanted_values(
    assignments: Iterable[str], parameters: Mapping[str, Parameter], secret_help: Callable[[], str]
) -> dict[str, str]:
    """Return the values by the parameters' names. Raises CommandError (USAGE) with a line for each argument that is wrong.

    `secret_help` returns how a secret is changed, for who tries it here.
    """
    by_spelling = {spelling: one for one in parameters.values() for spelling in (one.name, one.variable)}
    wanted: dict[str, str] = {}
    faults = []
    for assignment in assignments:
        name, separator, value = assignment.partition("=")
        parameter = by_spelling.get(name)
        if not separator:
            faults.append(f"{assignment!r} has no value. Write NAME=VALUE, or NAME= for an empty value.")
        elif parameter is None:
            faults.append(_unknown(name, parameters))
        elif parameter.is_key:
            faults.append(f"{parameter.name} is a secret. {secret_help()}")
        elif parameter.name in wanted:
            faults.append(f"{parameter.name} is given twice.")
        elif fault := parameter.fault_of(value) or _option_fault(parameter.name, value):
            faults.append(f"{fault} {parameter.declared.get('Description', '')}".strip())
        else:
            wanted[parameter.name] = value
    if faults:
        raise CommandError("\n".join([*faults, "Nothing was changed."]), Exit.USAGE)
    return wanted


def _option_fault(name: str, value: str) -> str | None:
    """Return why a default option is not valid: the stack would reject every image for it. None for any other parameter."""
    option = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name.removeprefix("Default")).lower()
    if not name.startswith("Default") or option not in OPTION_NAMES or not value:
        return None
    found = typed_options({option: value})
    return f"{name}: {'; '.join(fault.message for fault in found)}." if isinstance(found, list) else None


def changes_of(stack: Stack, wanted: Mapping[str, str]) -> list[Change]:
    """Return what differs from the stack's values. Raises CommandError (REFUSED) if the stack cannot be changed now."""
    if stack.status not in CHANGEABLE:
        raise CommandError(
            f"The stack {stack.name} cannot be changed: it is {stack.status}. {what_to_do(stack)}", Exit.REFUSED
        )
    values = ((name, stack.parameters.get(name, ""), value) for name, value in wanted.items())
    return [Change(name, before, after) for name, before, after in values if before != after]


def update(
    stack: Stack,
    changes: Sequence[Change],
    on_check: Callable[[str], None] = lambda _: None,
    sleep: Callable[[float], None] = time.sleep,
) -> Stack:
    """Change these parameters, keep all others and the template, and wait for the end; return the stack as it is then.

    `on_check` gets the stack's status while it waits. Raises CommandError where CloudFormation refuses it or rolls it back.
    """
    changed = {change.name: change.after for change in changes}
    try:
        stack.client("cloudformation").update_stack(
            StackName=stack.arn,
            UsePreviousTemplate=True,
            Parameters=[_sent(name, changed) for name in stack.parameters],
            Capabilities=_CAPABILITIES,
        )
    except ClientError as error:
        answer = error.response["Error"]
        if answer["Code"] != "ValidationError":
            raise
        if "No updates are to be performed" in answer["Message"]:
            return stack
        raise CommandError(
            f"CloudFormation refuses these values: {answer['Message']} Nothing was changed.", Exit.USAGE
        ) from error
    return _ended(stack, on_check, sleep)


def _sent(name: str, changed: Mapping[str, str]) -> dict[str, Any]:
    value = {"ParameterValue": changed[name]} if name in changed else {"UsePreviousValue": True}
    return {"ParameterKey": name, **value}


def _ended(stack: Stack, on_check: Callable[[str], None], sleep: Callable[[float], None]) -> Stack:
    for _ in range(int(_MAX_SECONDS / _CHECK_SECONDS)):
        after = Stack.find(stack.arn, stack.session, stack.endpoint_url)
        if after.status == "UPDATE_COMPLETE":
            return after
        if not after.status.endswith("_IN_PROGRESS"):
            raise CommandError(_failure(after))
        on_check(after.status)
        sleep(_CHECK_SECONDS if stack.endpoint_url is None else _CHECK_SECONDS / 10)
    raise CommandError(f"The stack {stack.name} is still {after.status} after an hour. {what_to_do(after)}")


def _failure(after: Stack) -> str:
    if after.status not in CHANGEABLE:
        return f"The stack {after.name} is {after.status}. {what_to_do(after)}"
    return (
        "The change failed and was rolled back: all parameters have the values that they had."
        f" {cause_of_failure(after)}"
    ).strip()


def _unknown(name: str, parameters: Mapping[str, Parameter]) -> str:
    by_lower = {one.name.lower(): one.name for one in parameters.values()}
    near = difflib.get_close_matches(name.replace("_", "").lower(), by_lower, n=1)
    if near:
        return f"There is no parameter {name}; did you mean {by_lower[near[0]]}?"
    return f"There is no parameter {name}. The stack has: {', '.join(parameters)}."
