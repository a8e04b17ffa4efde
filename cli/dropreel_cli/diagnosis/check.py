"""A check, what it found, and what all checks look at."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from functools import cached_property
from itertools import islice
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from dropreel_cli.aws_errors import explain, is_denied
from dropreel_cli.exits import CommandError
from dropreel_cli.job_lists import JobLists
from dropreel_cli.stack_resources import StackResources

if TYPE_CHECKING:
    from collections.abc import Callable

    from dropreel.domain.job import Job
    from dropreel_cli.command_line import StackOptions
    from dropreel_cli.stack import Stack

JOB_DAYS = 7
MOST_JOBS = 1_000
"""Jobs that are looked at, at most: a week may have a million."""


class Status(StrEnum):
    """How a check ended."""

    OK = "ok"
    FAILED = "failed"
    SKIPPED = "skipped"
    """It could not be made, or does not apply."""


@dataclass(frozen=True)
class Finding:
    """What a check found. `next_step` says what to do, for all that is not ok."""

    status: Status
    message: str
    next_step: str | None = None


def ok(message: str) -> Finding:
    """Return that all is well."""
    return Finding(Status.OK, message)


def failed(message: str, next_step: str) -> Finding:
    """Return that something must be done."""
    return Finding(Status.FAILED, message, next_step)


def skipped(message: str, next_step: str | None = None) -> Finding:
    """Return that the check could not be made."""
    return Finding(Status.SKIPPED, message, next_step)


@dataclass(frozen=True)
class Site:
    """The stack that is checked. `options` are the user's own, for commands to paste."""

    stack: Stack
    options: StackOptions

    @cached_property
    def resources(self) -> StackResources:
        """The stack's resources. Raises botocore's ClientError."""
        return StackResources.of(self.stack)

    @cached_property
    def last_jobs(self) -> list[Job]:
        """The jobs of the last `JOB_DAYS` days, the newest first, `MOST_JOBS` at most. Raises botocore's ClientError."""
        now = datetime.now(UTC)
        lists = JobLists(self.stack.client("dynamodb"), self.stack.outputs["JobsTableName"])
        return list(islice(lists.jobs_since(now - timedelta(days=JOB_DAYS), now), MOST_JOBS))

    @property
    def is_local(self) -> bool:
        """Whether it is the local cloud."""
        return self.stack.endpoint_url is not None

    def command(self, words: str) -> str:
        """Return a command to paste: `dropreel <words>` with the user's own options."""
        return self._in_local_cloud(f"dropreel {words}{self.options.arguments}")

    def named(self, text: str) -> str:
        """Return a text whose commands name the stack as the user named it, where they say `--stack` and its name."""
        pattern = rf" --stack {re.escape(self.stack.name)}(?=[\s.:,]|$)"
        return self._in_local_cloud(re.sub(pattern, lambda _: self.options.arguments, text))

    def _in_local_cloud(self, text: str) -> str:
        """Return a text without `dropreel deploy` where it is about the local cloud, which is deployed when it starts."""
        if not self.options.local:
            return text
        return re.sub(r"dropreel deploy( --(local|guided))*", "dropreel down, then dropreel up", text)


@dataclass(frozen=True)
class Check:
    """A named check."""

    name: str
    look: Callable[[Site], Finding]

    def run(self, site: Site) -> Finding:
        """Run it. What AWS refuses is a finding, too; Ctrl-C is not."""
        try:
            return self.look(site)
        except (BotoCoreError, ClientError) as error:
            if is_denied(error):
                return skipped(explain(error), f"It needs the policy that {site.command('policy reader')} prints.")
            return failed(explain(error), "Try again; if it stays, look at AWS's health dashboard.")
        except CommandError as error:
            return failed(str(error), site.command("deploy"))
