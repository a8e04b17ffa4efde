"""Whether a stack rehearses, and which items of the spend table count then."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dropreel.domain.days import spend_day
from dropreel_cli.exits import CommandError, Exit

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dropreel_cli.stack import Stack

REHEARSAL_KEY = "rehearsal"
"""The word that stands in `NohumanApiKey`'s place while `Rehearsal` is true."""
REHEARSAL_NOTICE = (
    "REHEARSAL: this stack has no provider. Its videos are stand-ins, all amounts are simulated, nothing is paid."
)


_KEY = "NohumanApiKey"


def with_key(
    given: Mapping[str, str], in_stack: Mapping[str, str] | None
) -> tuple[dict[str, str], dict[str, str] | None]:
    """Return the values that were given, with the word in the key's place in a rehearsal, and what the stack keeps.

    The word is no key: a stack that rehearses no longer keeps none. Raises CommandError (USAGE) where key and rehearsal
    do not go together. `in_stack` is None where there is no stack yet.
    """
    before = (in_stack or {}).get("Rehearsal", "false")
    after, key = given.get("Rehearsal", before), given.get(_KEY)
    if after == "true" and key not in (None, REHEARSAL_KEY):
        raise CommandError(
            f"A rehearsal takes no API key, so that yours is never left in it unseen: give no {_KEY}. The word "
            f"{REHEARSAL_KEY} takes its place. Nothing was changed.",
            Exit.USAGE,
        )
    if after != "true" and key == REHEARSAL_KEY:
        raise CommandError(
            f"{_KEY} is the word {REHEARSAL_KEY}, which goes with Rehearsal=true alone. Give the key of your account at the "
            "provider. Nothing was changed.",
            Exit.USAGE,
        )
    if after == "true":
        return {**given, _KEY: REHEARSAL_KEY}, None if in_stack is None else dict(in_stack)
    if before == "true" and in_stack is not None:
        return dict(given), {name: value for name, value in in_stack.items() if name != _KEY}
    return dict(given), None if in_stack is None else dict(in_stack)


def with_key_of_change(wanted: Mapping[str, str], stack: Stack, arguments: str) -> dict[str, str]:
    """Return the values of `dropreel set`, with the word where it begins a rehearsal. Raises CommandError where it ends one."""
    rehearses, now = wanted.get("Rehearsal"), is_rehearsal(stack)
    if rehearses == "false" and now:
        raise CommandError(
            "Rehearsal=false needs the API key of your account at the provider, which belongs on no command line. Run "
            f"NOHUMAN_API_KEY=... dropreel deploy Rehearsal=false{arguments}. Nothing was changed.",
            Exit.USAGE,
        )
    return {**wanted, _KEY: REHEARSAL_KEY} if rehearses == "true" and not now else dict(wanted)


def is_rehearsal(stack: Stack) -> bool:
    """Return whether the stack's new jobs are rehearsals. A stack of an earlier release has no such parameter."""
    return stack.parameters.get("Rehearsal") == "true"


def spend_day_of(stack: Stack, day: str) -> str:
    """Return the key of the spend table's item of a day (UTC, `2026-11-12`): a rehearsal has its own."""
    return spend_day(day, is_rehearsal=is_rehearsal(stack))
