"""The image as named by an event and as validated; why one cannot be read; which keys are images."""

from dataclasses import asdict, dataclass
from enum import Enum
from typing import Any


@dataclass(frozen=True)
class ImageRef:
    """One object version in a bucket, as named by an event.

    `version_id` is None in a bucket without versioning; `etag` then shows whether the object is still the one of the event.
    `sequencer` is from S3's event and is only compared for equality.
    """

    bucket: str
    key: str
    version_id: str | None = None
    etag: str | None = None
    sequencer: str | None = None


@dataclass(frozen=True)
class Image:
    """The job's image: the fields of its event, and after validation the facts read from its bytes.

    `size` is in bytes, `sha256` in hex; `format` is `JPEG`, `PNG` or `WebP`; `width` and `height` are in pixels as
    displayed. Unknown fields are None.
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

    @property
    def ref(self) -> ImageRef:
        """The reference to the object."""
        return ImageRef(self.bucket, self.key, self.version_id, self.etag)

    def as_json(self) -> dict[str, Any]:
        """Return the image as JSON for events, receipts and the job table. Format and size in pixels only where they are known."""
        shape = ("format", "width", "height")
        return {name: value for name, value in asdict(self).items() if value is not None or name not in shape}


@dataclass(frozen=True)
class ImageFacts:
    """`format` is JPEG, PNG or WebP; `width` and `height` are in pixels as displayed; `size` is in bytes.

    Exif orientations 5 to 8 swap the stored width and height.
    """

    format: str
    width: int
    height: int
    size: int
    orientation: int = 1
    animated: bool = False


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
