"""Pictures made to harm: bombs, files that are cut, and files with changed bytes."""

import errno
import struct
import subprocess
import sys
import time
import tracemalloc
import zlib
from pathlib import Path

import pytest
from PIL import ImageFile, PngImagePlugin

from dropreel.adapters.imaging import prepare_picture
from dropreel.adapters.imaging.checks import MAX_BUFFERED_BYTES
from dropreel.domain.reasons import ReasonCode
from tests.support.heic_grid import encode_tile, grid_heic
from tests.support.pictures import chunk, encoded, picture, png_header, riff, riff_chunk, segment, vp8x, with_segments
from tests.support.prepared_pictures import ORIGINALS, original, prepare, prepared, refused

ROOT = Path(__file__).resolve().parents[4]
TOO_MANY = ReasonCode.IMAGE_TOO_MANY_PIXELS


def jpeg_header(width: int, height: int) -> bytes:
    frame = struct.pack(">BHHB", 8, height, width, 3) + bytes((1, 0x22, 0, 2, 0x11, 1, 3, 0x11, 1))
    return b"\xff\xd8" + segment(0xC0, frame) + segment(0xDA, bytes((3, 1, 0, 2, 17, 3, 17, 0, 63, 0))) + bytes(64)


def bmp_header(width: int, height: int, compression: int = 0, bits: int = 24) -> bytes:
    header = struct.pack("<IiiHHIIiiII", 40, width, height, 1, bits, compression, 0, 0, 0, 0, 0)
    return b"BM" + struct.pack("<IHHI", 54 + 1024, 0, 0, 54 + 1024) + header + bytes(1024) + b"\0\1"


def tiff_header(width: int, height: int, *more: tuple[int, int, int, int], compression: int = 5) -> bytes:
    entries = [(256, 4, 1, width), (257, 4, 1, height), (258, 3, 1, 8), (259, 3, 1, compression), (262, 3, 1, 1)]
    entries += [(273, 4, 1, 8), (277, 3, 1, 1), (279, 4, 1, 8), *more]
    table = b"".join(struct.pack("<HHII", *entry) for entry in sorted(entries))
    return b"II*\0" + struct.pack("<IH", 8, len(entries)) + table + bytes(4)


def gif_header(width: int, height: int) -> bytes:
    frame = b"," + struct.pack("<4HB", 0, 0, 1, 1, 0) + b"\x02\x02D\x01\x00;"
    return b"GIF89a" + struct.pack("<HHBBB", width, height, 0x80, 0, 0) + bytes(6) + frame


def avif_header(width: int, height: int) -> bytes:
    plain = encoded(picture(), "AVIF")
    at = plain.index(b"ispe") + 8
    return plain[:at] + struct.pack(">II", width, height) + plain[at + 8 :]


def heic_header(width: int, height: int) -> bytes:
    plain = grid_heic([encode_tile(picture(512, 512))], 700, 600)
    return plain.replace(struct.pack(">II", 700, 600), struct.pack(">II", width, height))


def webp_header(width: int, height: int) -> bytes:
    return riff(vp8x(0, width, height), riff_chunk(b"VP8 ", bytes(32)))


BOMBS = {
    "JPEG": jpeg_header(20_000, 20_000),
    "PNG": png_header(20_000, 20_000),
    "PNG of one column": png_header(1, 200_000_000),
    "WebP": webp_header(16_000, 16_000),
    "WebP that its decoder holds four times": webp_header(12_000, 12_000),
    "HEIC": heic_header(30_000, 30_000),
    "AVIF": avif_header(30_000, 30_000),
    "TIFF": tiff_header(60_000, 60_000),
    "TIFF of one row": tiff_header(200_000_000, 1),
    "BMP": bmp_header(40_000, 40_000),
    "run-length encoded BMP": bmp_header(10_000, 10_000, compression=1, bits=8),
    "GIF": gif_header(60_000, 60_000),
}


@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_is_refused_by_its_header(name, tmp_path: Path):
    started = time.process_time()

    reason = refused(tmp_path, BOMBS[name])

    assert reason.code == TOO_MANY, reason
    assert "pixels" in reason.message
    assert time.process_time() - started < 1


def test_a_grid_that_claims_more_than_its_tiles_is_refused(tmp_path: Path):
    assert refused(tmp_path, heic_header(20_000, 10_000)).code == ReasonCode.IMAGE_DAMAGED


