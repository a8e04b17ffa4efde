"""The sides of the headers benchmark, each run as a process: `python -m benchmarks.header_sides SIDE BASE_URL FILE`.

FILE holds the images' names and sizes as JSON: S3's events tell both. Both sides fetch with the same client over one kept
connection.
"""

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


@dataclass
class RemoteImage:
    """One image behind HTTP, `told_size` bytes long. It counts the requests for it, and the bytes of its body that came."""

    pool: HTTPConnectionPool
    path: str
    told_size: int
    requests: int = 0
    bytes_read: int = 0

    def get_object(self, **asked: str) -> dict[str, Any]:
        """Answer as an S3 client does: all of it, or a range."""
        self.requests += 1
        answer = self.pool.request("GET", self.path, headers={"Range": asked["Range"]} if "Range" in asked else {})
        self.bytes_read += len(answer.data)
        return {
            "Body": io.BytesIO(answer.data),
            "ContentRange": answer.headers.get("Content-Range"),
            "ETag": "",
            "Metadata": {},
        }


Verdict = tuple[str, list[int]] | None
"""Format and the two sides in pixels, the shorter first; None for what is refused."""


def ours() -> Callable[[RemoteImage], Verdict]:
    """Return our check: the image is looked up as the function does, then ranges are read of what tells."""
    from dropreel.adapters.image_bucket import ImageBucket, StoredImage
    from dropreel.images import ImageFacts, inspect_image
    from dropreel.jobs import ImageRef

    def check(image: RemoteImage) -> Verdict:
        stored = ImageBucket(cast("S3Client", image)).find(ImageRef("images", image.path, None), image.told_size)
        assert isinstance(stored, StoredImage)  # noqa: S101  # it is there
        found = inspect_image(stored)
        return (found.format, sorted((found.width, found.height))) if isinstance(found, ImageFacts) else None

    return check


def pillow() -> Callable[[RemoteImage], Verdict]:
    """Return Pillow's: all of the file, `Image.open` and `verify`."""
    import warnings

    from PIL import Image

    warnings.simplefilter("ignore")
    formats = {"JPEG": "JPEG", "MPO": "JPEG", "PNG": "PNG", "WEBP": "WebP"}
    Image.preinit()  # its plug-ins are loaded before the clock runs, as ours are

    def check(image: RemoteImage) -> Verdict:
        try:
            with Image.open(image.get_object()["Body"]) as opened:
                opened.verify()
                return (formats[opened.format], sorted(opened.size)) if opened.format in formats else None
        except Exception:  # Pillow raises whatever its plug-ins raise
            return None

    return check


def main() -> None:
    """Check every image once for warmth and once for the clock; print seconds, requests, bytes and verdicts as JSON."""
    side, base_url, file = sys.argv[1:]
    sizes = json.loads(Path(file).read_text(encoding="utf-8"))
    check = {"ours": ours, "pillow": pillow}[side]()
    with connection_from_url(base_url) as pool:
        _checked(pool, sizes, check)
        seconds, images = _checked(pool, sizes, check)
    sys.stdout.write(
        json.dumps(
            {
                "seconds": seconds,
                "requests": [image["requests"] for image in images],
                "bytes": [image["bytes"] for image in images],
                "verdicts": [image["verdict"] for image in images],
            }
        )
    )


def _checked(
    pool: HTTPConnectionPool, sizes: dict[str, int], check: Callable[[RemoteImage], Verdict]
) -> tuple[float, list[dict[str, Any]]]:
    found = []
    started = time.perf_counter()
    for name, size in sizes.items():
        image = RemoteImage(pool, f"/files/{name}", size)
        verdict = check(image)
        found.append({"requests": image.requests, "bytes": image.bytes_read, "verdict": verdict})
    return time.perf_counter() - started, found


if __name__ == "__main__":
    main()
