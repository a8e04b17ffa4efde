"""Mails about jobs that need the operator: a subject and a text for people, from the events of these jobs."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from dropreel.domain.events import DEFAULT_STACK
from dropreel.domain.job import Charge, EventType

MAX_SUBJECT = 99
"""The longest subject, in characters: SNS wants less than 100, and ASCII alone."""
MAX_LISTED = 20
"""The most jobs that one mail describes."""
MAX_TEXT = 1_000
"""The most characters of one text that is not ours."""
_REHEARSAL = "Rehearsal, nothing is paid."


class _Wording(NamedTuple):
    """How the subject begins for one image and for several, and the first sentence of the text."""

    one: str
    several: str
    meaning: str


_PAID = _Wording(
    "no video of {image}",
    "no video of {count} images",
    "A video was or may have been charged, and there is no video.",
)
_WORDINGS = {
    EventType.FAILED: _PAID,
    EventType.REJECTED: _PAID,
    EventType.UNKNOWN: _Wording(
        "unknown whether {image} was charged",
        "unknown whether {count} images were charged",
        "It is unknown whether a submission was charged. The job waits for your decision.",
    ),
    EventType.HELD: _Wording(
        "{image} is held",
        "{count} images are held",
        "The day's limit is reached. The job waits, and nothing more is charged.",
    ),
    EventType.DEFERRED: _Wording(
        "{image} is deferred",
        "{count} images are deferred",
        "The job waits for the provider or for you. Nothing is charged while it waits.",
    ),
}


class Notice(NamedTuple):
    """What a mail says about one event: `image` is the name without its folders, `text` has a line for each fact."""

    wording: _Wording
    event_id: str
    stack: str
    status: str
    image: str
    text: str
    rehearsal: bool


class Mail(NamedTuple):
    """One mail, and the places of its notices among those that were given."""

    subject: str
    text: str
    places: tuple[int, ...]


def notice_of(event: Mapping[str, Any]) -> Notice:
    """Return the notice of an event. Raises KeyError, TypeError, ValueError or AttributeError for one that is not ours."""
    metadata, job = event["detail"]["metadata"], event["detail"]["data"]
    key, reason = job["image"]["key"], job["reason"] or {}
    lines = [
        ("Image", f"s3://{job['image']['bucket']}/{key}"),
        ("What happened", reason.get("message")),
        ("The provider says", reason.get("provider_error")),
        ("Cost", _cost(job, " of rehearsal money" if _is_rehearsal(event) else "")),
        ("What to do", reason.get("next_step")),
        ("Details", f"dropreel show {job['job_id']}{_of_stack(metadata['stack'])}"),
    ]
    text = "\n".join(f"{name}: {_printable(text)}" for name, text in lines if text)
    name = key.rstrip("/").rpartition("/")[2]
    wording = _WORDINGS[EventType(event["detail-type"])]
    return Notice(wording, metadata["id"], metadata["stack"], job["status"], name, text, _is_rehearsal(event))


def mails_of(notices: Sequence[Notice]) -> list[Mail]:
    """Return the mails with these notices: one for all of the same meaning, so that a held folder is not a hundred mails.

    Rehearsals have mails of their own.
    """
    groups: dict[tuple[_Wording, bool], list[int]] = {}
    for place, notice in enumerate(notices):
        groups.setdefault((notice.wording, notice.rehearsal), []).append(place)
    return [_mail([notices[place] for place in places], tuple(places)) for places in groups.values()]


def _mail(notices: Sequence[Notice], places: tuple[int, ...]) -> Mail:
    jobs = list({notice.event_id: notice for notice in notices}.values())  # a repeated event is counted once
    wording, stack = jobs[0].wording, jobs[0].stack
    what = wording.one if len(jobs) == 1 else wording.several
    rehearsal = f"{_REHEARSAL} " if jobs[0].rehearsal else ""
    parts = [f"Dropreel, stack {stack}: {rehearsal}{wording.meaning}", *(job.text for job in jobs[:MAX_LISTED])]
    if len(jobs) > MAX_LISTED:
        listing = f"dropreel jobs --status {jobs[0].status}{_of_stack(stack)}"
        parts.append(f"And {len(jobs) - MAX_LISTED} more. To list them: {listing}")
    kind = "rehearsal: " if jobs[0].rehearsal else ""
    subject = f"Dropreel {stack}: {kind}{what.format(image=jobs[0].image, count=len(jobs))}"
    return Mail(_subject(subject), "\n\n".join(parts) + "\n", places)


def _is_rehearsal(event: Mapping[str, Any]) -> bool:
    """Return whether an event is of a rehearsal. Events of release 0.1.0 do not say it, and are of none."""
    return event["detail"]["metadata"].get("rehearsal") is True


def _of_stack(stack: str) -> str:
    """Return the option that names a stack to the command, where it needs one."""
    return "" if stack == DEFAULT_STACK else f" --stack {stack}"


def _cost(job: Mapping[str, Any], money: str) -> str:
    price, attempts = f"${job['cost_usd']:.2f}{money}", job["attempt"]
    if job["charge"] == Charge.NONE:
        return "nothing was charged."
    verb = "was charged" if job["charge"] == Charge.CHARGED else "may have been charged"
    return f"{price} {verb}." if attempts == 1 else f"{price} {verb} for each of up to {attempts} attempts."


def _printable(text: str) -> str:
    """Return a text without line breaks and control characters, cut to MAX_TEXT characters."""
    cut = text if len(text) <= MAX_TEXT else f"{text[:MAX_TEXT]} ..."
    return "".join(one if one.isprintable() else " " for one in cut)


def _subject(text: str) -> str:
    shown = "".join(one if " " <= one <= "~" else "?" for one in text)
    return shown if len(shown) <= MAX_SUBJECT else f"{shown[: MAX_SUBJECT - 3]}..."
