"""Image files encoded by Pillow, and builders for what Pillow does not write."""

import io
import struct
import zipfile
import zlib
from functools import cache
from typing import Any

from PIL import Image, ImageOps

ORIENTATION = 0x0112


def picture(width: int = 60, height: int = 40, mode: str = "RGB") -> Image.Image:
    """A picture of gradients: its file is longer than that of a single colour."""
    across = Image.linear_gradient("L").resize((width, height))
    down = Image.linear_gradient("L").rotate(90).resize((width, height))
    return Image.merge("RGB", (across, down, across.transpose(Image.Transpose.FLIP_TOP_BOTTOM))).convert(mode)


def encoded(image: Image.Image, kind: str, **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def exif(orientation: int, byte_order: str = "<") -> bytes:
    """An Exif block with a maker's name before the orientation, as cameras write it."""
    data = Image.Exif()
    data.endian = byte_order
    data[0x010F] = "A camera's maker"
    data[ORIENTATION] = orientation
    return data.tobytes()


def adobe_rgb(order: str = "<", color_space: int = 0xFFFF, index: bytes = b"R03\0") -> bytes:
    """An Exif block without its prefix, as cameras write it whose pictures are in Adobe RGB, without a profile."""

    def directory(*entries: tuple[int, int, int, bytes]) -> bytes:
        listed = b"".join(struct.pack(f"{order}HHI", *entry[:3]) + entry[3].ljust(4, b"\0") for entry in entries)
        return struct.pack(f"{order}H", len(entries)) + listed + bytes(4)

    def long(value: int) -> bytes:
        return struct.pack(f"{order}I", value)

    short = struct.pack(f"{order}H", color_space)
    start = (b"II*\0" if order == "<" else b"MM\0*") + long(8)
    first = directory((0x0112, 3, 1, struct.pack(f"{order}H", 1)), (0x8769, 4, 1, long(38)))
    second = directory((0xA001, 3, 1, short), (0xA005, 4, 1, long(68)))
    return start + first + second + directory((0x0001, 2, 4, index), (0x0002, 7, 4, b"0100"))


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
    """The JPEG with these segments after its start marker."""
    return content[:2] + b"".join(segments) + content[2:]


def chunk(kind: bytes, payload: bytes) -> bytes:
    """One PNG chunk."""
    return struct.pack(">I", len(payload)) + kind + payload + struct.pack(">I", zlib.crc32(kind + payload))


def with_chunks(content: bytes, *chunks: bytes) -> bytes:
    """The PNG with these chunks after its header."""
    return content[:33] + b"".join(chunks) + content[33:]


def png_header(width: int, height: int, depth: int = 8, colour: int = 2, rest: bytes = b"\0\0\0") -> bytes:
    """A PNG whose header has this size and whose image data is empty."""
    header = chunk(b"IHDR", struct.pack(">IIBB", width, height, depth, colour) + rest)
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


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


def zipped(comment: bytes = b"") -> bytes:
    """A ZIP archive of one file."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("payload.txt", "hello " * 100)
        archive.comment = comment
    return file.getvalue()
