import io
import struct

import pillow_heif
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dropreel.domain.reasons import ReasonCode
from dropreel.media.images.file_kinds import name_format, refuse_format
from tests.support.pictures import encoded, jpeg, picture, png, webp, zipped


def file_type(major: bytes, *compatible: bytes) -> bytes:
    """The box that a file of this kind starts with, and the start of the next one."""
    body = b"ftyp" + major + bytes(4) + b"".join(compatible)
    return struct.pack(">I", len(body) + 4) + body + struct.pack(">I4s", 300, b"meta") + bytes(20)


def heic(mode: str = "RGB") -> bytes:
    file = io.BytesIO()
    pillow_heif.from_pillow(picture(mode=mode)).save(file)
    return file.getvalue()


def bmp(header: int, planes: int = 1, depth: int = 24) -> bytes:
    """The first bytes of a BMP with a header of this size."""
    size = bytes(4) if header == 12 else bytes(8)
    return (
        b"BM"
        + struct.pack("<III", 5000, 0, 14 + header)
        + struct.pack("<I", header)
        + size
        + struct.pack("<HH", planes, depth)
        + bytes(60)
    )


TAKEN = {
    "JPEG": [jpeg(), encoded(picture(), "MPO", save_all=True, append_images=[picture(30, 20)])],
    "PNG": [png(), png("P")],
    "WebP": [webp(), webp(lossless=True)],
    "HEIC": [
        heic(),
        heic("RGBA"),
        file_type(b"heic", b"mif1", b"heic"),
        file_type(b"heic", b"mif1", b"MiHE", b"MiPr", b"miaf", b"MiHB", b"heic", b"tmap"),
        file_type(b"mif1", b"mif1", b"heic"),
        file_type(b"mif1", b"miaf", b"MiHB", b"heix"),
        file_type(b"heix", b"mif1", b"heix"),
        file_type(b"msf1", b"hevc", b"iso8"),
        file_type(b"hevc", b"msf1", b"mp41"),
        *(file_type(brand) for brand in (b"heim", b"heis", b"hevx", b"hevm", b"hevs", b"mif2", b"mif3")),
        file_type(b"mif1"),
        file_type(b"odd1", b"heic"),
        b"\0\0\0\x01ftyp" + struct.pack(">Q", 32) + b"heic" + bytes(12),
        b"\0\0\0\0ftypheic\0\0\0\0mif1heic",
    ],
    "AVIF": [
        encoded(picture(), "AVIF"),
        file_type(b"avif", b"mif1", b"miaf", b"MA1B"),
        file_type(b"avis", b"avif", b"msf1", b"iso8", b"mif1"),
        file_type(b"mif1", b"avif", b"miaf"),
        file_type(b"msf1", b"avis", b"iso8"),
    ],
    "TIFF": [
        encoded(picture(), "TIFF"),
        encoded(picture(mode="CMYK"), "TIFF", compression="tiff_lzw"),
        encoded(picture(), "TIFF", big_tiff=True),
        b"MM\0*\0\0\0\x08" + bytes(40),
        b"MM\0+\0\x08\0\0" + bytes(40),
    ],
    "BMP": [
        *(encoded(picture(mode=mode), "BMP") for mode in ("1", "L", "P", "RGB", "RGBA")),
        *(bmp(header) for header in (12, 16, 40, 52, 56, 64, 108, 124)),
    ],
    "GIF": [encoded(picture(), "GIF"), b"GIF87a" + bytes(20), b"GIF89a" + bytes(20)],
}


@pytest.mark.parametrize(
    ("name", "content"), [(name, content) for name, contents in TAKEN.items() for content in contents]
)
def test_a_format_that_is_taken_is_named(name, content):
    assert name_format(content[:4096]) == name


