"""Validate an image and its options before anything is paid."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from dropreel.domain.image_facts import ImageFacts
from dropreel.domain.images import Missing, PrepareReason
from dropreel.domain.job import Job
from dropreel.domain.messages import Drop, truncate_messages
from dropreel.domain.option_files import MAX_FILE_BYTES, decode_option_file, find_option_keys
from dropreel.domain.option_places import S3_METADATA, STACK_PARAMETERS, Fault, Place, resolve
from dropreel.domain.options import OPTION_NAMES, ratio_for, warnings_for
from dropreel.domain.reasons import Reason, ReasonCode
from dropreel.media.images.preparation import MAX_ORIGINAL_BYTES, classify_image, original_too_large
from dropreel.media.images.reader import inspect_image, too_large
from dropreel.provider.limits import MAX_IMAGE_BYTES

if TYPE_CHECKING:
    from dropreel.domain.prices import PriceTable
    from dropreel.use_cases.ports import Images, StoredImage

MISSING_REASONS = {
    Missing.GONE: Reason(ReasonCode.IMAGE_MISSING, "The image does not exist (any more)."),
    Missing.SUPERSEDED: Reason(
        ReasonCode.IMAGE_SUPERSEDED, "A newer upload took the image's place before it could be submitted."
    ),
    Missing.ARCHIVED: Reason(
        ReasonCode.IMAGE_ARCHIVED,
        "The image is archived (S3 Glacier or an archive tier); it cannot be read before it is restored.",
    ),
    Missing.ENCRYPTED: Reason(
        ReasonCode.IMAGE_ENCRYPTED,
        "The image is encrypted with a key of your own (SSE-C); it cannot be read without that key.",
    ),
    Missing.KMS_KEY: Reason(
        ReasonCode.IMAGE_KMS_KEY, "S3 cannot decrypt the image: its KMS key is disabled, being deleted, or gone."
    ),
}

_UNREADABLE = {
    Missing.ARCHIVED: "it is archived (S3 Glacier or an archive tier); restore it, or upload it again",
    Missing.ENCRYPTED: "it is encrypted with a key of your own (SSE-C); upload it without that key",
    Missing.KMS_KEY: "S3 cannot decrypt it: its KMS key is disabled, being deleted, or gone",
}
"""Why an option file cannot be read. A missing one is no fault; none is superseded, since it is read without a condition."""


class ValidatedImage(NamedTuple):
    """The job with its image described, the reason why it must be rejected, and the image as it was read (None: not read).

    `is_prepared_first`: the image is not submitted as it is.
    """

    job: Job
    reason: Reason | None = None
    image: "StoredImage | None" = None
    is_prepared_first: bool = False


@dataclass(frozen=True)
class ImageValidator:
    """Decides whether a job may be claimed. A rejection lists every fault at once.

    `key_prefixes`: in these buckets, only keys with this prefix may be read, images and option files alike. `prepares`:
    images that the provider would not take, or might show wrongly, are prepared first. `prices` may be read at its first use.
    """

    images: "Images"
    allowed_buckets: frozenset[str]
    default_options: dict[str, str]
    key_prefixes: Mapping[str, str] = field(default_factory=dict)
    prepares: bool = False
    prices: "PriceTable" = field(kw_only=True)

    def validate(self, drop: Drop, job: Job) -> ValidatedImage:
        """Return the received job with its image, options and price, or with the reason why it must be rejected."""
        image = drop.image
        if drop.faults:
            return ValidatedImage(job, Reason(ReasonCode.REQUEST_INVALID, " ".join(drop.faults), drop.faults))
        if image.bucket not in self.allowed_buckets:
            allowed = ", ".join(sorted(self.allowed_buckets))
            return ValidatedImage(
                job,
                Reason(
                    ReasonCode.BUCKET_NOT_ALLOWED, f"Images are taken from {allowed}, not from {image.bucket[:63]}."
                ),
            )
        if not self._may_read(image.bucket, image.key):
            prefix = self.key_prefixes[image.bucket]
            message = f"Images in {image.bucket} are taken from {prefix} only; {image.key!r:.200} is outside of it."
            return ValidatedImage(job, Reason(ReasonCode.BUCKET_NOT_ALLOWED, message))
        if not is_sendable(image.key):
            return ValidatedImage(job, _unsendable(image.key))
        stored = self.images.find(image, drop.size)
        if isinstance(stored, Missing):
            too_many = self._too_many_bytes(drop.size or 0)
            if stored is Missing.ARCHIVED and too_many is not None:
                return ValidatedImage(job, too_many)  # restoring it would not help
            return ValidatedImage(job, MISSING_REASONS[stored])
        return self._validated(drop, job, stored)

    def _validated(self, drop: Drop, job: Job, stored: "StoredImage") -> ValidatedImage:
        image = job.image._replace(
            version_id=stored.version_id, etag=stored.etag, size=stored.size, sha256=stored.sha256
        )
        job = replace(job, image=image, modified_at=stored.last_modified)
        facts = self._facts(stored)
        places, faults = self._places(drop, stored)
        resolved = resolve(places)
        if isinstance(resolved, list):
            faults += resolved
        if isinstance(facts, Reason):
            return ValidatedImage(job, _rejection(facts.code, [facts.message, *map(_sentence, faults)]), stored)
        if isinstance(facts, ImageFacts):
            job = replace(job, image=image._replace(format=facts.format, width=facts.width, height=facts.height))
        if faults or isinstance(resolved, list):
            return ValidatedImage(job, _rejection(ReasonCode.OPTIONS_INVALID, [*map(_sentence, faults)]), stored)
        job = self.priced(replace(job, options=resolved.options, option_sources=resolved.sources))
        if not isinstance(facts, ImageFacts) or (self.prepares and facts.prepare_for):
            return ValidatedImage(job, None, stored, is_prepared_first=True)
        return ValidatedImage(with_facts(job, facts), None, stored)

    def priced(self, job: Job) -> Job:
        """Return a job with the price of its options. Raises SettingsError where the stack's prices are not valid."""
        if job.options is None:
            raise ValueError(f"job {job.job_id} has no options: it was not validated")
        cents = self.prices.cents_of(job.options.mode, job.options.duration)
        return replace(job, cost_cents=cents, prices_version=self.prices.version)

    def _too_many_bytes(self, size: int) -> Reason | None:
        if self.prepares:
            return original_too_large(size) if size > MAX_ORIGINAL_BYTES else None
        return too_large(size) if size > MAX_IMAGE_BYTES else None

    def _facts(self, stored: "StoredImage") -> ImageFacts | tuple[PrepareReason, ...] | Reason:
        """Return what is known of the image from its bytes, why it must be prepared, or why it cannot be used."""
        if self.prepares:
            return classify_image(stored.content, stored.head, stored.size)
        return too_large(stored.size) if stored.content is None else inspect_image(stored.content)

    def _places(self, drop: Drop, stored: "StoredImage") -> tuple[list[Place], list[Fault]]:
        """Return the places that hold options for this image, the most specific first, and the faults of unreadable files."""
        metadata, faults = _metadata_options(stored.metadata)
        places = [Place("request", drop.options), Place(S3_METADATA, metadata, is_text=True)]
        for key in find_option_keys(stored.key, partial(self._listed, stored.bucket)):
            content = self.images.read_file(stored.bucket, key, MAX_FILE_BYTES + 1)
            if content is Missing.GONE:  # deleted after it was listed
                continue
            found = (
                Fault(key, "", _UNREADABLE[content])
                if isinstance(content, Missing)
                else decode_option_file(key, content)
            )
            if isinstance(found, Place):
                places.append(found)
            else:
                faults.append(found)
        places.append(Place(STACK_PARAMETERS, self.default_options, is_text=True))
        return places, faults

    def _listed(self, bucket: str, prefix: str, after: str, most: int) -> tuple[list[str], bool]:
        return self.images.list_keys(bucket, prefix, after, most) if self._may_read(bucket, prefix) else ([], False)

    def _may_read(self, bucket: str, key: str) -> bool:
        return key.startswith(self.key_prefixes.get(bucket, ""))


