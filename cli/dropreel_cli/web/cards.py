"""A job as its card shows it: plain words, a price on every button."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from dropreel.domain.forgetting import is_forgotten
from dropreel.domain.job import Charge, Job, JobStatus
from dropreel.domain.next_steps import can_resume, next_step
from dropreel.domain.prices import usd
from dropreel.domain.redaction import redact_signed
from dropreel_cli.decisions import next_price
from dropreel_cli.job_tables import charge_text, seconds_text

if TYPE_CHECKING:
    from datetime import datetime

    from dropreel.domain.prices import PriceTable

AT_WORK = frozenset({JobStatus.PREPARING, JobStatus.SUBMITTING, JobStatus.GENERATING})
"""Statuses in which something happens at this moment; the others wait, or have ended."""


@dataclass(frozen=True)
class Action:
    """A decision about a job: the subcommand that does the same, what it does, and the most that it costs (US cents)."""

    verb: str
    label: str
    effect: str
    may_cost_cents: int = 0

    @property
    def price(self) -> str:
        """The price as the button has it."""
        return f"up to ${usd(self.may_cost_cents)}" if self.may_cost_cents else "$0"


@dataclass(frozen=True)
class Card:
    """What the templates show of a job. All texts are escaped by them."""

    job: Job
    actions: tuple[Action, ...]
    now: datetime

    @property
    def name(self) -> str:
        """The image's name without its folder."""
        return self.job.image.key.rpartition("/")[2] or self.job.image.key

    @property
    def folder(self) -> str:
        """The image's folder, with a slash at its end; empty for none."""
        return self.job.image.key[: len(self.job.image.key) - len(self.name)]

    @property
    def is_at_work(self) -> bool:
        """Whether something happens to it at this moment."""
        return self.job.status in AT_WORK

    @property
    def is_forgotten(self) -> bool:
        """Whether its image and video were deleted by `dropreel forget`."""
        return is_forgotten(self.job)

    @property
    def since(self) -> datetime | None:
        """When what it does now began; None for an ended job."""
        if self.job.is_terminal:
            return None
        return self.job.submitted_at if self.job.status is JobStatus.GENERATING else self.job.created_at

    @property
    def seconds(self) -> str:
        """How long it has worked or waited; for an ended job, from its creation to its end."""
        since, until = self.since, self.now
        if since is None:
            since, until = self.job.submitted_at or self.job.created_at, self.job.updated_at
        return seconds_text((until - since).total_seconds())

    @property
    def reason(self) -> str:
        """Why it has this status, in a sentence; empty for none."""
        return redact_signed(self.job.reason.message) if self.job.reason else ""

    @property
    def next_step(self) -> str:
        """What people should do; empty where the buttons are the answer, and where there is nothing to do."""
        step = "" if self.actions else next_step(self.job) or ""
        step = step.removeprefix("Nothing: ").removeprefix("Nothing.").strip()
        return step[:1].upper() + step[1:]

    @property
    def charge(self) -> str:
        """What it cost, or what one attempt costs."""
        if self.job.charge is Charge.NONE:
            if self.job.is_terminal or not self.job.cost_cents:
                return "nothing spent" if self.job.is_terminal else ""
            return f"${usd(self.job.cost_cents)}"
        return charge_text(self.job)


def card_of(job: Job, now: datetime, prices: PriceTable) -> Card:
    """Return a job's card, with the decisions that can be made about it."""
    return Card(job, tuple(actions_of(job, prices)), now)


def actions_of(job: Job, prices: PriceTable) -> list[Action]:
    """Return the decisions that can be made about a job, the best one first. Dead letters have their own command."""
    if is_forgotten(job):
        return []
    if can_resume(job):
        return [Action("resume", "Resume", "polls the paid generation again")]
    if job.status is JobStatus.UNKNOWN:
        return [
            Action("adopt", "Adopt", "delivers the generation that you found at the provider"),
            Action("abandon", "Abandon", "ends without a video; what may have been charged stays counted"),
            Action("resubmit", "Resubmit", "is submitted again and may be paid twice", next_price(job, prices)),
        ]
    return []
