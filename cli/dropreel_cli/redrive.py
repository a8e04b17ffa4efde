"""What sending dead letters back does: which job each belongs to, what follows, and what it may cost."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from dropreel.domain.job import Job, JobStatus
from dropreel.domain.messages import Drop, RetryMessage, is_overtaken, is_previous
from dropreel.domain.prices import usd
from dropreel.use_cases.find_job import existing_job, first_job_id
from dropreel_cli.aws_errors import explain
from dropreel_cli.command_line import Command
from dropreel_cli.decisions import next_price
from dropreel_cli.effect_tables import Effect, effect_table
from dropreel_cli.exits import CommandError, Exit
from dropreel_cli.output import printable
from dropreel_cli.stack_settings import prices_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from rich.table import Table

    from dropreel.domain.prices import PriceTable
    from dropreel_cli.dead_letters import DeadLetter, DeadLetters
    from dropreel_cli.operations import Operations
    from dropreel_cli.output import Output

MOST_BODY_CHARACTERS = 120


@dataclass
class Redrivable:
    """One dead letter with its job (None where there is none yet, or no more), and what came of it.

    `prices` are the stack's. An image whose options were not read yet can have the highest.
    """

    letter: DeadLetter
    message: Drop | RetryMessage
    job_id: str
    job: Job | None
    failed: str | None = None
    is_done: bool = False
    prices: PriceTable = field(kw_only=True)

    @property
    def image_key(self) -> str | None:
        """The key of the image that it is about; None where only the discarded job knew it."""
        if self.job is not None:
            return self.job.image.key
        return self.message.image.key if isinstance(self.message, Drop) else None

    @property
    def effect(self) -> str:
        """What happens when it is sent back."""
        return self._effect[0]

    @property
    def may_cost_cents(self) -> int:
        """The most that it can cost now, in US cents. A submission that was or may have been charged is not sent again."""
        return self._effect[1]

    @property
    def _effect(self) -> tuple[str, int]:
        message, job = self.message, self.job
        if isinstance(message, RetryMessage) and message.generation_id is not None:
            return f"saves generation {message.generation_id}, which is paid already", 0
        if job is None:
            if isinstance(message, Drop) and message.creates_job:
                return "becomes a job, is validated and submitted", self.prices.highest
            return "changes nothing: there is no job of it", 0
        price = self.prices.highest if job.options is None else next_price(job, self.prices)
        if job.status is JobStatus.PREPARING and (not is_overtaken(message, job) or is_previous(message, job)):
            return "is prepared, then submitted", price
        if job.status in (JobStatus.DEFERRED, JobStatus.PREPARING) and is_overtaken(message, job):
            return "changes nothing: the job has a later message", 0
        if job.status is JobStatus.DEFERRED:
            return "is submitted", price
        return f"changes nothing: the job is {job.status.value}", 0

    def is_named(self, name: str) -> bool:
        """Return whether a name on the command line means this message's job."""
        generation_ids = {
            self.job.generation_id if self.job else None,
            self.message.generation_id if isinstance(self.message, RetryMessage) else None,
        }
        bucket = (
            self.job.image.bucket if self.job else self.message.image.bucket if isinstance(self.message, Drop) else ""
        )
        return name in (self.job_id, self.image_key, f"s3://{bucket}/{self.image_key}", *generation_ids)

    def row(self) -> dict[str, Any]:
        """Return it as JSON: `schemas/redrive.json`."""
        return {
            "message_id": self.letter.message_id,
            "job_id": self.job_id,
            "image_key": self.image_key,
            "status": None if self.job is None else self.job.status.value,
            "outcome": "failed" if self.failed else "done" if self.is_done else "planned",
            "message": self.failed or self.effect,
            "may_cost_usd": float(usd(self.may_cost_cents)),
        }


def read_letters(
    letters: Sequence[DeadLetter],
    get_all: Callable[[Iterable[str]], Iterable[Job]],
    get: Callable[[str], Job | None],
    prices: PriceTable,
) -> tuple[list[Redrivable], list[DeadLetter]]:
    """Return the dead letters with their jobs, and those that cannot be read. Creates no job."""
    messages = [(letter, letter.message) for letter in letters]
    readable = [(letter, message) for letter, message in messages if message is not None]
    ids = {first_job_id(message) for _, message in readable}
    jobs = {job.job_id: job for job in get_all(sorted(ids))}

    def get_read(job_id: str) -> Job | None:
        return jobs.get(job_id) if job_id in ids else get(job_id)

    found = [
        Redrivable(letter, message, *existing_job(message, get_read), prices=prices) for letter, message in readable
    ]
    return found, [letter for letter, message in messages if message is None]


