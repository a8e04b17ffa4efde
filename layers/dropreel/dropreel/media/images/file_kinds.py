"""Name the kind of a file from its first bytes.

Sources: each format's own document for its signature; ISO/IEC 23008-12 and the AVIF specification for brands. A brand
names the parts of a file of ISO base media boxes (ISO/IEC 14496-12).
"""

from dropreel.domain.reasons import Reason, ReasonCode

_PICTURES: tuple[tuple[bytes, str], ...] = (
    (b"GIF8", "a GIF image"),
    (b"BM", "a BMP image"),
    (b"II*\x00", "a TIFF image"),
    (b"MM\x00*", "a TIFF image"),
)
_OTHERS: tuple[tuple[bytes, str], ...] = (
    (b"%PDF", "a PDF document"),
    (b"PK\x03\x04", "a ZIP archive"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive"),
    (b"Rar!", "a RAR archive"),
    (b"MZ", "a Windows program"),
    (b"\x7fELF", "a Linux program"),
    (b"<svg", "an SVG drawing"),
    (b"<html", "an HTML page"),
    (b"<!doctype", "an HTML page"),
    (b"<script", "an HTML page"),
    (b"<?php", "a PHP program"),
    (b"<?xml", "an XML document"),
)
SIGNATURES = _PICTURES + _OTHERS
"""How a file of each kind starts, in any case of letters and after any white space."""

_EXACT: tuple[tuple[int, bytes, str], ...] = (
    (0, b"IIRO", "a camera's raw file (Olympus ORF)"),
    (0, b"IIRS", "a camera's raw file (Olympus ORF)"),
    (0, b"MMOR", "a camera's raw file (Olympus ORF)"),
    (0, b"IIU\x00", "a camera's raw file (Panasonic RW2)"),
    (0, b"FUJIFILMCCD-RAW", "a camera's raw file (Fujifilm RAF)"),
    (0, b"FOVb", "a camera's raw file (Sigma X3F)"),
    (0, b"\x00MRM", "a camera's raw file (Minolta MRW)"),
    (6, b"HEAPCCDR", "a camera's raw file (Canon CRW)"),
    (0, b"\xff\x0a", "a JPEG XL image"),
    (0, b"\x00\x00\x00\x0cJXL \r\n\x87\n", "a JPEG XL image"),
    (0, b"\x00\x00\x00\x0cjP  \r\n\x87\n", "a JPEG 2000 image"),
    (0, b"\xffO\xffQ", "a JPEG 2000 image"),
    (0, b"II\xbc\x01", "a JPEG XR image"),
    (0, b"8BPS", "a Photoshop document"),
    (0, b"v/1\x01", "an OpenEXR image"),
    (0, b"\x1aE\xdf\xa3", "a Matroska or WebM video"),
    (8, b"AVI LIST", "an AVI video"),
    (4, b"moov\x00", "an MP4 or QuickTime video"),
    (4, b"mdat\x00", "an MP4 or QuickTime video"),
    (4, b"wide\x00", "an MP4 or QuickTime video"),
)
"""More kinds that are refused: where the signature starts, and how it reads."""
_RAW_TIFF = (b"II*\x00", b"CR")
"""How a Canon CR2 starts, and what it has at byte 8. Other raw files that are TIFF inside need their directory to be read."""

_HEVC_BRANDS = frozenset({b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs"})
_AV1_BRANDS = frozenset({b"avif", b"avis"})
_HEIF_BRANDS = frozenset({b"mif1", b"mif2", b"mif3", b"msf1"})
"""Pictures or sequences of them, of a codec that another brand names."""
_STILL_BRANDS = frozenset({b"heic", b"heix", b"heim", b"heis", b"avif"})
"""No video has one of these."""
_RAW_BRAND = b"crx "

_BMP_HEADERS = frozenset({12, 16, 40, 52, 56, 64, 108, 124})
"""The sizes of BMP's header, in bytes."""
_BMP_DEPTHS = frozenset({0, 1, 2, 4, 8, 16, 24, 32, 64})


def name_format(head: bytes) -> str | None:
    """Return which of the formats that can be submitted or prepared the file has; None for any other file.

    `head`: the file's first bytes. HEIC stands for all of HEIF that is not AVIF.
    """
    if head.startswith(b"\xff\xd8\xff"):
        return "JPEG"
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return "PNG"
    if head.startswith(b"RIFF") and head[8:12] == b"WEBP":
        return "WebP"
    if head[4:8] == b"ftyp":
        return _heif_format(_brands(head))
    if head.startswith((b"II*\x00", b"MM\x00*", b"II+\x00", b"MM\x00+")):
        return None if _is_raw_tiff(head) else "TIFF"
    if head.startswith((b"GIF87a", b"GIF89a")):
        return "GIF"
    return "BMP" if _is_bmp(head) else None


def refuse_format(head: bytes) -> Reason:
    """Return the reason for refusing a file for which `name_format` returns None."""
    kind = _name_refused(head)
    advice = " Export it as a JPEG." if "raw file" in kind else ""
    return Reason(
        ReasonCode.IMAGE_FORMAT,
        f"The file is {kind}, not a JPG, PNG, WebP, HEIC, AVIF, TIFF, BMP or GIF image.{advice}",
    )


def name_kind(head: bytes) -> str:
    """Name the kind of a file that is not a JPG, PNG or WebP image, from its first 64 bytes."""
    if head[4:8] == b"ftyp":
        return "a HEIC, AVIF or MP4 file"
    return _name_by_start(head, SIGNATURES)


def _name_by_start(head: bytes, signatures: tuple[tuple[bytes, str], ...]) -> str:
    start = head.lstrip().lower()
    for signature, name in signatures:
        if start.startswith(signature.lower()):
            return name
    if head and all(byte in b"\t\n\r" or byte >= 0x20 for byte in head):
        return "text"
    return "of an unknown kind"


def _name_refused(head: bytes) -> str:
    if head[4:8] == b"ftyp":
        is_raw = _brands(head)[:1] == [_RAW_BRAND]
        return "a camera's raw file (Canon CR3)" if is_raw else "an MP4 or QuickTime video"
    if _is_raw_tiff(head):
        return "a camera's raw file (Canon CR2)"
    for at, signature, name in _EXACT:
        if head[at : at + len(signature)] == signature:
            return name
    return _name_by_start(head[:64], _OTHERS)


def _brands(head: bytes) -> list[bytes]:
    """Return the brands of a file that starts with an `ftyp` box: the major one, then the compatible ones."""
    size = int.from_bytes(head[:4], "big")
    start = 16 if size == 1 else 8  # 1: the size is in the next eight bytes
    end = min(size, len(head)) if size > start else len(head)
    return [head[start : start + 4], *(head[at : at + 4] for at in range(start + 8, end - 3, 4))]


def _heif_format(brands: list[bytes]) -> str | None:
    major = brands[0]
    if major == _RAW_BRAND:
        return None
    is_heif = any(brand in _HEIF_BRANDS for brand in brands)
    for brand in brands:
        if is_heif or brand == major or brand in _STILL_BRANDS:
            if brand in _HEVC_BRANDS:
                return "HEIC"
            if brand in _AV1_BRANDS:
                return "AVIF"
    return "HEIC" if is_heif else None


def _is_raw_tiff(head: bytes) -> bool:
    return head.startswith(_RAW_TIFF[0]) and head[8:10] == _RAW_TIFF[1]


def _is_bmp(head: bytes) -> bool:
    """Return whether the header after `BM` is one: two letters alone begin many a text."""
    header = int.from_bytes(head[14:18], "little")
    if not head.startswith(b"BM") or header not in _BMP_HEADERS:
        return False
    at = 22 if header == 12 else 26
    planes, depth = int.from_bytes(head[at : at + 2], "little"), int.from_bytes(head[at + 2 : at + 4], "little")
    return planes == 1 and depth in _BMP_DEPTHS
