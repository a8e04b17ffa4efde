"""One job's whole story: from the table's rows to lines for people and a document for machines."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any

from dropreel.domain.days import date_of, spend_day
from dropreel.domain.events import in_order
from dropreel.domain.forgetting import is_forgotten
from dropreel.domain.job import Charge
from dropreel.domain.next_steps import next_step
from dropreel.domain.prices import usd
from dropreel.domain.reasons import Reason
from dropreel.domain.redaction import redact_signed
from dropreel_cli.documents import job_document
from dropreel_cli.job_tables import STYLES, seconds_text
from dropreel_cli.output import printable

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from dropreel.domain.job import Job
    from dropreel_cli.next_commands import NextCommand

_PREPARED_FOR = {
    "format": "the provider does not take its format",
    "animated": "it is animated: its first frame is taken",
    "size": "it has more bytes than the provider takes",
    "pixels": "it has more pixels than are submitted",
    "orientation": "it is rotated by its Exif data",
    "cmyk": "its colors are CMYK",
    "bit_depth": "it has 16 bits a sample",
    "color_profile": "its color profile is not sRGB",
}


@dataclass(frozen=True)
class Submission:
    """A submission's row. Times are aware UTC datetimes; `day` is the day on which the price is or was reserved."""

    attempt: int
    requeues: int
    claimed_at: datetime
    updated_at: datetime
    day: str
    cost_cents: int
    charge: Charge
    status: str
    generation_id: str | None
    reason: Reason | None

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> Submission:
        """Return the submission of a row's values."""
        return cls(
            row["attempt"],
            row["requeues"],
            datetime.fromisoformat(row["created_at"]),
            datetime.fromisoformat(row["updated_at"]),
            date_of(row["day"]),
            row["cost_cents"],
            Charge(row["charge"]),
            row["status"],
            row.get("generation_id"),
            Reason.from_json(row["reason"]) if row.get("reason") else None,
        )

    def as_json(self) -> dict[str, Any]:
        """Return the submission as JSON."""
        return {
            "attempt": self.attempt,
            "requeues": self.requeues,
            "claimed_at": self.claimed_at.isoformat(),
            "updated_at": self.updated_at.isoformat(),
            "day": self.day,
            "cost_usd": float(usd(self.cost_cents)),
            "charge": self.charge.value,
            "status": self.status,
            "generation_id": self.generation_id,
            "reason": None if self.reason is None else self.reason.as_json(),
        }


@dataclass(frozen=True)
class JobStory:
    """A job, its submissions in their order, and where to look further. `now` is the time at which it was read."""

    job: Job
    submissions: list[Submission]
    now: datetime
    links: Mapping[str, str] = field(default_factory=dict)
    next_commands: Sequence[NextCommand] = ()
    others: Sequence[Job] = ()

    def cents(self, charge: Charge) -> int:
        """Return the price of all submissions with a charge, in US cents."""
        return sum(each.cost_cents for each in self.submissions if each.charge is charge)

    @cached_property
    def timings(self) -> dict[str, float | None]:
        """Seconds: until the first claim, from the submission until now or the end, and in all. None: not yet, or not known."""
        end = self.job.updated_at if self.job.is_terminal else self.now
        claimed = self.submissions[0].claimed_at if self.submissions else None
        submitted = self.job.submitted_at
        return {
            "waited_seconds": _seconds(self.job.created_at, claimed),
            "since_submission_seconds": None if submitted is None else _seconds(submitted, end),
            "total_seconds": _seconds(self.job.created_at, end),
        }

    def as_json(self) -> dict[str, Any]:
        """Return the story as JSON: `schemas/show.json` without its version and stack."""
        job = self.job
        fault = job.last_fault
        return {
            "job": job_document(job),
            "submissions": [each.as_json() for each in self.submissions],
            "charged_usd": float(usd(self.cents(Charge.CHARGED))),
            "unknown_usd": float(usd(self.cents(Charge.UNKNOWN))),
            "timings": dict(self.timings),
            "provider_status": job.provider_status,
            "poll_faults": job.poll_faults,
            "last_fault": fault and {"message": redact_signed(fault.message), "at": fault.at.isoformat()},
            "resumes": job.resumes,
            "retry_at": None if job.retry_at is None else job.retry_at.isoformat(),
            "pending_events": [event.value for event in in_order(job.pending_events)],
            "links": dict(self.links),
            "next_commands": [{"command": each.command, "effect": each.effect} for each in self.next_commands],
            "other_jobs": [job_document(other) for other in self.others],
        }


@dataclass(frozen=True)
class Section:
    """A heading and its lines, each a label and a value; an empty label continues the line above."""

    heading: str
    lines: list[tuple[str, str]]


def sections(story: JobStory) -> list[Section]:
    """Return the story for people: no text in it can break the terminal."""
    found = [
        Section("Image", list(_image(story.job))),
        Section("Options", list(_options(story.job))),
        Section("Time", list(_time(story))),
        Section("Submissions", list(_submissions(story))),
        Section("Video", list(_video(story.job))),
        Section("Warnings", [("", redact_signed(warning)) for warning in story.job.warnings]),
        Section("Look further", list(story.links.items())),
        Section("Next step", list(_next(story))),
    ]
    return [
        Section(each.heading, [(label, printable(value)) for label, value in each.lines])
        for each in found
        if each.lines
    ]


def headline(job: Job) -> tuple[str, str]:
    """Return a job's status with its reason, and its style."""
    reason = "" if job.reason is None else f": {job.reason.message} ({job.reason.code})"
    rehearsal = "REHEARSAL, nothing is paid: " if job.rehearsal else ""
    return printable(f"{rehearsal}{job.job_id} {job.status.value}{reason}"), STYLES[job.status]


