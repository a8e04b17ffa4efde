"""Server-sent events: what has changed, as the parts of the page that replace the old ones."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from starlette.concurrency import run_in_threadpool

from dropreel_cli.web.selection import select
from dropreel_cli.web.stories import render_story

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from dropreel.domain.job import Job
    from dropreel_cli.web.feed import Snapshot
    from dropreel_cli.web.selection import Selection
    from dropreel_cli.web.site import Site

RETRY_MILLISECONDS = 2_000
"""After so long a browser connects again."""
MAX_CARDS = 200
"""The most cards of one message: a page shows fewer."""


async def restarted_stream() -> AsyncIterator[str]:
    """Yield what is said to a page of a board that has ended."""
    yield "event: restarted\ndata: {}\n\n"


async def update_stream(site: Site, selection: Selection, version: int) -> AsyncIterator[str]:
    """Yield the messages of one page's stream, from a version on."""
    yield f"retry: {RETRY_MILLISECONDS}\n\n"
    sent: dict[str, str] = {}
    async for snapshot in site.updates.snapshots(version):
        if snapshot is None:
            yield ": nothing has changed\n\n"
            continue
        message = await run_in_threadpool(update_message, site, selection, version, snapshot)
        version = snapshot.version
        news = {name: value for name, value in message.items() if name == "cards" or sent.get(name) != value}
        sent |= {name: value for name, value in message.items() if name != "cards"}
        yield f"id: {version}\nevent: update\ndata: {json.dumps(news)}\n\n"


def update_message(site: Site, selection: Selection, version: int, snapshot: Snapshot) -> dict[str, Any]:
    """Return the head, the notices, how many jobs are selected, and the cards of those that have changed, the oldest first."""
    changed = [job for job in snapshot.changed_since(version) if selection.matches(job)][-MAX_CARDS:]
    return {
        "head": site.render("head.html"),
        "notices": site.render("notices.html"),
        "counts": site.render("counts.html"),
        "total": "" if selection.job else _total(site, selection, snapshot),
        "cards": [{"job_id": job.job_id, "html": _card(site, selection, job)} for job in changed],
    }


def _total(site: Site, selection: Selection, snapshot: Snapshot) -> str:
    return site.render("total.html", page=select(snapshot.jobs, selection), noun=selection.noun)


def _card(site: Site, selection: Selection, job: Job) -> str:
    """Return a job as the page shows it: whole on a page of its own."""
    return render_story(site, job) if selection.job else site.render("cards.html", cards=[site.card(job)])
