"""`dropreel jobs`: reads the list and prints it."""

from __future__ import annotations

import shlex
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from dropreel_cli.documents import job_document
from dropreel_cli.exits import CommandError
from dropreel_cli.job_lists import JobLists
from dropreel_cli.job_selection import JobList, Selection, select_jobs
from dropreel_cli.job_tables import counts_text, jobs_table, show_table
from dropreel_cli.rehearsals import REHEARSAL_NOTICE, is_rehearsal
from dropreel_cli.submissions import PAUSED_NOTICE, Submissions

if TYPE_CHECKING:
    from dropreel_cli.command_line import StackOptions
    from dropreel_cli.output import Output
    from dropreel_cli.stack import Stack

_SILENT_READS = 1000
"""After so many jobs that were read, a line says that the command is still reading, and again each time."""


def list_jobs(options: StackOptions, output: Output, selection: Selection) -> None:
    """Print the selected jobs, and a notice first if no submission starts."""
    stack = options.connect()
    paused = paused_state(stack)
    if paused:
        output.note(PAUSED_NOTICE, "bold yellow")
    if is_rehearsal(stack):
        output.note(REHEARSAL_NOTICE, "bold yellow")

    def on_read(count: int) -> None:
        if count % _SILENT_READS == 0:
            output.note(f"{count:,} jobs read …", "dim")

    lists = JobLists(stack.client("dynamodb"), stack.outputs["JobsTableName"])
    listed = select_jobs(lists, selection, on_read)
    output.document(
        {
            "stack": stack.name,
            "paused": paused,
            "rehearsal": is_rehearsal(stack),
            "jobs": [job_document(job) for job in listed.jobs],
            "counts": {status.value: count for status, count in listed.counts.items()},
            "older": None if listed.older is None else listed.older.isoformat(),
            "waiting_before": {status.value: count for status, count in listed.waiting_before.items()},
        }
    )
    if listed.jobs:
        show_table(output, jobs_table(listed.jobs, datetime.now(UTC), output.console.width))
    for line in notes(listed, selection, options):
        output.text(line)


def paused_state(stack: Stack) -> bool | None:
    """Return whether no submission starts; None where the credentials do not allow to see it."""
    try:
        return Submissions.of(stack).is_paused
    except (BotoCoreError, ClientError, CommandError):
        return None


def notes(listed: JobList, selection: Selection, options: StackOptions) -> list[str]:
    """Return the lines below the table: how many jobs there are of each status, and how to see the others."""
    since = f"{selection.since:%Y-%m-%d %H:%M} UTC"
    if not listed.jobs:
        lines = [f"No job matches since {since}. Look further back: dropreel jobs --since 30d{options.arguments}"]
    else:
        jobs = "1 job" if len(listed.jobs) == 1 else f"{len(listed.jobs):,} jobs"
        lines = [f"{jobs}: {counts_text(listed.counts)}."]
    if listed.older is not None:
        arguments = _arguments(selection, options)
        lines.append(
            f"There are more. The next ones: dropreel jobs{arguments} --until {listed.older.isoformat()}\n"
            f"More at once: dropreel jobs{arguments} --limit {10 * selection.limit}"
        )
    if listed.waiting_before:
        statuses = "".join(f" --status {status}" for status in listed.waiting_before)
        lines.append(
            f"From before {since}, and still waiting: {counts_text(listed.waiting_before)}. "
            f"Show them: dropreel jobs{statuses}{options.arguments}"
        )
    return lines


def _arguments(selection: Selection, options: StackOptions) -> str:
    """Return what was asked for, without its limit, for a command to paste."""
    words = [f" --status {status}" for status in sorted(selection.statuses)]
    if selection.has_since:
        words.append(f" --since {selection.since.isoformat(timespec='seconds')}")
    if selection.key_prefix:
        words.append(f" --key-prefix {shlex.quote(selection.key_prefix)}")
    return "".join(words) + options.arguments
