"""Limits that are checked in a file's headers, before a decoder has used memory or time for it."""

from mmap import ACCESS_READ, mmap
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Literal, cast

from PIL import ImageFile

from dropreel.domain.reasons import ReasonCode
from dropreel.media.images.jpeg import JpegMetadata, read_metadata
from dropreel.media.images.parsed_image import UnreadableImage, damaged, truncated
from dropreel.media.images.preparation import MAX_ORIGINAL_PIXELS

if TYPE_CHECKING:
    from PIL.TiffImagePlugin import TiffImageFile

MAX_SIDE = 100_000
"""The most pixels in each direction: a limit of ours. One row of a picture is held several times."""
MAX_DECODER_BYTES = 2_200_000_000
"""The most memory that a decoder and the decoded picture are given, by the estimate of each format."""
MAX_BUFFERED_BYTES = {
    "JPEG": 300_000_000,
    "WebP": 300_000_000,
    "HEIC": 300_000_000,
    "AVIF": 300_000_000,
    "GIF": 100_000_000,
}
"""The largest file of a format whose decoder may hold all of it in memory, or goes over it block by block in Python."""
MAX_METADATA_BYTES = 200_000_000
"""The most bytes beside a picture's pixels in a PNG or TIFF. Layers that an editor keeps in a TIFF count."""
MAX_NUMBERS = 1_000_000
"""The longest list of numbers in a TIFF, and the most chunks of a PNG. 200 megapixels have up to 100,000 of each."""
MAX_STRIP_BYTES = 700_000_000
"""The most bytes of one decoded strip or tile of a TIFF: libtiff holds it beside the picture."""
MAX_SCANS = 100
"""The most scans of a JPEG: each goes over the whole picture. Progressive ones have about 10."""
WEBP_BYTES_A_PIXEL = 16
"""Two canvases of the decoder, its copy as bytes, and the picture."""
MAX_RLE_PIXELS = 25_000_000
"""The most pixels of a run-length encoded BMP, which Pillow decodes in Python."""
MAX_RLE_BYTES, MAX_RLE_BYTES_A_PIXEL = 1_000_000, 4
"""The most bytes of it: so many, and so many more for each pixel. A pixel of its own takes two."""

_BITS, _NEW_SUBFILE_TYPE, _SAMPLES, _ROWS_PER_STRIP = 258, 254, 277, 278
_TILE_WIDTH, _TILE_LENGTH, _SUB_IFDS, _DNG_VERSION = 322, 323, 330, 0xC612
_REDUCED = 1
_STRIPS = ((273, 279), (324, 325))
"""The tags of the strips' and of the tiles' places and lengths."""
_TIFF_WIDTHS = (1, 1, 1, 2, 4, 8, 1, 1, 2, 4, 8, 4, 8, 4, 1, 1, 8, 8, 8)
"""Bytes of a value of each TIFF type, by number."""
_TIFF_BYTES = (1, 2, 6, 7)
"""The TIFF types that are bytes or text."""


def check_file(name: str, path: Path) -> None:
    """Raise UnreadableImage where decoding would need too much memory for what is beside the pixels."""
    size = path.stat().st_size
    most = MAX_BUFFERED_BYTES.get(name, size)
    if size > most:
        raise UnreadableImage(
            ReasonCode.IMAGE_TOO_LARGE,
            f"The {name} has {size:,} bytes; at most {most:,} are taken of its kind.",
        )
    with path.open("rb") as file:
        if name == "PNG":
            _check_chunks(file, size)
        elif name == "TIFF":
            _check_directory(file, size)
        elif name == "WebP":
            _check_webp(file.read(30), size)


def check_jpeg(path: Path) -> JpegMetadata:
    """Return what a JPEG says beside its pixels. Raises UnreadableImage where it has too many segments or scans."""
    with path.open("rb") as file, mmap(file.fileno(), 0, access=ACCESS_READ) as content:
        metadata = read_metadata(content)
    if metadata.scans > MAX_SCANS:
        raise damaged("JPEG", f"it has {metadata.scans:,} scans; at most {MAX_SCANS} are taken")
    return metadata


