"""The images in the installed packages, whole and damaged, compared with Pillow."""

import io
import random
import sysconfig
import warnings
from functools import cache
from pathlib import Path

import pytest
from PIL import Image, ImageFile, ImageOps

from dropreel.domain.image_facts import ImageFacts
from dropreel.domain.reasons import Reason
from dropreel.media.images.reader import MAX_PIXELS, inspect_image
from dropreel.provider.limits import MAX_IMAGE_BYTES
from tests.faults.fuzz_images import changed

PACKAGES = Path(sysconfig.get_path("purelib"))
ENDINGS = {".jpg", ".jpeg", ".png", ".webp"}
FORMATS = {"JPEG": "JPEG", "MPO": "JPEG", "PNG": "PNG", "WEBP": "WebP"}
ENOUGH = 20
CUTS = (0.02, 0.1, 0.3, 0.5, 0.7, 0.9, 0.99)
"""The part of each file that is kept."""
HEADER_BYTES = 64
DAMAGES = 40
"""Random damages tried on each file."""

CORPUS = [str(path.relative_to(PACKAGES)) for path in sorted(PACKAGES.rglob("*")) if path.suffix.lower() in ENDINGS]


@cache
def content_of(name: str) -> bytes:
    return (PACKAGES / name).read_bytes()


def opened_by_pillow(content: bytes) -> tuple[str, tuple[int, int]] | None:
    """Format and stored size, None where Pillow cannot open the file or it is of another format."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            with Image.open(io.BytesIO(content)) as image:
                return (FORMATS[image.format], image.size) if image.format in FORMATS else None
        except Exception:  # Pillow raises whatever its plug-ins raise
            return None


def verified_by_pillow(content: bytes) -> tuple[str, tuple[int, int]] | None:
    """Format and stored size, None where Pillow's `open` or `verify` refuses the file or it is of another format."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            with Image.open(io.BytesIO(content)) as image:
                found = (FORMATS[image.format], image.size) if image.format in FORMATS else None
                image.verify()
                return found
        except Exception:  # Pillow raises whatever its plug-ins raise
            return None


def shown_by_pillow(content: bytes) -> tuple[str, tuple[int, int]] | None:
    """Format and displayed size, None where Pillow cannot decode the whole image."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            with Image.open(io.BytesIO(content)) as image:
                image.load()
                return FORMATS[image.format or ""], ImageOps.exif_transpose(image).size
        except Exception:  # Pillow raises whatever its plug-ins raise
            return None


@pytest.fixture(autouse=True)
def _strict_pillow(monkeypatch):
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", False)


def test_there_are_images_to_compare():
    assert len(CORPUS) >= ENOUGH, (
        f"only {len(CORPUS)} images come with the installed packages, {ENOUGH} are wanted: "
        "add a package that ships images to requirements/dev.in"
    )


@pytest.mark.parametrize("name", CORPUS)
def test_a_whole_image_has_the_facts_that_pillow_reads(name):
    content = content_of(name)
    expected = shown_by_pillow(content)
    if expected is None or len(content) > MAX_IMAGE_BYTES or expected[1][0] * expected[1][1] > MAX_PIXELS:
        pytest.skip("not a whole image within the limits")

    facts = inspect_image(content)

    assert isinstance(facts, ImageFacts), facts
    assert (facts.format, (facts.width, facts.height), facts.size) == (*expected, len(content))


@pytest.mark.parametrize("name", CORPUS)
def test_a_cut_image_is_refused(name):
    content = content_of(name)

    accepted = [part for part in CUTS if isinstance(inspect_image(content[: int(part * len(content))]), ImageFacts)]

    assert accepted == []


@pytest.mark.parametrize("name", CORPUS)
def test_a_header_that_pillow_cannot_open_is_refused(name):
    content = content_of(name)

    for at in range(min(HEADER_BYTES, len(content))):
        damaged = content[:at] + bytes([content[at] ^ 0xFF]) + content[at + 1 :]
        found = inspect_image(damaged)
        if isinstance(found, ImageFacts):
            assert opened_by_pillow(damaged) is not None, f"byte {at} is damaged, and the file is read as {found}"


@pytest.mark.parametrize("name", CORPUS)
def test_an_accepted_damaged_header_has_the_size_that_pillow_reads(name):
    content = content_of(name)

    for at in range(min(HEADER_BYTES, len(content))):
        damaged = content[:at] + bytes([content[at] ^ 0x01]) + content[at + 1 :]
        found, expected = inspect_image(damaged), shown_by_pillow(damaged)
        if isinstance(found, ImageFacts) and expected is not None:
            # A damaged Exif block may be read as any orientation, so width and height may be swapped.
            assert (found.format, {found.width, found.height}) == (expected[0], {*expected[1]}), f"byte {at} is damaged"


@pytest.mark.parametrize("name", CORPUS)
def test_text_before_an_image_is_refused(name):
    found = inspect_image(b"From: a mail program\n\n" + content_of(name))

    assert isinstance(found, Reason)
    assert found.code == "image_format"


@pytest.mark.parametrize("name", CORPUS)
def test_a_damaged_image_that_pillow_accepts_too_is_read_the_same(name):
    content = content_of(name)
    chance = random.Random(name)

    for _ in range(DAMAGES):
        damaged = changed(content, chance)
        found, expected = inspect_image(damaged), verified_by_pillow(damaged)
        if isinstance(found, ImageFacts) and expected is not None:
            assert (found.format, {found.width, found.height}) == (expected[0], {*expected[1]})
