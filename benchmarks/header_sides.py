"""The sides of the headers benchmark, each run as a process: `python -m benchmarks.header_sides SIDE BASE_URL FILE`.

FILE holds the images' names as JSON. Both sides fetch with the same client over one kept connection.
"""

import json
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from urllib3 import HTTPConnectionPool, connection_from_url


@dataclass
class RemoteImage:
    """One image behind HTTP. It counts the requests for it, and the bytes of its body that came."""

    pool: HTTPConnectionPool
    path: str
    requests: int = 0
    bytes_read: int = 0
    _size: int | None = None

    @property
    def size(self) -> int:
        """Its whole length in bytes, asked for once."""
        if self._size is None:
            self.requests += 1
            self._size = int(self.pool.request("HEAD", self.path).headers["Content-Length"])
        return self._size

    def read(self, offset: int, length: int) -> bytes:
        """Return the bytes from `offset`, at most `length`."""
        return self._got({"Range": f"bytes={offset}-{offset + length - 1}"})

    def whole(self) -> bytes:
        """Return all of it."""
        return self._got({})

    def _got(self, headers: dict[str, str]) -> bytes:
        self.requests += 1
        body = self.pool.request("GET", self.path, headers=headers).data
        self.bytes_read += len(body)
        return body


Verdict = tuple[str, list[int]] | None
"""Format and the two sides in pixels, the shorter first; None for what is refused."""


def ours() -> Callable[[RemoteImage], Verdict]:
    """Return our check: ranged reads of what tells."""
    from dropreel.images import ImageFacts, inspect_image

    def check(image: RemoteImage) -> Verdict:
        found = inspect_image(image)
        return (found.format, sorted((found.width, found.height))) if isinstance(found, ImageFacts) else None

    return check


def pillow() -> Callable[[RemoteImage], Verdict]:
    """Return Pillow's: all of the file, `Image.open` and `verify`."""
    import io
    import warnings

    from PIL import Image

    warnings.simplefilter("ignore")
    formats = {"JPEG": "JPEG", "MPO": "JPEG", "PNG": "PNG", "WEBP": "WebP"}
    Image.preinit()  # its plug-ins are loaded before the clock runs, as ours are

    def check(image: RemoteImage) -> Verdict:
        try:
            with Image.open(io.BytesIO(image.whole())) as opened:
                opened.verify()
                return (formats[opened.format], sorted(opened.size)) if opened.format in formats else None
        except Exception:  # Pillow raises whatever its plug-ins raise
            return None

    return check


def main() -> None:
    """Check every image once for warmth and once for the clock; print seconds, requests, bytes and verdicts as JSON."""
    side, base_url, file = sys.argv[1:]
    names = json.loads(Path(file).read_text(encoding="utf-8"))
    check = {"ours": ours, "pillow": pillow}[side]()
    with connection_from_url(base_url) as pool:
        _checked(pool, names, check)
        seconds, images = _checked(pool, names, check)
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
    pool: HTTPConnectionPool, names: list[str], check: Callable[[RemoteImage], Verdict]
) -> tuple[float, list[dict[str, Any]]]:
    found = []
    started = time.perf_counter()
    for name in names:
        image = RemoteImage(pool, f"/files/{name}")
        verdict = check(image)
        found.append({"requests": image.requests, "bytes": image.bytes_read, "verdict": verdict})
    return time.perf_counter() - started, found


if __name__ == "__main__":
    main()
