"""`dropreel forget`: finds all that is stored of an image, deletes it, and redacts the rows of its jobs.

The objects come first, the table last. The table keeps the key and the ids, so a run that was stopped can be repeated: it
finds what is left.
"""

from __future__ import annotations

import shlex
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError
from rich.table import Table
from rich.text import Text

from dropreel.domain.errors import DropreelError
from dropreel.domain.forgetting import forget_refusal, forgotten
from dropreel.domain.messages import MAX_KEY_BYTES
from dropreel.domain.option_files import ENDING, spellings
from dropreel.domain.receipts import receipt_key
from dropreel.media.videos import video_key
from dropreel_cli.aws_errors import explain, is_refused
from dropreel_cli.command_line import Command
from dropreel_cli.decisions import sentence
from dropreel_cli.exits import CommandError, Exit
from dropreel_cli.object_versions import ObjectVersion, VersionedObject, delete_versions, find_object, find_objects
from dropreel_cli.operations import now
from dropreel_cli.output import printable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from dropreel.domain.job import Job
    from dropreel_cli.operations import Operations
    from dropreel_cli.output import Output

_NEW = timedelta(minutes=5)
"""A version without a job that is younger than this and UploadSettleSeconds may be submitted at this moment."""


@dataclass(frozen=True)
class ImageName:
    """What the user named: a key, and the bucket where an `s3://` address says it. `text` is as it was typed."""

    text: str
    key: str
    bucket: str | None = None


@dataclass
class Forgetting:
    """One image: what is stored of it, why it is refused, and what came of it."""

    name: ImageName
    objects: list[VersionedObject] = field(default_factory=list)
    jobs: list[Job] = field(default_factory=list)
    refused: str | None = None
    failed: str | None = None
    is_done: bool = False

    @property
    def to_redact(self) -> list[Job]:
        """The jobs whose rows still have texts."""
        return [job for job in self.jobs if forgotten(job) != job]

    @property
    def has_work(self) -> bool:
        """Whether there is something to do that is allowed."""
        return self.refused is None and bool(self.objects or self.to_redact)

    @property
    def outcome(self) -> str:
        """The outcome as `schemas/forget.json` names it."""
        if self.refused or self.failed:
            return "refused" if self.refused else "failed"
        if self.is_done:
            return "done"
        return "planned" if self.has_work else "nothing_left" if self.jobs else "not_found"

    @property
    def message(self) -> str:
        """What happens, happened, or does not, in a sentence."""
        texts = {
            "done": f"{amount(self)} deleted and redacted.",
            "planned": f"{amount(self)} would be deleted and redacted.",
            "nothing_left": "Nothing is left of it but the keys, amounts, days and ids in the job table.",
            "not_found": (
                f"There is no object and no job with the key {self.name.key}. Name an image by its key or s3:// address, as "
                "`dropreel jobs` lists it."
            ),
        }
        return self.refused or self.failed or texts[self.outcome]

    def row(self) -> dict[str, Any]:
        """Return the image as JSON: `schemas/forget.json`."""
        return {
            "name": self.name.text,
            "outcome": self.outcome,
            "message": self.message,
            "objects": [
                {"kind": one.kind, "bucket": one.bucket, "key": one.key, "versions": len(one.versions)}
                for one in self.objects
            ],
            "jobs": [{"job_id": job.job_id, "status": job.status.value} for job in self.to_redact],
        }


