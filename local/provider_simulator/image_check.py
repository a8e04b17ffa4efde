"""Fetches the image of a submission as the provider would, and validates its bytes."""

import hashlib
import io
import threading
import time
from dataclasses import dataclass

import requests

from .contract import Refusal

MAX_IMAGE_BYTES = 10_000_000
"""The provider's "10 MB", in the stricter reading."""

FETCH_SECONDS = 20.0
"""The time limit for fetching one image, in all."""

_QUIET_SECONDS = 5.0
_CHUNK_BYTES = 65_536


@dataclass(frozen=True)
class ImageFacts:
    """Facts about an image; width and height are in pixels as stored: the Exif orientation does not count."""

    bytes: int
    sha256: str
    format: str
    width: int
    height: int


@dataclass(frozen=True)
class CheckedImage:
    """An image that the provider would accept."""

    content: bytes
    facts: ImageFacts


class ImageChecker:
    """Fetches and checks images. The same bytes are decoded once, and one decode runs at a time, to bound memory."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: dict[str, ImageFacts] = {}

    def fetch(self, url: str) -> CheckedImage:
        """Returns the image at an address. Raises Refusal (400) if it cannot be fetched or is not a usable image.

        No message holds the address's query string: a presigned query is a secret.
        """
        content = _download(url)
        digest = hashlib.sha256(content).hexdigest()
        with self._lock:
            facts = self._known.get(digest)
            if facts is None:
                facts = _decode(content, digest)
                self._known[digest] = facts
        return CheckedImage(content, facts)


def _download(url: str) -> bytes:
    deadline = time.monotonic() + FETCH_SECONDS
    content = bytearray()
    try:
        with requests.Session() as session:
            # The provider's fetch uses neither this computer's proxy nor its .netrc.
            session.trust_env = False
            with session.get(url, stream=True, timeout=_QUIET_SECONDS) as response:
                if response.status_code != 200:
                    raise _unreachable(f"its host answered {response.status_code}")
                for chunk in response.iter_content(_CHUNK_BYTES):
                    content += chunk
                    if len(content) > MAX_IMAGE_BYTES:
                        raise Refusal(400, "image_too_large", f"The image is over {MAX_IMAGE_BYTES} bytes.")
                    if time.monotonic() > deadline:
                        raise _unreachable(f"it took over {FETCH_SECONDS:g} seconds")
    except (requests.RequestException, ValueError) as error:
        # The exception's text contains the whole address.
        raise _unreachable(type(error).__name__) from None
    return bytes(content)


def _unreachable(reason: str) -> Refusal:
    return Refusal(400, "image_unreachable", f"The image behind image_url could not be fetched: {reason}.")


def _decode(content: bytes, digest: str) -> ImageFacts:
    # Pillow is imported here so that the simulator is up sooner.
    from PIL import Image

    try:
        with Image.open(io.BytesIO(content), formats=("JPEG", "PNG", "WEBP")) as image:
            # Phones write JPEGs with a second picture inside, which Pillow calls MPO.
            name = "JPEG" if image.format == "MPO" else str(image.format)
            image.load()
            width, height = image.size
    except (OSError, SyntaxError, ValueError, EOFError, Image.DecompressionBombError):
        raise Refusal(400, "image_unreadable", "The file behind image_url is not a whole JPEG, PNG or WebP.") from None
    return ImageFacts(len(content), digest, name, width, height)
