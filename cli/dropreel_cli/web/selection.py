"""Which jobs a page shows: search, folder, status and day, page by page."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING
from unicodedata import normalize
from urllib.parse import urlencode

from dropreel.domain.days import day_of
from dropreel.domain.job import Job, JobStatus

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

PAGE = 60
"""Jobs a page."""
_MAX_PAGE = 1_000


@dataclass(frozen=True)
class Selection:
    """What is asked for; an empty value is any. `job` is the id of the one job of a page.

    `text` is searched in keys, prompts and ids, whatever its case.
    """

    text: str = ""
    folder: str = ""
    status: str = ""
    day: str = ""
    page: int = 1
    job: str = ""
    fixed_status: str = ""
    """The status of a page that has only one; its address does not name it, its stream's does."""

    @classmethod
    def of(cls, query: Mapping[str, str]) -> Selection:
        """Return the selection of an address. What it does not understand is left out."""
        page = query.get("page", "1")
        status = query.get("status", "")
        return cls(
            query.get("text", "").strip(),
            query.get("folder", ""),
            status if status in set(JobStatus) else "",
            query.get("day", ""),
            min(max(int(page[:9]), 1), _MAX_PAGE) if page.isascii() and page.isdigit() else 1,
            query.get("job", ""),
            only if (only := query.get("only", "")) in set(JobStatus) else "",
        )

    def matches(self, job: Job) -> bool:
        """Return whether a job is asked for."""
        if self.job and job.job_id != self.job:
            return False
        if (self.status or self.fixed_status) not in ("", job.status):
            return False
        if self.day and day_of(job.created_at) != self.day:
            return False
        if self.folder and not job.image.key.startswith(self.folder):
            return False
        return not self.text or _folded(self.text) in _searched(job)

    def query(self, **changes: str | int) -> str:
        """Return the address's query with some values changed."""
        values = {**vars(self), "page": 1, "fixed_status": "", **changes}
        return urlencode({name: value for name, value in values.items() if value not in ("", 1)})

    @property
    def stream_query(self) -> str:
        """The query of the stream of this page's updates."""
        return self.query(page=self.page, only=self.fixed_status)

    @property
    def noun(self) -> str:
        """What one of the selected jobs is called."""
        return "video" if self.fixed_status == JobStatus.COMPLETED else "job"

    @property
    def is_search(self) -> bool:
        """Whether something is asked for."""
        return bool(self.text or self.folder or self.status or self.day)


@dataclass(frozen=True)
class Page:
    """One page of the selected jobs, and how many there are in all."""

    jobs: Sequence[Job]
    number: int
    total: int

    @property
    def pages(self) -> int:
        """The number of pages, at least 1."""
        return max(1, -(-self.total // PAGE))


def select(jobs: Iterable[Job], selection: Selection) -> Page:
    """Return the page that is asked for; the last one where there are fewer."""
    found = [job for job in jobs if selection.matches(job)]
    number = min(selection.page, max(1, -(-len(found) // PAGE)))
    return Page(found[(number - 1) * PAGE : number * PAGE], number, len(found))


def folders_of(jobs: Iterable[Job], most: int = 200) -> list[str]:
    """Return the folders with the most images, sorted by name."""
    counted = Counter(job.image.key[: job.image.key.rfind("/") + 1] for job in jobs)
    return sorted(folder for folder, _ in counted.most_common(most) if folder)


def _searched(job: Job) -> str:
    prompt = job.options.prompt if job.options is not None else ""
    return _folded("\n".join((job.image.key, prompt, job.job_id, job.generation_id or "")))


def _folded(text: str) -> str:
    return normalize("NFC", text).casefold()