@dataclass(frozen=True)
class Forgetter:
    """Finds and forgets images of one stack. Raises botocore's errors."""

    operations: Operations

    def names(self, texts: Iterable[str]) -> list[ImageName]:
        """Return what the texts name, each once. Raises CommandError (USAGE) for an address where no image of this stack is."""
        return list({(one.bucket, one.key): one for one in map(self._name, texts)}.values())

    def plan(self, name: ImageName) -> Forgetting:
        """Return what is stored of an image. The objects are listed before the jobs are read: each listed version has its job."""
        buckets = [one for one in self._image_buckets(name.key) if name.bucket in (None, one)]
        objects = [found for bucket in buckets for found in self._uploaded(bucket, name.key)]
        jobs = [job for job in self._jobs_of(name.key) if name.bucket in (None, job.image.bucket)]
        refused = [why for job in jobs if (why := forget_refusal(job)) is not None]
        if not refused and (new := self._without_job(objects, jobs)) is not None:
            uploaded = f"{new.versions[-1].last_modified:%H:%M:%S} UTC"
            refused = [f"{new.key} was uploaded at {uploaded} and has no job yet. Wait until its job has ended."]
        objects += [found for job in jobs for found in self._made_of(job)]
        return Forgetting(name, objects, jobs, " ".join(refused) or None)

    def forget(self, planned: Forgetting) -> Forgetting:
        """Delete what was found, then redact the jobs; return what came of it.

        Refuses where a job began or changed meanwhile: it can have another video by now.
        """
        now_planned = self.plan(planned.name)
        changed = [job.job_id for job in planned.jobs if job not in now_planned.jobs]
        refused = now_planned.refused
        if refused is None and changed:
            refused = f"Job {', '.join(changed)} was changed meanwhile, and nothing was deleted. Run it again."
        if refused is not None:
            return replace(planned, refused=refused)
        for found in planned.objects:
            delete_versions(self._s3, found)
        for job in planned.to_redact:
            self.operations.forget_job.run(job.job_id)
        return replace(planned, is_done=True)

    @property
    def _s3(self) -> Any:
        return self.operations.stack.client("s3")

    def _name(self, text: str) -> ImageName:
        if not text.startswith("s3://"):
            return ImageName(text, text)
        bucket, _, key = text.removeprefix("s3://").partition("/")
        if key and bucket in self._image_buckets(key):
            return ImageName(text, key, bucket)
        stack = self.operations.stack
        existing = stack.parameters.get("ExistingUploadsBucketName", "")
        allowed = [f"s3://{stack.outputs['UploadsBucketName']}/KEY"]
        allowed += [f"s3://{existing}/{stack.parameters.get('UploadsPrefix', '')}KEY"] if existing else []
        raise CommandError(
            f"{printable(text)} is not the address of an image of this stack. Allowed: {' or '.join(allowed)}. A video is "
            "deleted with its image: name the image.",
            Exit.USAGE,
        )

    def _image_buckets(self, key: str) -> list[str]:
        """Return the buckets of this stack in which an image with this key can be."""
        stack = self.operations.stack
        existing = stack.parameters.get("ExistingUploadsBucketName", "")
        is_below = key.startswith(stack.parameters.get("UploadsPrefix", ""))
        return [stack.outputs["UploadsBucketName"], *([existing] if existing and is_below else [])]

    def _uploaded(self, bucket: str, key: str) -> Iterator[VersionedObject]:
        """Yield the image and its sidecars, in each spelling of the key. `dropreel.json` counts for other images, too."""
        for spelling in _spellings(key):
            yield from find_object(self._s3, "image", bucket, spelling)
            is_sidecar = partial(_is_sidecar, spelling)
            for letter in ("j", "J"):
                yield from find_objects(self._s3, "sidecar", bucket, f"{spelling}.{letter}", is_sidecar)

    def _jobs_of(self, key: str) -> list[Job]:
        """Return the jobs of a key in each of its spellings, whatever their bucket."""
        return [job for spelling in _spellings(key) for job in self.operations.lists.jobs_of_key(spelling)]

    def _without_job(self, objects: Sequence[VersionedObject], jobs: Sequence[Job]) -> VersionedObject | None:
        """Return an image whose newest upload is so new that its job may be on its way; None where there is none."""
        settle = timedelta(seconds=int(self.operations.stack.parameters.get("UploadSettleSeconds", "10")))
        since = now() - _NEW - settle

        def is_new(version: ObjectVersion) -> bool:
            has_job = any(
                job.image.version_id == version.version_id or job.created_at >= version.last_modified for job in jobs
            )
            return not version.is_marker and version.last_modified >= since and not has_job

        return next((one for one in objects if one.kind == "image" and any(map(is_new, one.versions))), None)

    def _made_of(self, job: Job) -> Iterator[VersionedObject]:
        """Yield what the stack has made of a job: prepared images, and the video and receipt of each of its generations."""
        outputs = self.operations.stack.outputs
        yield from find_objects(self._s3, "prepared", outputs["PreparedBucketName"], f"{job.job_id}.", lambda _: True)
        rows = self.operations.jobs.history(job.job_id)
        ids = dict.fromkeys(row.get("generation_id") for row in rows)
        for key in (video_key(replace(job, generation_id=one)) for one in ids if one):
            yield from find_object(self._s3, "video", outputs["VideosBucketName"], key)
            yield from find_object(self._s3, "receipt", outputs["VideosBucketName"], receipt_key(key))