def check_size(name: str, size: tuple[int, int], decoder_bytes: float) -> None:
    """Raise UnreadableImage where the picture has too many pixels. `decoder_bytes` are those that decoding takes a pixel."""
    width, height = size
    if width < 1 or height < 1:
        raise damaged(name, f"its header says {width} x {height} pixels")
    most = min(MAX_ORIGINAL_PIXELS, int(MAX_DECODER_BYTES / decoder_bytes))
    if width * height > most:
        raise _too_many_pixels(name, size, f"{most:,} in all")
    if max(width, height) > MAX_SIDE:
        raise _too_many_pixels(name, size, f"{MAX_SIDE:,} in each direction")


def check_picture(name: str, path: Path, image: ImageFile.ImageFile) -> None:
    """Raise UnreadableImage for an opened picture that would take too much time or memory, or is none that is taken."""
    if name == "BMP" and image.tile[0].codec_name != "raw":
        _check_run_lengths(path, image)
    if name == "TIFF":
        _check_tiff(path, cast("TiffImageFile", image))
    if image.mode in ("I", "F"):
        raise UnreadableImage(
            ReasonCode.IMAGE_FORMAT, f"The {name} has 32 bits a sample, or signed samples; 1 to 16 bits are taken."
        )


def _check_run_lengths(path: Path, image: ImageFile.ImageFile) -> None:
    """Raise UnreadableImage for a run-length encoded BMP that takes too long: Pillow decodes it in Python."""
    pixels, size = image.width * image.height, path.stat().st_size
    if pixels > MAX_RLE_PIXELS:
        raise _too_many_pixels("run-length encoded BMP", image.size, f"{MAX_RLE_PIXELS:,} in all")
    if size > MAX_RLE_BYTES + MAX_RLE_BYTES_A_PIXEL * pixels:
        raise damaged("BMP", f"it has {size:,} bytes for {pixels:,} pixels")


def _too_many_pixels(kind: str, size: tuple[int, int], most: str) -> UnreadableImage:
    return UnreadableImage(
        ReasonCode.IMAGE_TOO_MANY_PIXELS,
        f"The {kind} has {size[0]} x {size[1]} pixels; at most {most} are taken of its kind.",
    )


