"""What lies under an image's key in the bucket already: a job that there is must not be paid a second time."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dropreel.adapters.image_bucket import decoded_metadata
from dropreel.domain.images import ImageRef
from dropreel.domain.job import Job, JobStatus, job_id_of
from dropreel.domain.messages import pinned_version
from dropreel.domain.options import OPTION_NAMES
from dropreel.domain.reasons import ReasonCode
from dropreel_cli.option_metadata import CONTENT_HASH, OPTIONS_HASH, option_metadata, options_hash
from dropreel_cli.planning import Existing, PlannedImage

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dropreel.adapters.job_table import JobTable
    from dropreel.domain.images import Image
    from dropreel_cli.bucket_folders import BucketFolders
    from dropreel_cli.job_lists import JobLists

_OTHERS_JOB = (ReasonCode.DUPLICATE_COPY, ReasonCode.IMAGE_SUPERSEDED, ReasonCode.REQUEST_ID_REUSED)
"""Rejections that do not mean that the image has no video: another job may have made it."""
_REPLACES = "replaces another image with this key"


@dataclass(frozen=True)
class UploadedImages:
    """Compares images of this machine with what is in the bucket. `options` are the command line's."""

    folders: BucketFolders
    jobs: JobTable
    options: Mapping[str, str]
    uses_sidecars: bool
    is_rehearsal: bool = False

    def find(self, planned: PlannedImage, image: Image) -> Existing | None:
        """Return what is under an image's key. Raises OSError where the file cannot be read."""
        stored = self.folders.find(image.key)
        if stored is None:
            return None
        if stored.size != planned.size:
            return Existing(stored.etag, is_same=False, note=_REPLACES)
        head = self.folders.head(image.key)
        if head is None:
            return None
        ref = ImageRef(image.bucket, image.key, pinned_version(head.get("VersionId")))
        job = self.jobs.get(job_id_of(ref)) if ref.version_id else None
        if not self._has_same_content(head, planned, job):
            return Existing(head["ETag"], is_same=False, note=_REPLACES)
        if not self._has_same_options(head["Metadata"]):
            return Existing(
                head["ETag"], is_same=False, note="it is there with other options; this makes another video"
            )
        return existing_of(head["ETag"], job, job_id_of(ref), planned, is_rehearsal=self.is_rehearsal)

    def _has_same_content(self, head: Any, planned: PlannedImage, job: Job | None) -> bool:
        """Compare by SHA-256: the command's own, else what the stack has read; else by MD5, where the entity tag is that."""
        there = head["Metadata"].get(CONTENT_HASH) or (job.image.sha256 if job else None)
        if there:
            return bool(there == planned.sha256)
        digest = hashlib.md5(usedforsecurity=False)
        with Path(planned.path).open("rb") as file:
            while piece := file.read(1024 * 1024):
                digest.update(piece)
        return bool(head["ETag"].strip('"') == digest.hexdigest())

    def _has_same_options(self, metadata: Mapping[str, str]) -> bool:
        if self.uses_sidecars:
            return metadata.get(OPTIONS_HASH) == options_hash(self.options)
        if OPTIONS_HASH in metadata:
            return False
        there = {name.lower().replace("_", "-"): decoded_metadata(value) for name, value in metadata.items()}
        names = [name.replace("_", "-") for name in OPTION_NAMES]
        here = {name: decoded_metadata(value).strip() for name, value in option_metadata(self.options).items()}
        return {name: there[name].strip() for name in names if name in there} == here


@dataclass(frozen=True)
class RequestedImages:
    """Finds the jobs of images in S3."""

    jobs: JobTable
    lists: JobLists
    is_rehearsal: bool = False

    def find(self, planned: PlannedImage, image: Image) -> Existing | None:
        """Return the job of an image's version, or in a bucket without versions the last one of its key and entity tag."""
        if image.version_id:
            job = self.jobs.get(job_id_of(ImageRef(image.bucket, image.key, image.version_id)))
        else:
            of_key = self.lists.jobs_of_key(image.key)
            job = next(
                (one for one in of_key if (one.image.bucket, one.image.etag) == (image.bucket, image.etag)), None
            )
        if job is None:
            return None
        return existing_of(image.etag or "", job, job.job_id, planned, is_rehearsal=self.is_rehearsal)


def existing_of(etag: str, job: Job | None, job_id: str, planned: PlannedImage, *, is_rehearsal: bool) -> Existing:
    """Return the same image as it is in the bucket, with its job.

    One that was rejected may be dropped again, since nothing was spent, and one that was rehearsed, where the stack
    rehearses no longer.
    """
    if job is None:
        note = "it is in the bucket; its job is not there yet"
        return Existing(etag, is_same=True, job_id=job_id, note=note)
    if job.status is JobStatus.REJECTED and not job.has_reason(*_OTHERS_JOB):
        note = f"its last job was rejected: {job.reason.message if job.reason else ''}"
        return Existing(etag, True, job_id, job.status.value, note, may_repeat=True)
    if job.rehearsal and not is_rehearsal:
        return Existing(etag, True, job_id, job.status.value, "its last job was a rehearsal", may_repeat=True)
    changed = _changed_options(job, planned)
    note = f"its job is {job.status.value}"
    if changed:
        note += f"; it had another {', '.join(changed)}"
    return Existing(etag, True, job_id, job.status.value, note)


def _changed_options(job: Job, planned: PlannedImage) -> list[str]:
    """Return the names of the options that have changed since the job. `auto` has become a ratio, which may differ."""
    if job.options is None or planned.options is None:
        return []
    before = job.options._asdict()
    return [name for name, value in planned.options.items() if before[name] != value and value != "auto"]