def is_sendable(key: str) -> bool:
    """Return whether HTTP clients request a presigned URL of this key as it was signed.

    They remove `.` and `..` segments first (RFC 3986, 5.2.4), which changes the signed path.
    """
    return not {".", ".."} & set(key.split("/"))


def _unsendable(key: str) -> Reason:
    return Reason(
        ReasonCode.IMAGE_KEY,
        f"The key {key!r:.200} has a . or .. between its slashes. HTTP clients remove it from an address, so the provider "
        "could not fetch the image.",
    )


_FILE_MODE = re.compile("[0-7]{3,7}|[0-9]{5}")
"""A file's Unix permissions: octal, or decimal as s3fs writes them."""


def _metadata_options(metadata: Mapping[str, str]) -> tuple[dict[str, str], list[Fault]]:
    """Return the options in S3 user metadata, named with a hyphen or an underscore; if both are there they must agree.

    s3fs and rclone store a file's permissions as `mode`, too: that is not an option.
    """
    found: dict[str, str] = {}
    faults = []
    for written, value in metadata.items():
        name = written.lower().replace("-", "_")
        if name == "mode" and _FILE_MODE.fullmatch(value):
            continue
        if name in OPTION_NAMES and found.setdefault(name, value) != value:
            faults.append(
                Fault(
                    S3_METADATA,
                    name,
                    f"{name} is given twice, as {found[name]!r:.60} and as {value!r:.60}; give it once",
                )
            )
    return found, faults


def with_facts(job: Job, facts: ImageFacts) -> Job:
    """Return a validated job with the options and warnings for the picture as it is submitted: `auto` becomes a ratio."""
    assert job.options is not None  # noqa: S101  # nosec B101 # it was validated
    options = job.options._replace(aspect_ratio=ratio_for(job.options.aspect_ratio, facts))
    return replace(job, options=options, warnings=warnings_for(job.options, facts))


def _rejection(code: ReasonCode, messages: list[str]) -> Reason:
    kept = truncate_messages(messages)
    return Reason(code, " ".join(kept), kept)


def _sentence(fault: Fault) -> str:
    end = "" if fault.message.endswith("?") else "."
    return f"{fault.place}: {fault.message}{end}"
