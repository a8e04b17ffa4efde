"""What the operator decides about jobs: what would happen to each and what it may cost, then each in turn."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from dropreel.domain.errors import ActionNotAllowed, DropreelError
from dropreel.domain.job import JobStatus
from dropreel.domain.next_steps import RESUMABLE, can_resume
from dropreel.domain.prices import usd
from dropreel.use_cases.resume_job import resume_refusal
from dropreel.use_cases.settle_unknown import Decision, is_decided, settle_refusal
from dropreel_cli.aws_errors import explain, is_refused
from dropreel_cli.command_line import Command
from dropreel_cli.effect_tables import Effect, effect_table
from dropreel_cli.exits import CommandError, Exit
from dropreel_cli.jobs_named import jobs_named
from dropreel_cli.operations import now
from dropreel_cli.output import printable

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence
    from datetime import datetime

    from rich.table import Table

    from dropreel.domain.job import Job
    from dropreel.domain.prices import PriceTable
    from dropreel.domain.spending import SpendLimit
    from dropreel.use_cases.settle_unknown import SettleUnknown
    from dropreel_cli.operations import Operations
    from dropreel_cli.output import Output

_MOST_NAMED = 20
"""More jobs than these are not named one by one in a command to paste."""


@dataclass
class Planned:
    """One job: what happens to it, the most that it can cost now (US cents), or why it is refused; then what came of it."""

    job: Job
    effect: str = ""
    may_cost_cents: int = 0
    refused: str | None = None
    failed: str | None = None
    is_done: bool = False

    def row(self) -> dict[str, Any]:
        """Return the job as JSON: `schemas/decided_job.json`."""
        outcome = "refused" if self.refused else "failed" if self.failed else "done" if self.is_done else "planned"
        return {
            "job_id": self.job.job_id,
            "image_key": self.job.image.key,
            "status": self.job.status.value,
            "outcome": outcome,
            "message": self.refused or self.failed or self.effect,
            "may_cost_usd": 0.0 if self.refused else float(usd(self.may_cost_cents)),
        }


@dataclass(frozen=True)
class Batch:
    """One decision about many jobs: `verb` is the subcommand.

    `selection` are the options that chose the jobs, empty where they were named; `options` are all others, with a space in
    front. Both repeat the user's command line.
    """

    output: Output
    verb: str
    planned: Sequence[Planned]
    options: str = ""
    selection: str = ""
    notes: Sequence[str] = ()
    blocked: str | None = None
    """Why nothing is done without another option."""

    def run(self, act: Callable[[Job], Job], question: str, *, dry_run: bool, yes: bool) -> int:
        """Show the jobs, ask, and decide about each; return the exit status.

        Raises CommandError where it is not confirmed, and where AWS cannot be reached or does not permit it.
        """
        allowed = [one for one in self.planned if one.refused is None]
        self._show(dry_run=dry_run)
        if not self.planned:
            self.output.note("There is no such job: nothing to do.")
        elif not allowed:
            self.output.note("Nothing was done.")
        elif not dry_run:
            if self.blocked is not None:
                raise CommandError(self.blocked, Exit.REFUSED)
            self.output.confirm(question, yes=yes)
            self._decide(allowed, act)
        self.output.document({"dry_run": dry_run, "jobs": [one.row() for one in self.planned]})
        if self.planned and not allowed:
            return Exit.REFUSED
        is_whole = len(allowed) == len(self.planned) and not any(one.failed for one in allowed)
        return Exit.DONE if is_whole else Exit.FAILED

    def _show(self, *, dry_run: bool) -> None:
        """Print the jobs, what happens to each and what it may cost: it is the result of a dry run, and part of the question."""
        if self.planned:
            console = self.output.console if dry_run and not self.output.is_json else self.output.progress
            console.print(_table(self.planned))
            for note in self.notes:
                self.output.note(note)

    def _decide(self, allowed: Sequence[Planned], act: Callable[[Job], Job]) -> None:
        for number, one in enumerate(allowed):
            Command.left_behind = self._left(number, allowed)
            try:
                one.job = act(one.job)
                one.is_done = True
                self.output.text(f"{one.job.job_id}  {one.job.status.value}  {printable(one.job.image.key)}")
            except (BotoCoreError, ClientError) as error:
                if isinstance(error, BotoCoreError) or is_refused(error):
                    raise CommandError(f"{explain(error)}\n{Command.left_behind}", Exit.UNREACHABLE) from error
                self._fail(one, explain(error))
            except DropreelError as error:
                self._fail(one, sentence(str(error)))
        Command.left_behind = ""

    def _fail(self, one: Planned, message: str) -> None:
        one.failed = message
        self.output.note(f"{one.job.job_id}  {printable(message)}", "red")

    def _left(self, number: int, allowed: Sequence[Planned]) -> str:
        """Return what is done and left while a job's turn is, and the command that continues."""
        done = [one.job.job_id for one in allowed[:number] if one.is_done]
        left = [one.job.job_id for one in allowed[number:]]
        command = f"dropreel {self.verb}"
        if len(left) <= _MOST_NAMED or not self.selection:
            again = f"{command} {' '.join(left)}{self.options}"
        else:  # what is half done no longer has the status that the selection asks for
            again = f"{command} {left[0]}{self.options} and then {command} {self.selection}{self.options}"
        return (
            f"{'Done: ' + _listed(done) if done else 'No job was finished'}. Left: {_listed(left)}. The first of these may be "
            f"half done; doing it again completes it.\nContinue: {again}"
        )


# --- what happens to each ---------------------------------------------------------------------------------------------