def _check_webp(head: bytes, size: int) -> None:
    """Raise UnreadableImage for a WebP that is cut or too large: its decoder has canvases from the moment it is opened."""
    end = 8 + int.from_bytes(head[4:8], "little")
    if end > size:
        raise truncated("WebP", f"its header gives {end:,} bytes, the file has {size:,}")
    if head[12:16] == b"VP8X":
        width, height = 1 + int.from_bytes(head[24:27], "little"), 1 + int.from_bytes(head[27:30], "little")
    elif head[12:16] == b"VP8L":
        bits = int.from_bytes(head[21:25], "little")
        width, height = (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    else:
        width, height = int.from_bytes(head[26:28], "little") & 0x3FFF, int.from_bytes(head[28:30], "little") & 0x3FFF
    check_size("WebP", (width, height), WEBP_BYTES_A_PIXEL)


def _check_chunks(file: BinaryIO, size: int) -> None:
    """Raise UnreadableImage where the chunks of a PNG beside its pixels are too large."""
    position, beside, chunks = 8, 0, 0
    while position + 8 <= size:
        chunks += 1
        if chunks > MAX_NUMBERS:
            raise damaged("PNG", f"it has more than {MAX_NUMBERS:,} chunks")
        file.seek(position)
        header = file.read(8)
        length = int.from_bytes(header[:4], "big")
        if position + 12 + length > size:  # Pillow would ask for as much memory as the chunk says
            raise truncated("PNG", f"the chunk at byte {position:,} has {length:,} bytes, the file has {size:,}")
        if header[4:] not in (b"IDAT", b"fdAT"):
            beside += length
        if header[4:] == b"IEND":
            break
        position += 12 + length
    if beside > MAX_METADATA_BYTES:
        raise _too_much_metadata("PNG", beside)


def _check_directory(file: BinaryIO, size: int) -> None:
    """Raise UnreadableImage where the first directory of a TIFF has too large values: Pillow reads all of them."""
    header = file.read(16)
    order: Literal["little", "big"] = "little" if header.startswith(b"II") else "big"
    big = 43 in header[2:4]
    at = int.from_bytes(header[8:16] if big else header[4:8], order)
    if at >= size:
        raise truncated("TIFF", f"its directory is at byte {at:,}, the file has {size:,}")
    count_width, entry_width, length_width = (8, 20, 8) if big else (2, 12, 4)
    file.seek(at)
    count = int.from_bytes(file.read(count_width), order)
    if count > 65_535:
        raise damaged("TIFF", f"its directory has {count:,} entries")
    directory = file.read(count * entry_width)
    beside = 0
    for start in range(0, len(directory) - entry_width + 1, entry_width):
        kind = int.from_bytes(directory[start + 2 : start + 4], order)
        length = int.from_bytes(directory[start + 4 : start + 4 + length_width], order)
        if kind not in _TIFF_BYTES and length > MAX_NUMBERS:
            raise damaged("TIFF", f"one of its values is a list of {length:,} numbers")
        beside += length * (_TIFF_WIDTHS[kind] if kind < len(_TIFF_WIDTHS) else 1)
    if beside > MAX_METADATA_BYTES:
        raise _too_much_metadata("TIFF", beside)


def _too_much_metadata(name: str, length: int) -> UnreadableImage:
    return UnreadableImage(
        ReasonCode.IMAGE_TOO_LARGE,
        f"The {name} has {length:,} bytes beside its picture; at most {MAX_METADATA_BYTES:,} are taken.",
    )


def _check_tiff(path: Path, image: "TiffImageFile") -> None:
    """Raise UnreadableImage for a camera's raw file, whose first page is only a preview, and for too large strips."""
    tags = image.tag_v2
    with path.open("rb") as file:
        is_canon = file.read(10)[8:] == b"CR"
    is_preview = tags.get(_NEW_SUBFILE_TYPE) == _REDUCED and _SUB_IFDS in tags
    if _DNG_VERSION in tags or is_canon or is_preview:
        raise UnreadableImage(
            ReasonCode.IMAGE_FORMAT,
            "The file is a camera's raw file, of which only a small preview can be read; export it as a JPG or TIFF.",
        )
    _check_strips(path, image)
    if _TILE_WIDTH in tags:
        pixels = _number(tags.get(_TILE_WIDTH)) * _number(tags.get(_TILE_LENGTH))
    else:
        width, height = image.size
        pixels = width * height if _ROWS_PER_STRIP not in tags else max(width, height) * _number(tags[_ROWS_PER_STRIP])
        pixels = min(pixels, width * height)
    bits = tags.get(_BITS, (1,))
    sample_bits = max(bits) if isinstance(bits, tuple) else _number(bits)
    strip = pixels * sample_bits * _number(tags.get(_SAMPLES, 1)) // 8
    if image.use_load_libtiff and strip > MAX_STRIP_BYTES:
        raise UnreadableImage(
            ReasonCode.IMAGE_TOO_MANY_PIXELS,
            f"The TIFF has a strip or tile of {strip:,} bytes; at most {MAX_STRIP_BYTES:,} are taken.",
        )


def _check_strips(path: Path, image: "TiffImageFile") -> None:
    """Raise UnreadableImage where a strip or tile ends outside of the file: libtiff would only say that it cannot read it."""
    size = path.stat().st_size
    for starts, lengths in _STRIPS:
        pairs = zip(_numbers(image.tag_v2.get(starts)), _numbers(image.tag_v2.get(lengths)), strict=False)
        end = max((start + length for start, length in pairs), default=0)
        if end > size:
            raise truncated("TIFF", f"its picture ends at byte {end:,}, the file has {size:,}")


def _numbers(value: object) -> tuple[int, ...]:
    return value if isinstance(value, tuple) else (value,) if isinstance(value, int) else ()


def _number(value: object) -> int:
    return value if isinstance(value, int) else 0