def test_a_list_of_strips_that_is_too_long_is_not_read(tmp_path: Path):
    content = tiff_header(100, 100, (324, 4, 90_000_000, 8))

    reason = refused(tmp_path, content)

    assert reason.code == ReasonCode.IMAGE_DAMAGED
    assert "90,000,000" in reason.message


def test_a_chunk_that_claims_more_than_the_file_is_not_read(tmp_path: Path):
    plain = encoded(picture(), "PNG")

    reason = refused(tmp_path, plain[:33] + struct.pack(">I", 2_000_000_000) + b"tEXt" + plain[33:])

    assert reason.code == ReasonCode.IMAGE_TRUNCATED


def test_a_heic_without_pixels_is_damaged(tmp_path: Path):
    assert refused(tmp_path, heic_header(0, 0)).code == ReasonCode.IMAGE_DAMAGED


def test_a_png_of_very_many_chunks_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("dropreel.adapters.imaging.checks.MAX_NUMBERS", 100)
    plain = encoded(picture(), "PNG")

    reason = refused(tmp_path, plain[:33] + 100 * chunk(b"tEXt", b"a\0b") + plain[33:])

    assert reason.code == ReasonCode.IMAGE_DAMAGED


LENGTH = struct.pack("<HHII", 279, 4, 1, 8)


def test_a_tiff_without_its_last_strip_is_called_cut_short(tmp_path: Path):
    content = tiff_header(100, 100, compression=1).replace(LENGTH, LENGTH[:-4] + struct.pack("<I", 10_000))

    reason = refused(tmp_path, content)

    assert reason.code == ReasonCode.IMAGE_TRUNCATED
    assert "10,0" in reason.message


def test_a_progressive_jpeg_of_very_many_scans_is_refused(tmp_path: Path):
    plain = encoded(picture(), "JPEG", progressive=True)
    scan = plain[plain.rindex(b"\xff\xda") : -2]

    reason = refused(tmp_path, plain[:-2] + 500 * scan + plain[-2:])

    assert reason.code == ReasonCode.IMAGE_DAMAGED
    assert "scans" in reason.message


@pytest.mark.parametrize(
    "after",
    [
        b"\0\0\0\x10ftypmp42\0\0\0\0" + b"\xff\xda" * 1000,
        encoded(picture(), "JPEG", progressive=True) * 20,
    ],
    ids=["a video", "other pictures"],
)
def test_scans_behind_a_progressive_jpeg_do_not_count(after, tmp_path: Path):
    plain = encoded(picture(), "JPEG", progressive=True)

    assert prepared(tmp_path, plain + after).content == prepared(tmp_path, plain).content


@pytest.mark.parametrize("payload", [b"", b"Exif\0\0zzzz"])
@pytest.mark.parametrize("marker", [0xE1, 0xE5, 0xFE])
def test_a_jpeg_of_very_many_segments_is_refused_at_once(marker, payload, tmp_path: Path):
    content = with_segments(encoded(picture(), "JPEG"), segment(marker, payload) * 400_000)

    started = time.process_time()
    reason = refused(tmp_path, content)

    assert reason.code == ReasonCode.IMAGE_DAMAGED
    assert "segments" in reason.message
    assert time.process_time() - started < 0.5


@pytest.mark.parametrize("content", [b"", encoded(picture(), "JPEG")[2:]], ids=["alone", "before a picture"])
def test_very_many_fill_bytes_of_a_jpeg_are_not_read(content, tmp_path: Path):
    started = time.process_time()
    reason = refused(tmp_path, b"\xff\xd8" + b"\xff" * 3_000_000 + content)

    assert reason.code in (ReasonCode.IMAGE_DAMAGED, ReasonCode.IMAGE_TRUNCATED)
    assert time.process_time() - started < 0.5


def test_compressed_text_that_grows_is_refused(tmp_path: Path):
    text = chunk(b"zTXt", b"Comment\0\0" + zlib.compress(bytes(80_000_000), 9))
    plain = encoded(picture(), "PNG")

    tracemalloc.start()
    reason = refused(tmp_path, plain[:33] + text + plain[33:])
    _now, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert reason.code == ReasonCode.IMAGE_DAMAGED
    assert peak < 60_000_000


def test_metadata_that_is_too_large_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("dropreel.adapters.imaging.checks.MAX_METADATA_BYTES", 1000)
    plain = encoded(picture(), "PNG")

    reason = refused(tmp_path, plain[:33] + chunk(b"tEXt", bytes(2000)) + plain[33:])

    assert reason.code == ReasonCode.IMAGE_TOO_LARGE


