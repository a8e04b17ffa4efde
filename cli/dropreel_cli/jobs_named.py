"""Finds the jobs that a command line names: by job id, image key, `s3://` address of the image, or generation id."""

from __future__ import annotations

import re
from itertools import islice
from typing import TYPE_CHECKING

from dropreel.domain.encodable import is_encodable
from dropreel_cli.exits import CommandError, Exit
from dropreel_cli.output import printable

if TYPE_CHECKING:
    from collections.abc import Iterable

    from dropreel.adapters.job_table import JobTable
    from dropreel.domain.job import Job
    from dropreel_cli.job_lists import JobLists

JOB_ID = re.compile(r"[0-9a-f]{24}")
_S3_ADDRESS = re.compile(r"s3://([^/]+)/(.+)", re.DOTALL)
MOST_CANDIDATES = 10
MAX_NAME_BYTES = 1024 + 100
"""No name is longer: an S3 key of 1,024 bytes, behind its bucket."""


def jobs_named(names: Iterable[str], table: JobTable, lists: JobLists) -> list[Job]:
    """Return the job of each name, each job once. Raises CommandError (USAGE) with every name that names no job or several."""
    found: dict[str, Job] = {}
    faults = []
    for name in names:
        match candidates(name, table, lists):
            case [job]:
                found[job.job_id] = job
            case []:
                faults.append(
                    f"There is no job '{printable(name)}'. Name a job by its id, its generation's id or its image's key; "
                    "`dropreel jobs` lists them."
                )
            case several:
                faults.append(f"'{printable(name)}' names several jobs. Take the id of one:\n{_listed(several)}")
    if faults:
        raise CommandError("\n".join(faults), Exit.USAGE)
    return list(found.values())


def candidates(name: str, table: JobTable, lists: JobLists) -> list[Job]:
    """Return the jobs that a name can mean: the one with this id, the holder of this generation, or all of this image, newest first.

    At most `MOST_CANDIDATES` + 1 of an image.
    """
    if not is_encodable(name) or not 0 < len(name.encode()) <= MAX_NAME_BYTES:
        return []
    if JOB_ID.fullmatch(name) and (job := table.get(name)) is not None:
        return [job]
    holder = table.holder_of(name)
    if holder is not None and (job := table.get(holder)) is not None:
        return [job]
    address = _S3_ADDRESS.fullmatch(name)
    bucket, key = (address[1], address[2]) if address else (None, name)
    of_key = (job for job in lists.jobs_of_key(key) if bucket in (None, job.image.bucket))
    return list(islice(of_key, MOST_CANDIDATES + 1))


def _listed(jobs: list[Job]) -> str:
    lines = [
        f"  {job.job_id}  {job.created_at:%Y-%m-%d %H:%M:%S}  {job.status.value}"
        + (f" ({job.reason.code})" if job.reason else "")
        for job in jobs[:MOST_CANDIDATES]
    ]
    return "\n".join([*lines, "  and more"] if len(jobs) > MOST_CANDIDATES else lines)
