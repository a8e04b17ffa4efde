"""The image as named by an event and as validated; why one cannot be read; which keys are images."""

from collections.abc import Mapping
from enum import Enum, StrEnum
from typing import Any, NamedTuple, Self


class PrepareReason(StrEnum):
    """Why an image is prepared: the provider would not take it as it is, or might show it wrongly."""

    FORMAT = "format"
    """Not a JPG, PNG or WebP."""
    ANIMATED = "animated"
    """The first frame is taken."""
    SIZE = "size"
    """More bytes than the provider takes."""
    PIXELS = "pixels"
    """More pixels than are submitted."""
    ORIENTATION = "orientation"
    """Its Exif orientation is not 1, and the provider may ignore it."""
    CMYK = "cmyk"
    BIT_DEPTH = "bit_depth"
    """16 bits a sample."""
    COLOR_PROFILE = "color_profile"
    """Its color profile is not sRGB."""


class Prepared(NamedTuple):
    """The prepared copy that is submitted in the image's place, in the prepared bucket.

    `format` is `JPEG` or `PNG`; `size` is in bytes, `width` and `height` are in pixels, `sha256` is in hex.
    """

    bucket: str
    key: str
    reasons: tuple[PrepareReason, ...]
    format: str
    size: int
    width: int
    height: int
    sha256: str


class ImageRef(NamedTuple):
    """One object version in a bucket, as named by an event.

    `version_id` is None in a bucket without versioning; `etag` then shows whether the object is still the one of the event.
    `sequencer` is from S3's event and is only compared for equality.
    """

    bucket: str
    key: str
    version_id: str | None = None
    etag: str | None = None
    sequencer: str | None = None


class Image(NamedTuple):
    """The job's image: the fields of its event, and after validation the facts read from its bytes.

    `size` is in bytes, `sha256` in hex; `format` is `JPEG`, `PNG` or `WebP`, or that of a prepared image, such as `HEIC`;
    `width` and `height` are in pixels as displayed. Unknown fields are None. `prepared` is what is submitted in its place.
    """

    bucket: str
    key: str
    version_id: str | None = None
    etag: str | None = None
    size: int | None = None
    sha256: str | None = None
    format: str | None = None
    width: int | None = None
    height: int | None = None
    prepared: Prepared | None = None

    @property
    def ref(self) -> ImageRef:
        """The reference to the uploaded object."""
        return ImageRef(self.bucket, self.key, self.version_id, self.etag)

    @property
    def submitted_ref(self) -> ImageRef:
        """The reference to the object that is submitted: the prepared copy where there is one."""
        return self.ref if self.prepared is None else ImageRef(self.prepared.bucket, self.prepared.key)

    @property
    def submitted_sha256(self) -> str | None:
        """The SHA-256 in hex of what is submitted."""
        return self.sha256 if self.prepared is None else self.prepared.sha256

    @property
    def submitted_format(self) -> str:
        """The format of what is submitted; empty before the validation."""
        return (self.format or "") if self.prepared is None else self.prepared.format

    def as_json(self) -> dict[str, Any]:
        """Return the image as JSON for events, receipts and the job table. Format and size in pixels only where they are known."""
        optional = ("format", "width", "height", "prepared")
        prepared = None if self.prepared is None else self.prepared._asdict()
        values = {**self._asdict(), "prepared": prepared}
        return {name: value for name, value in values.items() if value is not None or name not in optional}

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Self:
        """Return the image from its `as_json` form."""
        prepared = stored.get("prepared")
        if prepared is not None:
            reasons = tuple(PrepareReason(reason) for reason in prepared["reasons"])
            prepared = Prepared(**{**prepared, "reasons": reasons})
        return cls(**{**stored, "prepared": prepared})


class Missing(Enum):
    """Why an image cannot be read; retrying does not help."""

    GONE = "gone"
    """The object does not exist."""
    SUPERSEDED = "superseded"
    """A newer upload, which has its own event, has replaced it."""
    ARCHIVED = "archived"
    """Its storage class must be restored before it can be read."""
    ENCRYPTED = "encrypted"
    """Encrypted with SSE-C: only the uploader has the key."""
    KMS_KEY = "kms key"
    """Its KMS key is disabled, pending deletion, or deleted."""


def is_image_key(key: str, size: int | None = None) -> bool:
    """Return whether an uploaded key is taken as an image.

    It is not for sidecars and folder defaults (`.json` in any case), folder markers (empty, ending in `/`), and the files
    of desktops in any case: `.DS_Store`, `._*` (AppleDouble), `Thumbs.db` and `desktop.ini`.
    """
    name = key.rpartition("/")[2].lower()
    if name.endswith(".json") or name.startswith("._") or name in _DESKTOP_FILES:
        return False
    return not (key.endswith("/") and not size)


_DESKTOP_FILES = frozenset({".ds_store", "thumbs.db", "desktop.ini"})
