"""The sides of the headers benchmark, each run as a process: `python -m benchmarks.header_sides SIDE BASE_URL FILE`.

FILE holds the images' names and sizes as JSON: S3's events tell both. Both sides fetch with the same client over one kept
connection. The clock counts processor time of the check alone, from bytes in memory; that of the SHA-256 is a figure of its own.
"""

import datetime
import io
import json
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from urllib3 import HTTPConnectionPool, connection_from_url

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

Verdict = list[Any] | None
"""Format, and width and height in pixels as displayed; None for what is refused."""


@dataclass
class RemoteImage:
    """One image behind HTTP, `told_size` bytes long. It counts the requests for it, and the bytes of its body that came."""

    pool: HTTPConnectionPool
    path: str
    told_size: int
    requests: int = 0
    bytes_read: int = 0

    def get_object(self, **_asked: str) -> dict[str, Any]:
        """Answer as an S3 client does."""
        self.requests += 1
        answer = self.pool.request("GET", self.path)
        self.bytes_read += len(answer.data)
        return {
            "Body": io.BytesIO(answer.data),
            "ContentLength": int(answer.headers["Content-Length"]),
            "ETag": "",
            "LastModified": datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC),
            "Metadata": {},
        }


class Ours:
    """Our check: the image is looked up as the function does."""

    def __init__(self) -> None:
        from dropreel.adapters.image_bucket import ImageBucket
        from dropreel.domain.job import ImageRef
        from dropreel.media.images.reader import inspect_image

        self._bucket, self._ref, self._inspect = ImageBucket, ImageRef, inspect_image

    def fetch(self, image: RemoteImage) -> bytes:
        """Return the image's bytes."""
        stored = self._bucket(cast("S3Client", image)).find(self._ref("images", image.path, None), image.told_size)
        return stored.content  # type: ignore[union-attr,return-value]  # it is there, and not too large

    def check(self, content: bytes) -> Any:
        """Do what is measured."""
        return self._inspect(content)

    def verdict(self, _content: bytes, found: Any) -> Verdict:
        """Say what was found."""
        return [found.format, found.width, found.height] if hasattr(found, "format") else None


class Pillow:
    """Pillow's: `Image.open` and `verify`."""

    def __init__(self) -> None:
        import warnings

        from PIL import Image, ImageOps

        warnings.simplefilter("ignore")
        Image.preinit()  # its plug-ins are loaded before the clock runs, as ours are
        self._image, self._operations = Image, ImageOps

    def fetch(self, image: RemoteImage) -> bytes:
        """Return the image's bytes."""
        return cast("bytes", image.get_object()["Body"].read())

    def check(self, content: bytes) -> Any:
        """Do what is measured."""
        try:
            with self._image.open(io.BytesIO(content)) as opened:
                opened.verify()
                return opened.format
        except Exception:  # Pillow raises whatever its plug-ins raise
            return None

    def verdict(self, content: bytes, found: Any) -> Verdict:
        """Say what was found. The size as displayed takes Pillow more than `verify`, which no clock counts."""
        name = {"JPEG": "JPEG", "MPO": "JPEG", "PNG": "PNG", "WEBP": "WebP"}.get(found)
        if name is None:
            return None
        with self._image.open(io.BytesIO(content)) as opened:
            return [name, *self._operations.exif_transpose(opened).size]


def main() -> None:
    """Check every image once for warmth and once for the clock; print seconds, requests, bytes and verdicts as JSON."""
    side, base_url, file = sys.argv[1:]
    sizes = json.loads(Path(file).read_text(encoding="utf-8"))
    checker = Ours() if side == "ours" else Pillow()
    with connection_from_url(base_url) as pool:
        images = [_checked(RemoteImage(pool, f"/files/{name}", size), checker) for name, size in sizes.items()]
    sys.stdout.write(json.dumps({name: [image[name] for image in images] for name in images[0]}))


def _checked(image: RemoteImage, checker: Ours | Pillow) -> dict[str, Any]:
    content = checker.fetch(image)
    checker.check(content)
    seconds, found = _timed(lambda: checker.check(content))
    return {
        "seconds": seconds,
        "hash_seconds": _timed(lambda: _hashed(content))[0],
        "requests": image.requests,
        "bytes": image.bytes_read,
        "verdicts": checker.verdict(content, found),
    }


def _hashed(content: bytes) -> str:
    import hashlib

    return hashlib.sha256(content).hexdigest()


def _timed(work: Callable[[], Any]) -> tuple[float, Any]:
    """Return the seconds of processor time that something takes, and what it returns."""
    started = time.process_time()
    found = work()
    return time.process_time() - started, found


if __name__ == "__main__":
    main()
