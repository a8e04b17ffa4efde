"""Which images the provider accepts."""

import io

import pillow_heif
import pytest
from PIL import Image

from local.provider_simulator.contract import Refusal
from local.provider_simulator.image_check import MAX_IMAGE_BYTES, ImageChecker

from .image_host import ImageHost
from .pictures import encoded, textured_picture
from .provider_caller import ProviderCaller

PICTURE = textured_picture(120, 80)


def _heic() -> bytes:
    file = io.BytesIO()
    pillow_heif.from_pillow(PICTURE).save(file)
    return file.getvalue()


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_the_three_documented_formats_are_recognised_by_their_bytes(images: ImageHost, kind: str) -> None:
    url = images.host("picture.txt", encoded(PICTURE, kind))

    facts = ImageChecker().fetch(url).facts

    assert (facts.format, facts.width, facts.height) == (kind, 120, 80)


def test_a_phone_picture_with_a_second_one_inside_is_a_jpeg(images: ImageHost) -> None:
    content = encoded(PICTURE, "MPO", save_all=True, append_images=[PICTURE.rotate(180)])

    assert ImageChecker().fetch(images.host("phone.jpg", content)).facts.format == "JPEG"


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_width_and_height_are_those_of_the_stored_picture(images: ImageHost, kind: str) -> None:
    turned = Image.Exif()
    turned[0x0112] = 6

    facts = ImageChecker().fetch(images.host("turned", encoded(PICTURE, kind, exif=turned))).facts

    assert (facts.width, facts.height) == (120, 80)


@pytest.mark.parametrize(
    "content",
    [
        encoded(PICTURE, "GIF"),
        encoded(PICTURE, "TIFF"),
        encoded(PICTURE, "BMP"),
        encoded(PICTURE, "AVIF"),
        encoded(PICTURE, "JPEG2000"),
        _heic(),
        b"hello",
        encoded(PICTURE)[:-1000],
        encoded(PICTURE, "PNG")[:2000],
        encoded(PICTURE, "WEBP")[:-200],
        b"\xff\xd8\xff<html>not a picture</html>",
        b"",
    ],
    ids=[
        "gif",
        "tiff",
        "bmp",
        "avif",
        "jpeg 2000",
        "heic",
        "text",
        "cut jpeg",
        "cut png",
        "cut webp",
        "html in disguise",
        "nothing",
    ],
)
def test_anything_but_a_whole_image_of_these_formats_is_refused(images: ImageHost, content: bytes) -> None:
    with pytest.raises(Refusal, match="not a whole JPEG, PNG or WebP"):
        ImageChecker().fetch(images.host("broken", content))


def test_ten_million_bytes_are_accepted_and_one_more_is_refused(images: ImageHost) -> None:
    # Bytes after the end of a JPEG's picture are no part of it, and harmless.
    content = encoded(PICTURE).ljust(MAX_IMAGE_BYTES, b"\0")

    assert ImageChecker().fetch(images.host("largest", content)).facts.bytes == 10_000_000
    with pytest.raises(Refusal, match="over 10000000 bytes"):
        ImageChecker().fetch(images.host("too-large", content + b"\0"))


@pytest.mark.parametrize("fault", ["missing", "forbidden", "no host"])
def test_an_unreachable_image_is_refused_without_its_query(images: ImageHost, fault: str) -> None:
    url = {
        "missing": f"{images.base_url}/not-there.png",
        "forbidden": images.host("forbidden.png", b"", status=403),
        "no host": "http://127.0.0.1:1/cat.png",
    }[fault]

    with pytest.raises(Refusal) as refused:
        ImageChecker().fetch(f"{url}?X-Amz-Signature=secret")

    assert (refused.value.status, refused.value.code) == (400, "image_unreachable")
    assert "secret" not in refused.value.message


def test_a_host_that_does_not_answer_times_out(images: ImageHost, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("local.provider_simulator.image_check._QUIET_SECONDS", 0.1)
    url = images.host("slow.png", encoded(PICTURE, "PNG"), pause_seconds=0.5)

    with pytest.raises(Refusal, match="could not be fetched: ReadTimeout"):
        ImageChecker().fetch(url)


def test_over_http_a_refused_image_is_a_400(provider: ProviderCaller, images: ImageHost) -> None:
    answer = provider.submit(image_url=images.host("text.png", b"hello"))

    assert answer.status_code == 400
    assert answer.json()["error"]["code"] == "image_unreadable"
