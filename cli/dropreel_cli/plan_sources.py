"""Makes the plan of files on this machine, or of images in S3, for a stack."""

from __future__ import annotations

import itertools
import time
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from dropreel.adapters.image_bucket import ImageBucket
from dropreel.adapters.job_table import JobTable
from dropreel.adapters.ledger import Ledger
from dropreel.domain.days import day_of, spend_day
from dropreel.domain.images import ImageRef, is_image_key
from dropreel.provider.limits import MAX_IMAGE_BYTES
from dropreel.use_cases.validate_image import ImageValidator
from dropreel_cli.bucket_folders import BucketFolders
from dropreel_cli.exits import CommandError, Exit
from dropreel_cli.job_lists import JobLists
from dropreel_cli.local_images import LocalImages, sha256_of
from dropreel_cli.planning import Plan, PlannedImage, Planner, Verdict, mark_duplicates
from dropreel_cli.presence import RequestedImages, UploadedImages
from dropreel_cli.stack_settings import settings_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from dropreel.settings import Settings
    from dropreel_cli.local_files import FoundFiles
    from dropreel_cli.stack import Stack

S3_SCHEME = "s3://"
_SHOWN_KEYS = 5


@dataclass(frozen=True)
class PlannedFiles:
    """A plan of files on this machine, and what their upload needs. `notes` are sentences for people."""

    plan: Plan
    bucket: str
    images: LocalImages
    folders: BucketFolders
    notes: tuple[str, ...] = ()


def plan_files(
    stack: Stack, found: FoundFiles, options: Mapping[str, str], *, again: bool, on_progress: Callable[[str], None]
) -> PlannedFiles:
    """Return the plan of the found files. Raises botocore's errors."""
    settings, bucket = settings_of(stack), stack.outputs["UploadsBucketName"]
    folders = _folders(stack, bucket, found)
    images = LocalImages(found, folders, options)
    jobs = JobTable(stack.client("dynamodb"), stack.outputs["JobsTableName"])
    uploaded = UploadedImages(folders, jobs, options, images.uses_sidecars, settings.is_rehearsal)
    sizes = Counter(file.size for file in found.images if file.size > MAX_IMAGE_BYTES)

    def hash_large(planned: PlannedImage) -> str | None:
        there = folders.find(planned.key) if planned.sha256 is None else None
        may_be_same = sizes[planned.size or 0] > 1 or (there is not None and there.size == planned.size)
        return sha256_of(planned.path) if planned.sha256 is None and may_be_same else None

    validator = _validator(images, frozenset({bucket}), settings)
    planner = Planner(
        validator, settings.spend_limit, _now, uploaded.find, lambda: images.used_option_files, hash_large, again
    )
    listed = ((ImageRef(bucket, file.key), file.size, file.path) for file in found.images)
    planned = list(_counted(planner.plan(listed), len(found.images), on_progress))
    plan = _plan(stack, settings, planned if again else mark_duplicates(planned), found)
    return PlannedFiles(
        plan, bucket, images, folders, (*_notes(found, plan), *_option_file_notes(plan, images, folders))
    )


def plan_bucket(stack: Stack, address: str, *, on_progress: Callable[[str], None]) -> Plan:
    """Return the plan of the images in S3 under `s3://bucket/prefix`. Raises CommandError (USAGE), and botocore's errors."""
    settings = settings_of(stack)
    bucket, _, prefix = address.removeprefix(S3_SCHEME).partition("/")
    if bucket not in settings.image_buckets:
        allowed = ", ".join(f"{S3_SCHEME}{name}/" for name in sorted(settings.image_buckets))
        raise CommandError(f"The stack takes images from {allowed}, not from {address}.", Exit.USAGE)
    client = stack.client("s3")
    table, dynamodb = stack.outputs["JobsTableName"], stack.client("dynamodb")
    requested = RequestedImages(JobTable(dynamodb, table), JobLists(dynamodb, table), settings.is_rehearsal)
    validator = _validator(ImageBucket(client), settings.image_buckets, settings)
    planner = Planner(validator, settings.spend_limit, _now, requested.find)

    def listed() -> Iterator[tuple[ImageRef, int | None, str]]:
        for page in client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
            for one in page.get("Contents", []):
                if is_image_key(one["Key"], one["Size"]):
                    yield ImageRef(bucket, one["Key"]), one["Size"], ""

    planned = list(_counted(planner.plan(listed()), None, on_progress))
    return _plan(stack, settings, planned)


