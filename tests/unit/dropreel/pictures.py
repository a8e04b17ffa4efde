"""Picture files made by Pillow, and the odd ones that Pillow does not make."""

import io
import struct
import zlib
from functools import cache
from typing import Any

import numpy
from PIL import Image, ImageOps

ORIENTATION = 0x0112


def picture(width: int = 60, height: int = 40, mode: str = "RGB") -> Image.Image:
    """A picture that is not the same everywhere, so that its file is not trivially short."""
    across = Image.linear_gradient("L").resize((width, height))
    down = Image.linear_gradient("L").rotate(90).resize((width, height))
    return Image.merge("RGB", (across, down, across.transpose(Image.Transpose.FLIP_TOP_BOTTOM))).convert(mode)


def encoded(image: Image.Image, kind: str, **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def exif(orientation: int, byte_order: str = "<") -> bytes:
    """An Exif block with a camera's name before the orientation, as cameras write it."""
    data = Image.Exif()
    data.endian = byte_order
    data[0x010F] = "A camera's maker"
    data[ORIENTATION] = orientation
    return data.tobytes()


def displayed_size(content: bytes) -> tuple[int, int]:
    """The size that Pillow shows the picture in."""
    with Image.open(io.BytesIO(content)) as opened:
        return ImageOps.exif_transpose(opened).size


@cache
def jpeg(orientation: int = 0, **options: Any) -> bytes:
    extra = {"exif": exif(orientation)} if orientation else {}
    return encoded(picture(), "JPEG", **extra, **options)


@cache
def png(mode: str = "RGB", **options: Any) -> bytes:
    return encoded(picture(mode=mode), "PNG", **options)


@cache
def webp(**options: Any) -> bytes:
    return encoded(picture(), "WEBP", **options)


@cache
def animated(kind: str, **options: Any) -> bytes:
    frames = [picture(mode="RGB").rotate(angle) for angle in (0, 90, 180)]
    return encoded(frames[0], kind, save_all=True, append_images=frames[1:], duration=100, **options)


def segment(marker: int, payload: bytes) -> bytes:
    """One JPEG segment."""
    return bytes([0xFF, marker]) + struct.pack(">H", len(payload) + 2) + payload


def with_segments(content: bytes, *segments: bytes) -> bytes:
    """The JPEG with these segments right behind its start."""
    return content[:2] + b"".join(segments) + content[2:]


def chunk(kind: bytes, payload: bytes) -> bytes:
    """One PNG chunk."""
    return struct.pack(">I", len(payload)) + kind + payload + struct.pack(">I", zlib.crc32(kind + payload))


def with_chunks(content: bytes, *chunks: bytes) -> bytes:
    """The PNG with these chunks right behind its header."""
    return content[:33] + b"".join(chunks) + content[33:]


def png_header(width: int, height: int, depth: int = 8, colour: int = 2, rest: bytes = b"\0\0\0") -> bytes:
    """A PNG that says it has this size, with no real picture in it."""
    header = chunk(b"IHDR", struct.pack(">IIBB", width, height, depth, colour) + rest)
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


ADAM7 = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))
"""Each pass of an interlaced PNG: its first column and row, and the steps from one to the next."""


def interlaced(image: Image.Image) -> bytes:
    """The picture as an interlaced PNG of 8 bits a sample, which Pillow reads and does not write."""
    colour = {"L": 0, "RGB": 2, "LA": 4, "RGBA": 6}[image.mode]
    bands = len(image.getbands())
    rows = [image.crop((0, y, image.width, y + 1)).tobytes() for y in range(image.height)]
    data = bytearray()
    for left, top, across, down in ADAM7:
        if left >= image.width:
            continue
        for row in rows[top::down]:
            pixels = [row[at * bands : (at + 1) * bands] for at in range(left, image.width, across)]
            data += b"\0" + b"".join(pixels)
    header = struct.pack(">IIBB", image.width, image.height, 8, colour) + b"\0\0\1"
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(data, 1)) + chunk(b"IEND", b"")


@cache
def photograph(width: int = 2400, height: int = 1600, grain: float = 8.0) -> Image.Image:
    """A picture that takes as many bytes as a camera's: shapes and shades with the grain of a sensor over them.

    A JPEG of quality 90 takes about 0.3 bytes a pixel. Each call gives the same picture: copy it before changing it.
    """
    noise = numpy.random.default_rng(width)
    coarse = Image.fromarray(noise.integers(0, 256, (height // 60, width // 60, 3), dtype=numpy.uint8))
    smooth = numpy.asarray(coarse.resize((width, height), Image.Resampling.BICUBIC), dtype=numpy.float32)
    grained = smooth + noise.normal(0, grain, (height, width, 3)).astype(numpy.float32)
    return Image.fromarray(grained.clip(0, 255).astype(numpy.uint8))


def riff_chunk(kind: bytes, payload: bytes) -> bytes:
    """One WebP chunk, padded to an even length."""
    return kind + struct.pack("<I", len(payload)) + payload + b"\0" * (len(payload) & 1)


def riff(*chunks: bytes) -> bytes:
    """A WebP of these chunks."""
    body = b"WEBP" + b"".join(chunks)
    return b"RIFF" + struct.pack("<I", len(body)) + body


def vp8x(flags: int, width: int, height: int) -> bytes:
    """The chunk that starts an extended WebP."""
    return riff_chunk(
        b"VP8X", bytes([flags, 0, 0, 0]) + (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    )
