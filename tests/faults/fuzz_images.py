"""Change valid images at random for a while: `python -m tests.faults.fuzz_images [seconds] [seed]`.

Needs `PYTHONPATH=layers/dropreel`. It ends with an error at the first image that raises or takes too long, and
leaves that image in `fuzz-failure.bin`.
"""

import random
import sys
import sysconfig
import time
from dataclasses import replace
from pathlib import Path

from dropreel.domain.image_facts import ImageFacts
from dropreel.media.images.preparation import HEAD_BYTES, classify_image
from dropreel.media.images.reader import MAX_PIXELS, inspect_image
from tests.support.icc_profiles import PROFILES
from tests.support.pictures import adobe_rgb, animated, exif, jpeg, png, segment, webp, with_segments

LONGEST_WALK = 1.0
"""Seconds."""
LARGEST_SEED = 20_000
"""Bytes."""


def seeds() -> list[bytes]:
    """Images of every kind, and those that come with the installed packages."""
    own = [
        jpeg(orientation=6),
        jpeg(progressive=True),
        png(exif=exif(5)),
        png("P"),
        animated("PNG"),
        webp(exif=exif(8)),
        *(write(icc_profile=profile) for write in (jpeg, png, webp) for profile in PROFILES.values()),
        with_segments(jpeg(), segment(0xE1, b"Exif\0\0" + adobe_rgb())),
    ]
    packages = Path(sysconfig.get_path("purelib"))
    found = [path for ending in ("jpg", "png", "webp") for path in packages.rglob(f"*.{ending}")]
    small = [path.read_bytes() for path in found if path.stat().st_size <= LARGEST_SEED]
    return [*own, webp(lossless=True), animated("WEBP"), *small]


def changed(content: bytes, chance: random.Random) -> bytes:
    """The content with a few bytes set, put in, left out or repeated, mostly near its start."""
    data = bytearray(content)
    for _ in range(chance.randint(1, 8)):
        at = chance.randrange(min(len(data), chance.choice([64, 700, len(data)])) or 1)
        length = chance.choice([1, 2, 4, 40])
        match chance.randrange(4):
            case 0:
                data[at : at + length] = chance.randbytes(length)
            case 1:
                data[at:at] = chance.randbytes(length)
            case 2:
                del data[at : at + length]
            case 3:
                data[at:at] = data[at : at + length] * chance.choice([2, 100, 10_000])
    return bytes(data)


def check(content: bytes) -> None:
    """Inspect and classify one image and hold the modules' promises against it."""
    start = time.process_time()
    found = inspect_image(content)
    assert time.process_time() - start < LONGEST_WALK, "it took too long"
    start = time.process_time()
    classified = classify_image(content, content[:HEAD_BYTES], len(content))
    assert time.process_time() - start < LONGEST_WALK, "it took too long"
    if isinstance(found, ImageFacts):
        assert isinstance(classified, ImageFacts)
        assert replace(classified, prepare_for=()) == found
        assert 0 < found.width * found.height <= MAX_PIXELS
        assert 1 <= found.orientation <= 8
    else:
        assert found.code.startswith("image_")
        assert found.message.isprintable()


def main(seconds: float, seed: int) -> None:
    """Check changed images until the time is over."""
    chance, files, end, count = random.Random(seed), seeds(), time.monotonic() + seconds, 0
    while time.monotonic() < end:
        content = changed(chance.choice(files), chance)
        try:
            check(content)
        except BaseException:
            Path("fuzz-failure.bin").write_bytes(content)
            raise
        count += 1
    sys.stdout.write(f"{count:,} images from {len(files)} files, nothing found\n")


if __name__ == "__main__":
    main(float(sys.argv[1]) if len(sys.argv) > 1 else 60, int(sys.argv[2]) if len(sys.argv) > 2 else 1)
