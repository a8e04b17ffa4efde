"""What would become of each image, and what it would cost: by the checks of the stack, before anything is uploaded."""

from __future__ import annotations

import hashlib
import json
from collections import Counter, deque
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Any, TypeVar

from dropreel.domain.images import Image, ImageRef, PrepareReason
from dropreel.domain.job import receive
from dropreel.domain.messages import Drop
from dropreel.domain.prices import usd
from dropreel.media.images.file_kinds import name_format
from dropreel.media.images.preparation import classify_image
from dropreel_cli.local_files import cannot_be_read

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from datetime import datetime

    from dropreel.domain.spending import SpendLimit
    from dropreel.use_cases.validate_image import ImageValidator, ValidatedImage

WORKERS = 8
"""Images that are checked, and files that are uploaded, at the same time."""

PREPARED_FOR = {
    PrepareReason.FORMAT: "the provider does not take this format",
    PrepareReason.ANIMATED: "it is animated: its first frame is taken",
    PrepareReason.SIZE: "more bytes than the provider takes",
    PrepareReason.PIXELS: "more pixels than the provider is sent",
    PrepareReason.ORIENTATION: "it is rotated by Exif",
    PrepareReason.CMYK: "its colors are CMYK",
    PrepareReason.BIT_DEPTH: "16 bits a sample",
    PrepareReason.COLOR_PROFILE: "its color profile is not sRGB",
}


class Verdict(StrEnum):
    """What would become of a file."""

    SUBMITTED = "submitted"
    """As it is."""
    PREPARED = "prepared"
    """Prepared for the provider first, then submitted."""
    REFUSED = "refused"
    """It is rejected, or cannot be read: nothing is spent."""
    SKIPPED = "skipped"
    """Not an image."""
    DUPLICATE = "duplicate"
    """The same content and options as another image of this call."""
    PRESENT = "present"
    """Already in the bucket with this content: it has, or had, a job."""


SPENDS = frozenset({Verdict.SUBMITTED, Verdict.PREPARED})


@dataclass(frozen=True, slots=True)
class Existing:
    """What lies under an image's key already. `is_same`: the same content and options. `job_status`: None before its job is there."""

    etag: str
    is_same: bool
    job_id: str | None = None
    job_status: str | None = None
    note: str = ""
    may_repeat: bool = False


@dataclass(frozen=True, slots=True)
class PlannedImage:
    """One file and what would become of it. Sizes are in bytes and pixels; `cents` is the price of one attempt.

    `detail` is a sentence for people. `replaces` is the entity tag of the object that it replaces. `option_files` are the
    keys of option files to upload before it. `job_id` and `job_status` are those of the object that is there.
    """

    key: str
    verdict: Verdict
    detail: str = ""
    path: str = ""
    size: int | None = None
    format: str | None = None
    width: int | None = None
    height: int | None = None
    options: dict[str, Any] | None = None
    sources: dict[str, str] | None = None
    cents: int = 0
    warnings: tuple[str, ...] = ()
    sha256: str | None = None
    replaces: str | None = None
    option_files: tuple[str, ...] = ()
    job_id: str | None = None
    job_status: str | None = None


@dataclass
class Plan:
    """The planned images in the order of their keys. `reserved_cents` is what is reserved today; a limit of None is none."""

    limit: SpendLimit
    reserved_cents: int
    max_attempts: int
    images: list[PlannedImage] = field(default_factory=list)

    @property
    def counts(self) -> Counter[Verdict]:
        """The number of files of each verdict."""
        return Counter(image.verdict for image in self.images)

    @property
    def to_drop(self) -> list[PlannedImage]:
        """The images that would be submitted."""
        return [image for image in self.images if image.verdict in SPENDS]

    @property
    def total_cents(self) -> int:
        """The price of one attempt of each image that would be submitted."""
        return sum(image.cents for image in self.images if image.verdict in SPENDS)

    @property
    def days(self) -> int | None:
        """How many days the images take under the day's limit, today included. None: the limit holds all of them."""
        prices = (image.cents for image in self.images if image.verdict in SPENDS)
        return days_needed(prices, self.limit, self.reserved_cents)


def days_needed(prices: Iterable[int], limit: SpendLimit, reserved_cents: int) -> int | None:
    """Return on how many days (UTC), today included, prices in cents fit below the limit if nothing else is dropped."""
    if limit.cents is None:
        return 1
    room, days = limit.room_after(reserved_cents) or 0, 1
    for price in prices:
        if price > limit.cents:
            return None
        if price > room:
            room, days = limit.cents, days + 1
        room -= price
    return days