def test_a_file_that_its_decoder_would_hold_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(MAX_BUFFERED_BYTES, "HEIC", 1000)

    reason = refused(tmp_path, original("HEIC") + bytes(1000))

    assert reason.code == ReasonCode.IMAGE_TOO_LARGE


CUT = [name for name in ORIGINALS if name != "HEIC grid"]


@pytest.mark.parametrize("name", CUT)
def test_a_file_that_is_cut_is_refused_or_whole(name, tmp_path: Path):
    content = original(name)
    whole = prepared(tmp_path, content)
    lengths = sorted({len(content) * part // 12 for part in range(1, 12)} | {len(content) - 30})

    results = [prepare(tmp_path, content[:length]) for length in lengths]

    for result in results:
        if hasattr(result, "code"):
            assert result.code in (ReasonCode.IMAGE_TRUNCATED, ReasonCode.IMAGE_DAMAGED, ReasonCode.IMAGE_FORMAT)
        else:  # what is missing is behind the picture that is taken
            assert result.content == whole.content
    assert hasattr(results[0], "code")


@pytest.mark.parametrize("name", ["JPEG", "PNG", "WebP", "AVIF", "HEIC", "TIFF", "LZW TIFF", "BMP", "GIF"])
def test_a_picture_that_is_cut_in_half_is_called_cut_short(name, tmp_path: Path):
    content = original(name)

    reason = refused(tmp_path, content[: len(content) // 2])

    assert reason.code == ReasonCode.IMAGE_TRUNCATED
    assert "is cut short" in reason.message


@pytest.mark.parametrize("missing", [1, 100, 10_000])
def test_a_heic_grid_without_its_last_tiles_is_not_half_gray(missing, tmp_path: Path):
    content = grid_heic([encode_tile(picture(512, 512)), encode_tile(picture(512, 512), 95)], 700, 600)

    reason = refused(tmp_path, content[:-missing])

    assert reason.code == ReasonCode.IMAGE_TRUNCATED
    assert f"{len(content) - missing:,}" in reason.message


def test_a_fault_of_the_disk_is_raised(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def failing(self: ImageFile.ImageFile) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(PngImagePlugin.PngImageFile, "load", failing)

    with pytest.raises(OSError, match="Input/output"):
        prepare(tmp_path, original("PNG"))


def test_a_missing_file_is_a_fault(tmp_path: Path):
    with pytest.raises(FileNotFoundError):
        prepare_picture(tmp_path / "missing")


@pytest.mark.parametrize("error", [MemoryError(), OSError("out of memory when reading image file")])
def test_missing_memory_is_a_fault(error, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def failing(self: ImageFile.ImageFile) -> None:
        raise error

    monkeypatch.setattr(PngImagePlugin.PngImageFile, "load", failing)

    with pytest.raises(MemoryError):
        prepare(tmp_path, original("PNG"))


MUTATE = """
import random, resource, sys
from pathlib import Path
from dropreel.adapters.imaging import PreparedPicture, prepare_picture
from dropreel.domain.reasons import Reason
from tests.support.prepared_pictures import original

resource.setrlimit(resource.RLIMIT_AS, (3_000_000_000, 3_000_000_000))
path = Path(sys.argv[1])
for name in sys.argv[2:]:
    content = original(name)
    for seed in range(40):
        random.seed(seed)
        changed = bytearray(content)
        for _change in range(random.choice((1, 3, 20))):
            end = len(changed) if seed % 2 else min(len(changed), 400)
            changed[random.randrange(4, end)] = random.choice((0, 1, 127, 255, random.randrange(256)))
        print(name, seed, flush=True)
        path.write_bytes(bytes(changed))
        assert isinstance(prepare_picture(path), PreparedPicture | Reason)
print("done")
"""


def test_changed_bytes_give_a_picture_or_a_reason(tmp_path: Path):
    """In a process of its own with 3 GB of memory, so that a crash is seen."""
    names = [name for name in ORIGINALS if name not in ("MPO", "HEIC grid")]

    ran = subprocess.run(
        [sys.executable, "-c", MUTATE, tmp_path / "changed", *names],
        cwd=ROOT,
        env={"PYTHONPATH": f"{ROOT}:{ROOT / 'layers' / 'dropreel'}"},
        capture_output=True,
        text=True,
        check=False,
    )

    assert ran.stdout.splitlines()[-1:] == ["done"], (ran.returncode, ran.stdout[-100:], ran.stderr[-2000:])