def _image(job: Job) -> Iterable[tuple[str, str]]:
    image = job.image
    yield "object", f"s3://{image.bucket}/{image.key}{_gone(job)}"
    if image.version_id:
        yield "version", image.version_id
    facts = [image.format or "", f"{image.width} x {image.height}" if image.width else ""]
    facts.append("" if image.size is None else f"{image.size:,} bytes")
    if any(facts):
        yield "is", ", ".join(filter(None, facts))
    if image.prepared is not None:
        copy = image.prepared
        yield "prepared", f"{copy.format}, {copy.width} x {copy.height}, {copy.size:,} bytes"
        yield "because", "; ".join(_PREPARED_FOR[reason] for reason in image.prepared.reasons)
    if job.request_id is not None:
        yield "requested by", f"the event with request_id {job.request_id}"


def _options(job: Job) -> Iterable[tuple[str, str]]:
    if job.options is None:
        return
    for name, value in job.options._asdict().items():
        shown = {True: "true", False: "false"}.get(value, value) if isinstance(value, bool) else value
        yield name, f"{shown if shown != '' else '(empty)'}   from {job.option_sources.get(name, 'unknown')}"


def _time(story: JobStory) -> Iterable[tuple[str, str]]:
    job, timings = story.job, story.timings
    yield "created", _moment(job.created_at)
    if (waited := timings["waited_seconds"]) is not None:
        yield "waited", f"{seconds_text(waited)} until its first submission"
    if job.submitted_at is not None:
        yield "submitted", f"{_moment(job.submitted_at)} (attempt {job.attempt})"
    polls = f"{job.polls} polls" + (f", {job.poll_faults} without a usable answer" if job.poll_faults else "")
    running = timings["since_submission_seconds"]
    if running is not None:
        done = "delivered" if job.video is not None else "ended" if job.is_terminal else "generating"
        yield (
            done,
            f"{seconds_text(running)} after the submission, {polls}"
            if job.is_terminal
            else (f"for {seconds_text(running)}, {polls}; the provider says {job.provider_status or 'nothing yet'}"),
        )
    elif job.is_terminal:
        yield "ended", f"{seconds_text(timings['total_seconds'] or 0)} after its creation"
    if job.last_fault is not None:
        yield "last fault", f"{redact_signed(job.last_fault.message)} ({_moment(job.last_fault.at)})"
    if job.resumes:
        yield "resumed", "once" if job.resumes == 1 else f"{job.resumes} times"
    if job.retry_at is not None and not job.is_terminal:
        yield "retried at", _moment(job.retry_at)
    if job.pending_events:
        yield "to publish", ", ".join(in_order(job.pending_events))


def _submissions(story: JobStory) -> Iterable[tuple[str, str]]:
    for each in story.submissions:
        requeue = f", after requeue {each.requeues}" if each.requeues else ""
        state = {
            Charge.NONE: "not charged, released",
            Charge.CHARGED: "charged",
            Charge.UNKNOWN: "may have been charged",
        }
        price = f"${usd(each.cost_cents)}{_kind(story.job)} {state[each.charge]}"
        day = spend_day(each.day, is_rehearsal=story.job.rehearsal)
        yield (
            f"attempt {each.attempt}",
            f"{_moment(each.claimed_at)}{requeue}, reserved on {day}: {price}; {each.status}",
        )
        if each.generation_id:
            yield "", f"generation {each.generation_id}"
        if each.reason is not None:
            yield "", f"{each.reason.code}: {each.reason.message}"
            if each.reason.provider_error and each.reason.provider_error not in each.reason.message:
                yield "", f"provider: {each.reason.provider_error}"
    if story.submissions:
        unknown = story.cents(Charge.UNKNOWN)
        doubt = f"; ${usd(unknown)}{_kind(story.job)} more may have been charged" if unknown else ""
        yield "in all", f"${usd(story.cents(Charge.CHARGED))}{_kind(story.job)} charged{doubt}"
    elif story.job.is_terminal:
        yield "none", "nothing was submitted, nothing was spent"


def _kind(job: Job) -> str:
    """Return what kind of money an amount is, where it is not real."""
    return " of rehearsal money" if job.rehearsal else ""


def _video(job: Job) -> Iterable[tuple[str, str]]:
    video = job.video
    if video is None:
        return
    yield "object", f"s3://{video.bucket}/{video.key}{_gone(job)}"
    size = f"{video.width} x {video.height}, " if video.width else ""
    length = "" if video.duration_seconds is None else f"{video.duration_seconds:g} s, "
    yield "is", f"{length}{size}{video.size:,} bytes"
    yield "receipt", f"s3://{video.bucket}/{video.receipt_key}"
    yield "sha256", video.sha256


def _gone(job: Job) -> str:
    return " (forgotten: all its versions are deleted)" if is_forgotten(job) else ""


def _next(story: JobStory) -> Iterable[tuple[str, str]]:
    step = next_step(story.job)
    if step is not None and not (story.next_commands and "`dropreel " in step):  # the commands say it, with the stack
        yield "", step
    for each in story.next_commands:
        yield "", f"{each.command}   # {each.effect}"


def _moment(time: datetime) -> str:
    return f"{time:%Y-%m-%d %H:%M:%S} UTC"


def _seconds(since: datetime, until: datetime | None) -> float | None:
    return None if until is None else round(max(0.0, (until - since).total_seconds()), 3)