@dataclass
class Planner:
    """Checks images in several threads, and yields them in their order.

    `existing` returns what is under an image's key already; with `again` that does not count. `used_option_files` returns
    those of the image that its thread has checked last. `hash_large` returns the SHA-256 in hex of a file that is too large
    to be held, where it is needed.
    """

    validator: ImageValidator
    limit: SpendLimit
    now: Callable[[], datetime]
    existing: Callable[[PlannedImage, Image], Existing | None]
    used_option_files: Callable[[], tuple[str, ...]] = tuple
    hash_large: Callable[[PlannedImage], str | None] = lambda _: None
    again: bool = False
    _shared: dict[str, Any] = field(default_factory=dict)

    def plan(self, images: Iterable[tuple[ImageRef, int | None, str]]) -> Iterator[PlannedImage]:
        """Yield each image with its verdict. An image is its reference, its size as listed, and its path (empty in S3)."""
        for planned in in_order(self._check, images, WORKERS):
            yield self._share(planned)

    def _check(self, image: tuple[ImageRef, int | None, str]) -> PlannedImage:
        """Check one image; called by several threads."""
        ref, size, path = image
        received = receive("0" * 24, Image(ref.bucket, ref.key), self.now())
        try:
            validated = self.validator.validate(Drop(ref, None if path else size), received)
        except OSError as error:
            return PlannedImage(ref.key, Verdict.REFUSED, unreadable(error, path), path, size)
        planned = self._described(validated, path, size)
        if planned.verdict not in SPENDS:
            return planned
        planned = replace(planned, option_files=self.used_option_files())
        try:
            if planned.sha256 is None and (digest := self.hash_large(planned)):
                planned = replace(planned, sha256=digest)
            existing = self.existing(planned, validated.job.image)
        except OSError as error:
            return replace(planned, verdict=Verdict.REFUSED, detail=unreadable(error, path))
        return self._compared(planned, existing)

    def _described(self, validated: ValidatedImage, path: str, size: int | None) -> PlannedImage:
        job, image = validated.job, validated.job.image
        planned = PlannedImage(
            image.key, Verdict.SUBMITTED, "", path, image.size or size, image.format, image.width, image.height,
            None if job.options is None else job.options._asdict(), dict(job.option_sources) or None, job.cost_cents,
            job.warnings, image.sha256,
        )  # fmt: skip
        if validated.reason is not None:
            return replace(planned, verdict=Verdict.REFUSED, detail=validated.reason.message, cents=0)
        if self.limit.rejects(job.cost_cents):
            limit = usd(self.limit.cents or 0)
            why = f"It costs ${usd(job.cost_cents)}, more than the whole daily limit of ${limit}."
            return replace(planned, verdict=Verdict.REFUSED, detail=why)
        if validated.is_prepared_first and validated.image is not None:
            stored = validated.image
            facts = classify_image(stored.content, stored.head, stored.size)
            reasons = facts if isinstance(facts, tuple) else getattr(facts, "prepare_for", ())
            why = "; ".join(PREPARED_FOR[reason] for reason in reasons)
            found = planned.format or name_format(stored.head)
            return replace(planned, verdict=Verdict.PREPARED, detail=why, format=found)
        return planned

    def _compared(self, planned: PlannedImage, existing: Existing | None) -> PlannedImage:
        if existing is None:
            return planned
        planned = replace(planned, replaces=existing.etag, job_id=existing.job_id, job_status=existing.job_status)
        if existing.is_same and not self.again and not existing.may_repeat:
            return replace(planned, verdict=Verdict.PRESENT, detail=existing.note)
        return replace(planned, detail="; ".join(filter(None, (planned.detail, existing.note))))

    def _share(self, planned: PlannedImage) -> PlannedImage:
        """Let images with equal options hold one object of them."""

        def shared(value: Any) -> Any:
            return self._shared.setdefault(repr(value), value)

        return replace(
            planned,
            options=shared(planned.options),
            sources=shared(planned.sources),
            option_files=shared(planned.option_files),
            warnings=shared(planned.warnings),
        )


def mark_duplicates(images: list[PlannedImage]) -> list[PlannedImage]:
    """Return the images with all but one of the same content and options as duplicates: that in the bucket stays, else the first."""
    first: dict[bytes, str] = {}
    for image in sorted(images, key=lambda image: image.verdict is not Verdict.PRESENT):
        if image.verdict is Verdict.PRESENT or image.verdict in SPENDS:
            first.setdefault(_content(image), image.key)
    return [
        replace(image, verdict=Verdict.DUPLICATE, detail=f"the same picture and options as {kept}")
        if image.verdict in SPENDS and (kept := first[_content(image)]) != image.key
        else image
        for image in images
    ]


def _content(image: PlannedImage) -> bytes:
    """Return a digest of what is submitted of an image. A large file whose content is not known is like no other."""
    same = json.dumps([image.sha256 or image.key, image.options], sort_keys=True)
    return hashlib.sha256(same.encode()).digest()


_Item = TypeVar("_Item")
_Result = TypeVar("_Result")


def in_order(
    work: Callable[[_Item], _Result], items: Iterable[_Item], workers: int, stop: Callable[[], object] = lambda: None
) -> Iterator[_Result]:
    """Yield the results in the order of the items, a few of which are worked on at the same time.

    When the caller stops (close the iterator), nothing else begins, and what has begun is waited for. `stop` is called
    before that, so that long work can end early.
    """
    with ThreadPoolExecutor(workers) as pool:
        begun: deque[Future[_Result]] = deque()
        try:
            for item in items:
                begun.append(pool.submit(work, item))
                if len(begun) > 2 * workers:
                    yield begun.popleft().result()
            while begun:
                yield begun.popleft().result()
        finally:
            stop()
            pool.shutdown(wait=True, cancel_futures=True)


def unreadable(error: OSError, path: str) -> str:
    """Return why a file could not be read, and which one where it is not the image itself."""
    why = cannot_be_read(error)
    name = error.filename if isinstance(error.filename, str) else None
    return why if name in (None, path) else f"{name}: {why}"