def _is_sidecar(image_key: str, key: str) -> bool:
    """Return whether a key is the image's with `.json`, in any case, appended."""
    return key.startswith(image_key) and key[len(image_key) :].lower() == ENDING


def _spellings(key: str) -> list[str]:
    """Return the spellings of a key that can be a key in S3."""
    return [one for one in spellings(key) if len(one.encode()) <= MAX_KEY_BYTES]


def amount(*images: Forgetting) -> str:
    """Return how much is deleted and redacted: `3 object versions and 1 job`."""
    versions = sum(len(found.versions) for one in images for found in one.objects)
    jobs = sum(len(one.to_redact) for one in images)
    return f"{versions} object version{'' if versions == 1 else 's'} and {jobs} job{'' if jobs == 1 else 's'}"


def forget_images(
    forgetter: Forgetter, texts: Sequence[str], output: Output, options: str, *, dry_run: bool, yes: bool
) -> int:
    """Show what is stored of each image, ask, and forget it; return the exit status.

    `options` repeats the user's options, with a space in front. Raises CommandError where it is not confirmed, and where AWS
    cannot be reached or does not permit it.
    """
    images = [forgetter.plan(name) for name in forgetter.names(texts)]
    to_do = [one for one in images if one.has_work]
    if to_do:
        console = output.console if dry_run and not output.is_json else output.progress
        console.print(_table(to_do))
    for one in images:
        if not one.has_work:
            output.note(f"{printable(one.name.text)}: {printable(one.message)}", "red" if one.refused else None)
    if to_do and not dry_run:
        output.confirm(f"Delete and redact {amount(*to_do)} for good? It cannot be undone.", yes=yes)
        for at, one in enumerate(images):
            if one.has_work:
                images[at] = _forget(forgetter, one, [left.name.text for left in images[at:]], output, options)
    output.document({"dry_run": dry_run, "images": [one.row() for one in images]})
    outcomes = {one.outcome for one in images}
    if outcomes == {"refused"}:
        return Exit.REFUSED
    return Exit.FAILED if outcomes & {"refused", "failed", "not_found"} else Exit.DONE


def _forget(forgetter: Forgetter, one: Forgetting, left: list[str], output: Output, options: str) -> Forgetting:
    again = f"dropreel forget{options} -- {' '.join(map(shlex.quote, left))}"
    Command.left_behind = f"What was deleted stays deleted; the same command deletes the rest.\nContinue: {again}"
    try:
        ended = forgetter.forget(one)
    except (BotoCoreError, ClientError) as error:
        if isinstance(error, BotoCoreError) or is_refused(error):
            raise CommandError(f"{explain(error)}\n{Command.left_behind}", Exit.UNREACHABLE) from error
        ended = replace(one, failed=explain(error))
    except DropreelError as error:
        ended = replace(one, failed=sentence(str(error)))
    Command.left_behind = ""
    if ended.is_done:
        output.text(f"{printable(one.name.text)}: {ended.message}")
    else:
        output.note(f"{printable(one.name.text)}: {printable(ended.message)}", "red")
    return ended


def _table(images: Sequence[Forgetting]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("WHAT", no_wrap=True)
    table.add_column("WHERE", overflow="fold")
    table.add_column("WHAT HAPPENS", no_wrap=True)
    for one in images:
        for found in one.objects:
            count = len(found.versions)
            effect = f"{count} version{'' if count == 1 else 's'} deleted"
            table.add_row(Text(found.kind), Text(printable(f"s3://{found.bucket}/{found.key}")), Text(effect))
        for job in one.to_redact:
            table.add_row(Text("job"), Text(f"{job.job_id} ({job.status.value})"), Text("prompt redacted"))
    return table
