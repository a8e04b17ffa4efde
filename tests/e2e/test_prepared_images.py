"""Pictures that the provider would not take, or might show wrongly: prepared on the way, and right in the MP4 that comes out.

Each picture has four quarters of one colour each, so that a corner of the video says whether it is turned, mirrored or in
wrong colours. The provider simulator shows the stored pixels, whatever Exif or a colour profile says.
"""

import hashlib
import io
import json
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import av
import numpy
import pillow_heif
import pytest
from PIL import Image, ImageCms, ImageColor

from dropreel.domain.images import ImageRef, Prepared, PrepareReason
from dropreel.domain.job import Charge, EventType, Job, JobStatus, job_id_of
from dropreel_cli.following import Following
from tests.e2e.conftest import Account
from tests.support.pictures import chunk, png_header

PLACE = "prepared"
MAX_BYTES = 10_000_000
MAX_PIXELS = 100_000_000
CORNERS = {(0, 0): "red", (1, 0): "lime", (0, 1): "blue", (1, 1): "yellow"}
"""Column and row of each quarter of a picture as it is to be seen, and its colour."""
LANDSCAPE, PORTRAIT = (1920, 1080), (1080, 1920)
TOLERANCE = 24
"""How far a colour may be off after a JPEG and an H.264 video. Another profile or a lost channel is further off."""
TO_STORED = {6: Image.Transpose.ROTATE_90, 8: Image.Transpose.ROTATE_270}
"""How a camera's pixels are turned against what is seen, for an Exif orientation."""
XMP = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"/>'


@dataclass(frozen=True)
class Picture:
    """A file, how it is named in the job, and why it is prepared; without a reason it is submitted as it is."""

    make: Callable[[], bytes]
    format: str
    reasons: frozenset[PrepareReason] = frozenset()
    size: tuple[int, int] = LANDSCAPE
    prepared_as: str = "JPEG"