VIDEO = "an MP4 or QuickTime video"
REFUSED: list[tuple[bytes, str]] = [
    (file_type(b"isom", b"iso2", b"avc1", b"mp41"), VIDEO),
    (file_type(b"mp42", b"mp42", b"isom"), VIDEO),
    (file_type(b"qt  ", b"qt  "), VIDEO),
    (file_type(b"iso5", b"hevc", b"dash"), VIDEO),
    (struct.pack(">I4s", 5000, b"moov") + bytes(20), VIDEO),
    (struct.pack(">I4s", 8, b"wide") + bytes(20), VIDEO),
    (struct.pack(">I4s", 5000, b"mdat") + bytes(20), VIDEO),
    (file_type(b"crx ", b"crx ", b"isom"), "a camera's raw file (Canon CR3)"),
    (file_type(b"crx ", b"heic", b"mif1"), "a camera's raw file (Canon CR3)"),
    (b"\0\0\0\x01ftyp" + struct.pack(">Q", 32) + b"crx \0\0\0\0heic", "a camera's raw file (Canon CR3)"),
    (b"II*\0\x10\0\0\0CR\2\0" + bytes(40), "a camera's raw file (Canon CR2)"),
    (b"II\x1a\0\0\0HEAPCCDR" + bytes(40), "a camera's raw file (Canon CRW)"),
    (b"FUJIFILMCCD-RAW 0201" + bytes(40), "a camera's raw file (Fujifilm RAF)"),
    (b"IIRO\x08\0\0\0" + bytes(40), "a camera's raw file (Olympus ORF)"),
    (b"IIRS\x08\0\0\0" + bytes(40), "a camera's raw file (Olympus ORF)"),
    (b"MMOR\0\0\0\x08" + bytes(40), "a camera's raw file (Olympus ORF)"),
    (b"IIU\0\x08\0\0\0" + bytes(40), "a camera's raw file (Panasonic RW2)"),
    (b"FOVb\0\0\2\0" + bytes(40), "a camera's raw file (Sigma X3F)"),
    (b"\0MRM" + bytes(40), "a camera's raw file (Minolta MRW)"),
    (b"\xff\x0a" + bytes(40), "a JPEG XL image"),
    (b"\0\0\0\x0cJXL \r\n\x87\n" + bytes(40), "a JPEG XL image"),
    (encoded(picture(), "JPEG2000"), "a JPEG 2000 image"),
    (b"\xffO\xffQ" + bytes(40), "a JPEG 2000 image"),
    (b"II\xbc\x01" + bytes(40), "a JPEG XR image"),
    (b"8BPS\0\1" + bytes(40), "a Photoshop document"),
    (b"v/1\x01\2\0\0\0" + bytes(40), "an OpenEXR image"),
    (b"\x1aE\xdf\xa3" + bytes(40), "a Matroska or WebM video"),
    (b"RIFF\x10\0\0\0AVI LIST" + bytes(40), "an AVI video"),
    (b"%PDF-1.7\n...", "a PDF document"),
    (zipped(), "a ZIP archive"),
    (b"\n\n  <!DOCTYPE html><html></html>", "an HTML page"),
    (b"BMW and other cars: a list\n", "text"),
    (b"BM", "text"),
    (b"The wide river\n", "text"),
    (b"GIF8 is no signature", "text"),
    (b"BM" + bytes(60), "of an unknown kind"),
    (bmp(41), "of an unknown kind"),
    (bmp(40, planes=2), "of an unknown kind"),
    (bmp(40, depth=3), "of an unknown kind"),
    (bmp(12, planes=0), "of an unknown kind"),
    (b"GIF88a" + bytes(20), "of an unknown kind"),
    (b"\n" + encoded(picture(), "TIFF"), "of an unknown kind"),
    (b"RIFF\x10\0\0\0WAVE" + bytes(40), "of an unknown kind"),
    (b"", "of an unknown kind"),
    (b"\0", "of an unknown kind"),
    (b"\xff\xd8\0", "of an unknown kind"),
]


@pytest.mark.parametrize(("content", "kind"), REFUSED)
def test_another_file_is_refused_by_its_name(content, kind):
    assert name_format(content) is None

    reason = refuse_format(content)

    assert reason.code == ReasonCode.IMAGE_FORMAT
    assert reason.message.startswith(f"The file is {kind}, not a JPG, PNG, WebP, HEIC, AVIF, TIFF, BMP or GIF image.")
    assert reason.message.endswith("Export it as a JPEG.") is ("raw file" in kind)


def test_brands_after_the_first_box_do_not_count():
    assert name_format(file_type(b"isom") + b"heicmif1" * 4) is None


@pytest.mark.parametrize("size", [0, 1, 7, 12, 0xFFFFFFFF])
def test_a_box_of_an_odd_size_names_a_format_or_none(size):
    for cut in range(40):
        head = (struct.pack(">I", size) + b"ftypmif1\0\0\0\0heic" + bytes(20))[:cut]
        assert name_format(head) in (None, "HEIC")


@given(
    st.binary(max_size=64) | st.builds(bytes.__add__, st.sampled_from([b"\0\0\0\x20ftyp", b"BM", b"II"]), st.binary())
)
def test_any_bytes_have_a_format_or_a_reason(head):
    assert name_format(head) in {None, *TAKEN}
    assert refuse_format(head).message.isprintable()
