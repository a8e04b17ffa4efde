"""Finds the jobs that a user names: by id, by the beginning of an id, by generation id, by the image's or video's key."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta
from itertools import chain
from typing import TYPE_CHECKING
from unicodedata import normalize

from dropreel.domain.days import day_of
from dropreel.domain.encodable import is_encodable
from dropreel_cli.exits import CommandError, Exit
from dropreel_cli.job_tables import SHORT_ID
from dropreel_cli.jobs_named import JOB_ID
from dropreel_cli.output import printable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import datetime

    from dropreel.domain.job import Job
    from dropreel_cli.job_lists import JobLists

_PREFIX = re.compile(rf"[0-9a-f]{{{SHORT_ID},23}}")
_ADDRESS = re.compile(r"s3://(?P<bucket>[^/]+)/(?P<key>.+)", re.DOTALL)
_MAX_LISTED = 10
_MAX_ID_BYTES = 2000  # what fits into the key of a row


@dataclass(frozen=True)
class JobSearch:
    """Searches by the table's keys and indexes; the beginning of an id among the jobs of the days from `since` to `until`."""

    lists: JobLists
    since: datetime
    until: datetime

    def find(self, named: str, videos_bucket: str = "") -> list[Job]:
        """Return the jobs that `named` names, the newest first. Raises CommandError where there are none, or too many."""
        if not is_encodable(named):  # no name in AWS is
            raise CommandError(self._nothing(named), Exit.FAILED)
        address = _ADDRESS.fullmatch(named)
        if address is not None:
            bucket, key = address["bucket"], address["key"]
            found = self._of_video(key) if bucket == videos_bucket else []
            found = found or [job for job in self._of_key(key) if job.image.bucket == bucket]
        else:
            found = self._of_id(named) or self._of_generation([named]) or self._of_key(named) or self._of_prefix(named)
        if not found:
            raise CommandError(self._nothing(named), Exit.FAILED)
        return found

    def _of_id(self, named: str) -> list[Job]:
        return list(self.lists.jobs_of_ids([named.lower()])) if JOB_ID.fullmatch(named.lower()) else []

    def _of_generation(self, generation_ids: Iterable[str]) -> list[Job]:
        return list(self.lists.jobs_of_ids(dict.fromkeys(self.lists.holders_of(generation_ids).values())))

    def _of_key(self, key: str) -> list[Job]:
        """Return the jobs of a key, however a Mac or another system composes its letters."""
        spellings = dict.fromkeys((key, normalize("NFC", key), normalize("NFD", key)))
        fitting = [spelling for spelling in spellings if 0 < len(spelling.encode()) <= _MAX_ID_BYTES]
        jobs = chain.from_iterable(self.lists.jobs_of_key(spelling) for spelling in fitting)
        return sorted(jobs, key=lambda job: job.created_at, reverse=True)

    def _of_video(self, key: str) -> list[Job]:
        """Return the job of a video or its receipt: the generation id is the end of its name."""
        name = key.removesuffix(".mp4").removesuffix(".json").rpartition("/")[2]
        ends = [name[at + 1 :] for at, character in enumerate(name) if character == "-"]
        return [job for job in self._of_generation(ends) if job.video and key in (job.video.key, job.video.receipt_key)]

    def _of_prefix(self, named: str) -> list[Job]:
        if not _PREFIX.fullmatch(named.lower()):
            return []
        found = dict.fromkeys(each for each in self._ids() if each.startswith(named.lower()))
        if len(found) > 1:
            listed = ", ".join(list(found)[:_MAX_LISTED])
            raise CommandError(f"{len(found)} jobs begin with {named}: {listed}. Name one of them in full.", Exit.USAGE)
        return list(self.lists.jobs_of_ids(found))

    def _ids(self) -> Iterator[str]:
        """Yield the ids of all jobs of the days, without a read of the jobs."""
        return chain.from_iterable(self.lists.ids_of_day(day) for day in days_between(self.since, self.until))

    def _nothing(self, named: str) -> str:
        shown = printable(named)
        if _PREFIX.fullmatch(named.lower()):
            return (
                f"No job since {day_of(self.since)} has an id that begins with {shown}, and no image or generation has that "
                "name. Look further back with --since, or name the whole id (24 digits)."
            )
        return (
            f"There is no job, generation or image with the name {shown}. "
            "Name a job's id, a generation's id, or an image's key or s3:// address, as `dropreel jobs` lists them."
        )


def days_between(since: datetime, until: datetime) -> Iterator[str]:
    """Yield the days (UTC, `2026-11-12`) of a span of time, the newest first."""
    first, day = since.date(), until.date()
    while day >= first:
        yield day.isoformat()
        day -= timedelta(days=1)