def _quarters(size: tuple[int, int] = LANDSCAPE, mode: str = "RGB") -> Image.Image:
    width, height = size
    picture = Image.new(mode, size)
    for (column, row), colour in CORNERS.items():
        left, top = column * width // 2, row * height // 2
        picture.paste(ImageColor.getcolor(colour, mode), (left, top, left + width // 2, top + height // 2))
    return picture


def _saved(picture: Image.Image, kind: str, **how: Any) -> bytes:
    file = io.BytesIO()
    picture.save(file, kind, **how)
    return file.getvalue()


def _exif(orientation: int) -> bytes:
    """Return a phone's Exif block: maker, orientation, place."""
    exif = Image.Exif()
    exif[0x010F], exif[0x0112] = "Phone maker", orientation
    place = exif.get_ifd(0x8825)
    place[1], place[2] = "N", (52.0, 31.0, 12.0)
    return exif.tobytes()


def _turned_jpeg(orientation: int) -> bytes:
    stored = _quarters(PORTRAIT).transpose(TO_STORED[orientation])
    return _saved(stored, "JPEG", quality=95, exif=_exif(orientation), xmp=XMP, comment=b"from my garden")


def _turned_heic() -> bytes:
    """Return a portrait HEIC as a phone writes it: landscape pixels, and `irot` in the container."""
    stored, file = _quarters(PORTRAIT).transpose(TO_STORED[6]), io.BytesIO()
    pillow_heif.from_pillow(stored).save(file, quality=90, exif=_exif(6))
    content = file.getvalue()
    assert b"irot" in content
    return content


@cache
def _heic() -> bytes:
    file = io.BytesIO()
    pillow_heif.from_pillow(_quarters()).save(file, quality=90)
    return file.getvalue()


@cache
def _display_p3() -> bytes:
    """Return a profile with the primaries of Display P3, adapted to D50, and the tone curve of sRGB."""
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    primaries = {
        b"rXYZ": (0.51512, 0.24120, -0.00105),
        b"gXYZ": (0.29198, 0.69225, 0.04189),
        b"bXYZ": (0.15710, 0.06657, 0.78407),
    }
    for number in range(struct.unpack_from(">I", profile, 128)[0]):
        tag, offset, _ = struct.unpack_from(">4sII", profile, 132 + 12 * number)
        if tag in primaries:
            struct.pack_into(">3i", profile, offset + 8, *(round(65_536 * value) for value in primaries[tag]))
    return bytes(profile)


def _wide_gamut_jpeg() -> bytes:
    profile = _display_p3()
    numbers = ImageCms.profileToProfile(
        _quarters(), ImageCms.createProfile("sRGB"), ImageCms.ImageCmsProfile(io.BytesIO(profile))
    )
    assert numbers is not None
    green = numbers.getpixel((LANDSCAPE[0] - 100, 100))
    assert isinstance(green, tuple)
    assert green[0] > 2 * TOLERANCE  # green of sRGB is no pure green here: shown as it is stored, it is far off
    return _saved(numbers, "JPEG", quality=95, icc_profile=profile)


def _sixteen_bit_png() -> bytes:
    """Pillow writes no PNG of three channels of 16 bits."""
    samples = (numpy.asarray(_quarters()).astype("u2") * 257).astype(">u2")
    rows = numpy.pad(samples.reshape(LANDSCAPE[1], -1).view("uint8"), ((0, 0), (1, 0)))
    header = struct.pack(">IIBBBBB", *LANDSCAPE, 16, 2, 0, 0, 0)
    chunks = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows.tobytes(), 1)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + chunks


def _animation(kind: str, **how: Any) -> bytes:
    other = Image.new("RGB", LANDSCAPE, "black")
    return _saved(_quarters(), kind, save_all=True, append_images=[other], duration=200, **how)


def _large_jpeg() -> bytes:
    """Return a JPEG of more than 10,000,000 bytes: noise between its corners."""
    width, height = 4000, 2250
    pixels = numpy.array(_quarters((width, height)))
    noise = numpy.random.default_rng(16).integers(0, 256, pixels.shape, numpy.uint8)
    across, down = slice(width // 4, width * 3 // 4), slice(height // 4, height * 3 // 4)
    pixels[down], pixels[:, across] = noise[down], noise[:, across]
    content = _saved(Image.fromarray(pixels), "JPEG", quality=98, subsampling=0)
    assert len(content) > MAX_BYTES
    return content


def _see_through(kind: str, **how: Any) -> bytes:
    """Return a picture with a hole in its middle."""
    picture = _quarters(mode="RGBA")
    picture.paste((0, 0, 0, 0), (880, 460, 1040, 620))
    return _saved(picture, kind, **how)


_R = PrepareReason
GOOD: dict[str, Picture] = {
    "upright.jpg": Picture(lambda: _saved(_quarters(), "JPEG", quality=95, exif=_exif(1)), "JPEG"),
    "see-through.png": Picture(lambda: _see_through("PNG"), "PNG"),
    "IMG_0001.HEIC": Picture(_turned_heic, "HEIC", frozenset({_R.FORMAT}), PORTRAIT),
    "a HEIC by another name.jpg": Picture(_heic, "HEIC", frozenset({_R.FORMAT})),
    "turned to the right.jpg": Picture(lambda: _turned_jpeg(6), "JPEG", frozenset({_R.ORIENTATION}), PORTRAIT),
    "turned to the left.jpg": Picture(lambda: _turned_jpeg(8), "JPEG", frozenset({_R.ORIENTATION}), PORTRAIT),
    "display-p3.jpg": Picture(_wide_gamut_jpeg, "JPEG", frozenset({_R.COLOR_PROFILE})),
    "print.jpg": Picture(lambda: _saved(_quarters().convert("CMYK"), "JPEG", quality=95), "JPEG", frozenset({_R.CMYK})),
    "deep.png": Picture(_sixteen_bit_png, "PNG", frozenset({_R.BIT_DEPTH})),
    "web.avif": Picture(lambda: _saved(_quarters(), "AVIF", speed=10), "AVIF", frozenset({_R.FORMAT})),
    "scan.tif": Picture(
        lambda: _saved(_quarters(), "TIFF", compression="tiff_lzw"), "TIFF", frozenset({_R.FORMAT})
    ),
    "scan with a hole.tif": Picture(
        lambda: _see_through("TIFF", compression="tiff_lzw"), "TIFF", frozenset({_R.FORMAT}), prepared_as="PNG"
    ),
    "paint.bmp": Picture(lambda: _saved(_quarters(), "BMP"), "BMP", frozenset({_R.FORMAT})),
    "loop.gif": Picture(lambda: _animation("GIF"), "GIF", frozenset({_R.FORMAT})),
    "loop.webp": Picture(lambda: _animation("WEBP", lossless=True, quality=0), "WebP", frozenset({_R.ANIMATED})),
    "heavy.jpg": Picture(_large_jpeg, "JPEG", frozenset({_R.SIZE}), (4000, 2250)),
    "huge.jpg": Picture(
        lambda: _saved(_quarters((13_344, 7_506)), "JPEG"), "JPEG", frozenset({_R.PIXELS}), (13_344, 7_506)
    ),
}  # fmt: skip
PREPARED = [name for name, picture in GOOD.items() if picture.reasons]
UNTOUCHED = [name for name, picture in GOOD.items() if not picture.reasons]
BAD: dict[str, tuple[Callable[[], bytes], set[str]]] = {
    "cut.heic": (lambda: _heic()[: len(_heic()) // 2], {"image_truncated", "image_damaged"}),
    "bomb.png": (lambda: png_header(60_000, 60_000), {"image_too_many_pixels"}),
    "text.heic": (lambda: b"milk, bread, eggs\n" * 100, {"image_format"}),
}


@dataclass(frozen=True)
class Dropped:
    """The SHA-256 of every file that was dropped, and its job once it has ended, by name."""

    sha256: dict[str, str]
    jobs: dict[str, Job]

    def prepared(self, name: str) -> Prepared:
        """Return what was prepared of the picture with this name."""
        job = self.jobs[name]
        assert job.status is JobStatus.COMPLETED, job.reason
        assert job.image.prepared is not None, job.image
        return job.image.prepared


@pytest.fixture(scope="module")
def dropped(account: Account) -> Dropped:
    """Drop all pictures at once, and wait once."""
    s3, refs, sha256 = account.client("s3"), [], {}
    for name, make in {
        **{name: one.make for name, one in GOOD.items()},
        **{name: one for name, (one, _) in BAD.items()},
    }.items():
        content, key = make(), f"{PLACE}/{name}"
        sha256[name] = hashlib.sha256(content).hexdigest()
        answer = s3.put_object(Bucket=account.uploads, Key=key, Body=content)
        refs.append(ImageRef(account.uploads, key, answer["VersionId"]))
    following = Following.of(account.stack, [job_id_of(image) for image in refs], quiet_seconds=180)
    list(following.changes())
    assert following.ended_early == ""
    jobs = {job.image.key.removeprefix(f"{PLACE}/"): job for job in following.found}
    return Dropped(sha256, jobs)


def _object(account: Account, bucket: str, key: str) -> bytes:
    content: bytes = account.client("s3").get_object(Bucket=bucket, Key=key)["Body"].read()
    return content


def _prepared_keys(account: Account, job: Job) -> list[str]:
    """Return the keys of the prepared bucket that begin with the job's id."""
    bucket = account.stack.outputs["PreparedBucketName"]
    listed = account.client("s3").list_objects_v2(Bucket=bucket, Prefix=job.job_id)
    return [one["Key"] for one in listed.get("Contents", [])]


def _fetched(account: Account, key: str) -> list[str]:
    """Return the SHA-256 of what the provider fetched under this key, for each paid submission."""
    return [one["image"]["sha256"] for one in account.submitted(key) if one["paid"]]


@pytest.mark.parametrize("name", PREPARED)
def test_a_picture_is_prepared_for_its_reasons(dropped: Dropped, name: str) -> None:
    picture, job, prepared = GOOD[name], dropped.jobs[name], dropped.prepared(name)
    reasons = set(prepared.reasons)

    assert picture.reasons <= reasons
    # A file of another format can have more reasons: a GIF with several pictures is animated, too.
    assert PrepareReason.FORMAT in reasons or reasons == picture.reasons
    assert (job.image.format, (job.image.width, job.image.height)) == (picture.format, picture.size)
    assert job.image.sha256 == dropped.sha256[name]


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")  # from 89 million pixels on
@pytest.mark.parametrize("name", PREPARED)
def test_the_prepared_object_is_what_the_job_says_without_metadata(
    account: Account, dropped: Dropped, name: str
) -> None:
    picture, job, prepared = GOOD[name], dropped.jobs[name], dropped.prepared(name)
    ending = {"JPEG": "jpg", "PNG": "png"}[picture.prepared_as]

    content = _object(account, prepared.bucket, prepared.key)

    assert (prepared.bucket, prepared.key) == (account.stack.outputs["PreparedBucketName"], f"{job.job_id}.{ending}")
    assert (len(content), hashlib.sha256(content).hexdigest()) == (prepared.size, prepared.sha256)
    with Image.open(io.BytesIO(content)) as opened:
        assert opened.format == prepared.format == picture.prepared_as
        assert opened.mode == {"JPEG": "RGB", "PNG": "RGBA"}[picture.prepared_as]
        assert opened.size == (prepared.width, prepared.height)
        assert dict(opened.getexif()) == {}
        assert {"exif", "xmp", "comment"} & opened.info.keys() == set()
    assert b"Exif\0\0" not in content
    assert b"Phone maker" not in content
    assert XMP not in content


@pytest.mark.parametrize("name", PREPARED)
def test_a_picture_is_scaled_only_as_far_as_it_must_be(dropped: Dropped, name: str) -> None:
    (width, height), prepared = GOOD[name].size, dropped.prepared(name)

    assert prepared.size <= MAX_BYTES
    assert prepared.width * prepared.height <= MAX_PIXELS
    assert prepared.width / prepared.height == pytest.approx(width / height, rel=0.01)
    if not {PrepareReason.SIZE, PrepareReason.PIXELS} & set(prepared.reasons):
        assert (prepared.width, prepared.height) == (width, height)


@pytest.mark.parametrize("name", PREPARED)
def test_the_provider_is_paid_once_for_the_prepared_picture(account: Account, dropped: Dropped, name: str) -> None:
    job, prepared = dropped.jobs[name], dropped.prepared(name)

    assert _fetched(account, prepared.key) == [prepared.sha256]
    assert account.submitted(job.image.key) == []


@pytest.mark.parametrize("name", GOOD)
def test_the_video_shows_the_picture_upright_in_its_colours(account: Account, dropped: Dropped, name: str) -> None:
    job = dropped.jobs[name]
    assert job.video is not None, job.reason

    with av.open(io.BytesIO(_object(account, job.video.bucket, job.video.key))) as container:
        frame = next(container.decode(video=0)).to_ndarray(format="rgb24")

    portrait = GOOD[name].size == PORTRAIT
    height, width = frame.shape[:2]
    assert (width, height) == ((360, 640) if portrait else (640, 360))
    assert job.options is not None
    assert job.options.aspect_ratio == ("9:16" if portrait else "16:9")
    for (column, row), colour in CORNERS.items():
        x, y = width * (1 + 6 * column) // 8, height * (1 + 6 * row) // 8
        shown = frame[y - 8 : y + 8, x - 8 : x + 8].reshape(-1, 3).mean(axis=0)
        assert shown == pytest.approx(ImageColor.getrgb(colour), abs=TOLERANCE), (column, row)


@pytest.mark.parametrize("name", PREPARED)
def test_the_event_and_the_receipt_say_what_was_prepared(account: Account, dropped: Dropped, name: str) -> None:
    job, prepared = dropped.jobs[name], dropped.prepared(name)
    assert job.video is not None
    expected = json.loads(json.dumps(prepared._asdict()))

    event = account.tail.wait_for(job.image.key, EventType.COMPLETED)
    receipt = json.loads(_object(account, job.video.bucket, job.video.receipt_key))

    assert list(expected) == ["bucket", "key", "reasons", "format", "size", "width", "height", "sha256"]
    assert event["detail"]["data"]["image"]["prepared"] == expected
    assert receipt["image"]["prepared"] == expected
    assert receipt["image"]["sha256"] == dropped.sha256[name]


@pytest.mark.parametrize("name", [*GOOD, *BAD])
def test_the_original_stays_as_it_is(account: Account, dropped: Dropped, name: str) -> None:
    key = f"{PLACE}/{name}"

    listed = account.client("s3").list_object_versions(Bucket=account.uploads, Prefix=key)

    assert [(one["Key"], one["VersionId"]) for one in listed["Versions"]] == [
        (key, dropped.jobs[name].image.version_id)
    ]
    assert hashlib.sha256(_object(account, account.uploads, key)).hexdigest() == dropped.sha256[name]


@pytest.mark.parametrize("name", UNTOUCHED)
def test_a_picture_that_is_right_goes_as_it_is(account: Account, dropped: Dropped, name: str) -> None:
    job = dropped.jobs[name]
    assert job.video is not None, job.reason

    event = account.tail.wait_for(job.image.key, EventType.COMPLETED)
    receipt = json.loads(_object(account, job.video.bucket, job.video.receipt_key))

    assert job.image.prepared is None
    assert "prepared" not in event["detail"]["data"]["image"]
    assert "prepared" not in receipt["image"]
    assert _prepared_keys(account, job) == []
    assert _fetched(account, job.image.key) == [dropped.sha256[name]]


@pytest.mark.parametrize("name", BAD)
def test_a_bad_picture_is_rejected_and_costs_nothing(account: Account, dropped: Dropped, name: str) -> None:
    job = dropped.jobs[name]

    assert (job.status, job.charge) == (JobStatus.REJECTED, Charge.NONE)
    assert job.reason is not None
    assert job.reason.code in BAD[name][1]
    assert job.reason.message
    event = account.tail.wait_for(job.image.key, EventType.REJECTED)
    assert event["detail"]["data"]["reason"]["code"] == job.reason.code
    assert _prepared_keys(account, job) == []
    for key in (job.image.key, f"{job.job_id}.jpg", f"{job.job_id}.png"):
        assert account.submitted(key) == []