def _validator(images: LocalImages | ImageBucket, buckets: frozenset[str], settings: Settings) -> ImageValidator:
    return ImageValidator(
        images,
        buckets,
        settings.default_options,
        settings.key_prefixes,
        prepares=settings.prepares_images,
        prices=settings.prices,
    )


def _plan(stack: Stack, settings: Settings, planned: list[PlannedImage], found: FoundFiles | None = None) -> Plan:
    if found is not None:
        planned += [PlannedImage(key, Verdict.REFUSED, why) for key, why in found.refused]
        planned += [PlannedImage(key, Verdict.SKIPPED, why) for key, why in found.skipped]
        planned.sort(key=lambda image: image.key)
    outputs = stack.outputs
    ledger = Ledger(stack.client("dynamodb"), outputs["JobsTableName"], outputs["SpendTableName"], settings.spend_limit)
    day = spend_day(day_of(_now()), is_rehearsal=settings.is_rehearsal)
    return Plan(settings.spend_limit, ledger.reserved_cents(day), settings.max_attempts, planned)


def _notes(found: FoundFiles, plan: Plan) -> tuple[str, ...]:
    notes = [
        f"{path} is not used: it would hold for the whole folder in the bucket. To use it, drop the folder or name the file."
        for path in sorted(found.unused_defaults - {file.path for file in found.option_files.values()})
    ]
    used = set(itertools.chain.from_iterable(image.option_files for image in plan.images))
    unused = sorted(found.option_files.keys() - used) if plan.images else []
    if unused:
        shown = ", ".join(unused[:_SHOWN_KEYS]) + (" …" if len(unused) > _SHOWN_KEYS else "")
        notes.append(f"Not uploaded, because no image that is dropped uses them: {len(unused):,} JSON files: {shown}")
    return tuple(notes)


def _option_file_notes(plan: Plan, images: LocalImages, folders: BucketFolders) -> Iterator[str]:
    """Yield what happens to option files in the bucket: options that become a sidecar, and files that are replaced."""
    if images.uses_sidecars and plan.to_drop:
        yield (
            "The options are too long for S3's 2 KB of metadata. Each image gets them in its sidecar (<key>.json), which is "
            "uploaded first; a sidecar that is there keeps its other options."
        )
    keys = dict.fromkeys(key for image in plan.to_drop for key in image.option_files)
    replaced = [key for key in keys if _is_replaced(key, images, folders)]
    if replaced:
        shown = ", ".join(replaced[:_SHOWN_KEYS]) + (" …" if len(replaced) > _SHOWN_KEYS else "")
        yield f"In the bucket, {len(replaced):,} option files with other content are replaced: {shown}"


def _is_replaced(key: str, images: LocalImages, folders: BucketFolders) -> bool:
    if folders.find(key) is None:
        return False
    try:
        return folders.read_file(key) != images.content_of(key)
    except OSError:  # its images are not uploaded, for this reason
        return False


def _folders(stack: Stack, bucket: str, found: FoundFiles) -> BucketFolders:
    keys = {file.key for file in found.images} | found.option_files.keys()
    wanted = Counter(file.key[: file.key.rfind("/") + 1] for file in found.images)
    return BucketFolders(stack.client("s3"), bucket, wanted, keys.__contains__)


def _counted(
    planned: Iterable[PlannedImage], total: int | None, on_progress: Callable[[str], None]
) -> Iterator[PlannedImage]:
    """Yield the images, and say about once a second how many were checked."""
    said = time.monotonic()
    for number, image in enumerate(planned, 1):
        yield image
        if time.monotonic() - said > 1 or number == total:
            said = time.monotonic()
            on_progress(f"{number:,}{f' of {total:,}' if total else ''} images checked")


def _now() -> datetime:
    return datetime.now(UTC)
