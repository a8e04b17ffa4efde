"""Photographs of any size in each format, made of the sample."""

import io
from pathlib import Path
from typing import Any

from PIL import Image

from tests.support.heic_grid import box, encode_tile, grid_heic
from tests.support.icc_profiles import PROFILES
from tests.support.pictures import exif

ROOT = Path(__file__).resolve().parents[2]
_OPTIONS: dict[str, dict[str, Any]] = {
    "JPEG": {"quality": 93}, "PNG": {"compress_level": 1}, "WebP": {"lossless": True, "quality": 0, "method": 0},
    "AVIF": {"speed": 10, "quality": 70}, "TIFF": {"compression": "tiff_lzw"}, "BMP": {}, "GIF": {},
}  # fmt: skip


def photograph(name: str, size: tuple[int, int]) -> bytes:
    """Return a photograph of this size; JPEG and HEIC as a phone writes them: on its side, in Display P3."""
    sample = Image.open(ROOT / "local" / "sample.jpg")
    profile = PROFILES["Display P3"]
    if name == "HEIC":
        tiles = [encode_tile(sample.crop((x, 300, x + 512, 812))) for x in range(0, 2048, 512)]
        return grid_heic(tiles, *size, [box(b"colr", b"prof", profile), box(b"irot", b"\3")])
    options = _OPTIONS[name] | ({"exif": exif(6), "icc_profile": profile} if name == "JPEG" else {})
    written = io.BytesIO()
    part = sample.resize((size[0] // 4, size[1] // 4))
    whole = Image.new("RGB", size)
    for x in range(4):
        for y in range(4):
            whole.paste(part.transpose(Image.Transpose((x + y) % 2)), (x * part.width, y * part.height))
    whole.save(written, name, **options)
    return written.getvalue()