def chosen_by(names: Sequence[str], letters: Sequence[Redrivable]) -> list[Redrivable]:
    """Return the messages of the jobs that are named; all where none is named.

    Raises CommandError (USAGE) for a name without a message, and for a key of several jobs.
    """
    if not names:
        return list(letters)
    faults, chosen = [], []
    for name in dict.fromkeys(names):
        found = [letter for letter in letters if letter.is_named(name)]
        jobs = sorted({letter.job_id for letter in found})
        if not found:
            faults.append(
                f"No message in the dead-letter queue belongs to '{printable(name)}'; `dropreel redrive --dry-run` lists them."
            )
        elif len(jobs) > 1:
            faults.append(f"'{printable(name)}' names several jobs. Take the id of one: {', '.join(jobs)}.")
        chosen += [letter for letter in found if letter not in chosen]
    if faults:
        raise CommandError("\n".join(faults), Exit.USAGE)
    return chosen


@dataclass(frozen=True)
class Redrive:
    """Sends dead letters back. `again` is the command line that does the rest."""

    output: Output
    queue: DeadLetters
    operations: Operations
    again: str

    def run(self, names: Sequence[str], *, dry_run: bool, yes: bool) -> int:
        """Collect, show, ask, move; return the exit status. What is not moved is visible to others again at the end."""
        Command.left_behind = f"No message was sent back. Try again: {self.again}"
        try:
            return self._run(names, dry_run=dry_run, yes=yes)
        finally:
            self.queue.release()

    def _run(self, names: Sequence[str], *, dry_run: bool, yes: bool) -> int:
        hidden = self.queue.collect(
            lambda hidden: self.output.note(
                f"{_number(hidden)} more, hidden while Sweep Jobs or another redrive reads them: waiting for at most 20 s."
            )
        )
        if hidden:
            self.output.note(f"{_number(hidden)} still hidden: left in the dead-letter queue. Run it again later.")
        operations = self.operations
        letters, unreadable = read_letters(
            list(self.queue.held.values()),
            operations.lists.jobs_of_ids,
            operations.jobs.get,
            prices_of(operations.stack),
        )
        chosen = chosen_by(names, letters)
        self._show(chosen, [] if names else unreadable, dry_run=dry_run)
        if chosen and not dry_run:
            total = sum(letter.may_cost_cents for letter in chosen)
            cost = f"; jobs that were never submitted are submitted now, for up to ${usd(total)}" if total else ""
            question = f"Send {_number(len(chosen))} back to the submission queue? Nothing is paid twice{cost}."
            self.output.confirm(question, yes=yes)
            self._move(chosen)
        self.output.document(
            {
                "dry_run": dry_run,
                "jobs": [letter.row() for letter in chosen],
                "unreadable": [
                    {"message_id": letter.message_id, "body": letter.body[:MOST_BODY_CHARACTERS]}
                    for letter in ([] if names else unreadable)
                ],
            }
        )
        is_whole = not any(letter.failed for letter in chosen) and (bool(names) or not unreadable)
        return Exit.DONE if is_whole else Exit.FAILED

    def _show(self, chosen: Sequence[Redrivable], unreadable: Sequence[DeadLetter], *, dry_run: bool) -> None:
        console = self.output.console if dry_run and not self.output.is_json else self.output.progress
        if chosen:
            console.print(_table(chosen))
        elif not unreadable:
            self.output.note("The dead-letter queue is empty: nothing to do.")
        for letter in unreadable:
            body = printable(letter.body[:MOST_BODY_CHARACTERS])
            self.output.note(f"Left in the queue, it cannot be read: message {letter.message_id}: {body}")

    def _move(self, chosen: Sequence[Redrivable]) -> None:
        by_id = {letter.letter.message_id: letter for letter in chosen}
        bar = Progress(
            TextColumn("sending back"),
            BarColumn(),
            MofNCompleteColumn(),
            console=self.output.progress,
            disable=not self.output.progress.is_terminal,
            transient=True,
        )
        moved = 0
        self._note_left(moved, len(chosen))
        try:
            with bar:
                task = bar.add_task("", total=len(chosen))
                for letter, failed in self.queue.move([letter.letter for letter in chosen]):
                    one = by_id[letter.message_id]
                    one.failed, one.is_done = failed, failed is None
                    moved += one.is_done
                    self._note_left(moved, len(chosen))
                    bar.advance(task)
        except (BotoCoreError, ClientError) as error:
            raise CommandError(f"{explain(error)}\n{Command.left_behind}", Exit.UNREACHABLE) from error
        for one in chosen:
            if one.failed:
                self.output.note(f"{one.job_id}  {printable(one.failed)}", "red")
        self.output.text(f"{_number(moved)} sent back to the submission queue.")
        Command.left_behind = ""

    def _note_left(self, moved: int, total: int) -> None:
        Command.left_behind = (
            f"{moved} of {total} messages were sent back; the others are left in the dead-letter queue. "
            f"Send them back: {self.again}"
        )


def _number(messages: int) -> str:
    return f"{messages} message" if messages == 1 else f"{messages} messages"


def _table(letters: Sequence[Redrivable]) -> Table:
    return effect_table(
        Effect(
            one.job_id,
            one.image_key or "",
            "" if one.job is None else one.job.status.value,
            one.effect,
            one.may_cost_cents,
        )
        for one in letters
    )