def plan_resume(job: Job) -> Planned:
    """Return what resuming a job does. Nothing is paid again."""
    if job.status is JobStatus.GENERATING:
        return Planned(job, "is generating already: its polling is started if it is not running")
    return Planned(job, f"polls generation {job.generation_id} again", refused=resume_refusal(job))


def plan_adopt(job: Job, generation_id: str) -> Planned:
    """Return what adopting a generation does. Its price was reserved with the submission."""
    if is_decided(Decision.ADOPT, job, generation_id):
        return Planned(job, "has this generation already: its polling is started if it is not running")
    return Planned(job, f"polls and delivers generation {generation_id}", refused=settle_refusal(job))


def plan_checked_adoption(settle: SettleUnknown, job: Job, generation_id: str) -> Planned:
    """Return what adopting a generation does, or why it is refused: the provider is asked for it.

    Raises CommandError (FAILED) where the provider cannot be asked.
    """
    planned = plan_adopt(job, generation_id)
    if planned.refused is None and job.status is JobStatus.UNKNOWN:
        try:
            settle.check_adoption(job, generation_id)
        except ActionNotAllowed as error:
            planned.refused = sentence(str(error))
        except DropreelError as error:
            raise CommandError(f"{sentence(str(error))} Nothing was done.") from error
    return planned


def plan_abandon(job: Job) -> Planned:
    """Return what abandoning a job does. Its reservation stays."""
    if is_decided(Decision.ABANDON, job):
        return Planned(job, "is abandoned already: its event is published if it was not")
    effect = f"ends as failed; the ${usd(job.cost_cents)} that may have been charged stays counted"
    return Planned(job, effect, refused=settle_refusal(job))


def plan_resubmit(job: Job, limit: SpendLimit, prices: PriceTable) -> Planned:
    """Return what submitting a job again does: one more attempt, at its price or the stack's where that is higher."""
    cents = next_price(job, prices)
    if is_decided(Decision.RESUBMIT, job):
        return Planned(job, f"waits as attempt {job.attempt} already: its message is sent again", cents)
    refused = settle_refusal(job)
    if refused is None and limit.rejects(cents):
        refused = (
            f"It costs ${usd(cents)}, more than the whole daily limit of ${usd(limit.cents or 0)}: "
            "raise DailySpendLimitUsd first."
        )
    return Planned(job, f"is submitted again as attempt {job.attempt + 1}; MAY PAY TWICE", cents, refused)


def next_price(job: Job, prices: PriceTable) -> int:
    """Return the most that the job's next submission costs, in US cents. The stack's prices may have changed since its last."""
    options = job.options
    return job.cost_cents if options is None else max(job.cost_cents, prices.cents_of(options.mode, options.duration))


def day_note(reserved_cents: int, limit: SpendLimit, planned: Sequence[Planned]) -> str:
    """Return what is reserved on this day against the limit, and how many of the jobs fit below it."""
    room = limit.room_after(reserved_cents)
    if room is None or limit.cents is None:
        return f"Reserved today (UTC): ${usd(reserved_cents)}; there is no daily limit."
    fits = 0
    for one in planned:
        if one.refused is None and one.may_cost_cents <= room:
            room -= one.may_cost_cents
            fits += 1
    held = sum(one.refused is None for one in planned) - fits
    rest = f" {held} of these jobs {'is' if held == 1 else 'are'} held until there is room." if held else ""
    return f"Reserved today (UTC): ${usd(reserved_cents)} of ${usd(limit.cents)}.{rest}"


def total_cents(planned: Sequence[Planned]) -> int:
    """Return the most that all jobs together can cost now, in US cents."""
    return sum(one.may_cost_cents for one in planned if one.refused is None)


def is_resumable(job: Job, reasons: Collection[str]) -> bool:
    """Return whether a job can be resumed, and failed for one of these reason codes; any where none is given."""
    return can_resume(job) and (not reasons or (job.reason is not None and job.reason.code in reasons))


def require_resumable(reasons: Collection[str]) -> None:
    """Raise CommandError (USAGE) for a code that is not one of a paid generation."""
    if wrong := [code for code in reasons if code not in RESUMABLE]:
        raise CommandError(
            f"Jobs that failed with {printable(', '.join(wrong))} cannot be resumed; --reason takes: "
            f"{', '.join(sorted(RESUMABLE))}.",
            Exit.USAGE,
        )


def named_or_since(
    operations: Operations, names: Sequence[str], since: datetime, wanted: Callable[[Job], bool]
) -> list[Job]:
    """Return the jobs that are named; where none is, those since a time that are wanted, the oldest first."""
    if names:
        return jobs_named(names, operations.jobs, operations.lists)
    return [job for job in operations.lists.jobs_since(since, now()) if wanted(job)][::-1]


def number_of_jobs(planned: Sequence[Planned]) -> str:
    """Return how many jobs are not refused: `1 job`, `3 jobs`."""
    number = sum(one.refused is None for one in planned)
    return f"{number} job" if number == 1 else f"{number} jobs"


def sentence(text: str) -> str:
    """Return an error's text as a sentence: with a capital, and a full stop at its end."""
    ended = text if text.endswith((".", "!", "?")) else f"{text}."
    return ended[:1].upper() + ended[1:]


def _listed(job_ids: Sequence[str]) -> str:
    shown = ", ".join(job_ids[:_MOST_NAMED])
    more = len(job_ids) - _MOST_NAMED
    return f"{shown} and {more} more" if more > 0 else shown


def _table(planned: Sequence[Planned]) -> Table:
    return effect_table(
        Effect(one.job.job_id, one.job.image.key, one.job.status.value, one.effect, one.may_cost_cents, one.refused)
        for one in planned
    )
