"""The MP4: codecs, duration, shape, sound, motion and quality, as a decoder finds them."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy
import pytest
from PIL import Image, ImageCms, ImageColor

from local.provider_simulator.camera import CameraMotion
from local.provider_simulator.generations import Pace
from local.provider_simulator.rendering import RenderingStopped, VideoPlan, render_video, widest_view
from local.provider_simulator.simulator import Simulator

from .decoded_video import DecodedVideo, decode, motion_of, signal_to_noise, widest_crop
from .pictures import encoded, textured_picture

SOURCE = textured_picture()
FRAME_SECONDS = 1 / 24


HQ = VideoPlan("hq", "16:9", 5, False, CameraMotion.PAN_RIGHT, 0.5)
CASES = [
    (VideoPlan("fast", "16:9", 5, True, CameraMotion.ZOOM_IN, 0.5), (640, 360), 1.35),
    (VideoPlan("fast", "9:16", 5, False, CameraMotion.ZOOM_OUT, 0.0), (360, 640), 1.25),
    (VideoPlan("fast", "1:1", 10, True, CameraMotion.PAN_LEFT, 1.0), (480, 480), 1.45),
    (VideoPlan("fast", "16:9", 5, False, CameraMotion.PAN_RIGHT, 0.5), (640, 360), 1.35),
    (VideoPlan("fast", "9:16", 5, True, CameraMotion.PAN_UP, 0.5), (360, 640), 1.35),
    (VideoPlan("fast", "1:1", 5, False, CameraMotion.PAN_DOWN, 0.0), (480, 480), 1.25),
]

Rendered = Callable[[VideoPlan], bytes]


@pytest.fixture(scope="module")
def rendered(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rendered]:
    """The video of the source for each plan of this file; two are rendered at a time."""
    directory = tmp_path_factory.mktemp("videos")
    source = encoded(SOURCE, quality=95)

    def make(number: int, plan: VideoPlan) -> bytes:
        destination = directory / f"{number}.mp4"
        render_video(source, plan, destination, threading.Event())
        return destination.read_bytes()

    with ThreadPoolExecutor(2) as pool:
        plans = [HQ, *(plan for plan, _, _ in CASES)]
        videos = {plan: pool.submit(make, number, plan) for number, plan in enumerate(plans)}
        yield lambda plan: videos[plan].result()


@pytest.mark.parametrize(("plan", "size", "zoom"), CASES, ids=[plan.motion for plan, _, _ in CASES])
def test_a_video_has_the_requested_motion_shape_sound_and_duration(
    rendered: Rendered, plan: VideoPlan, size: tuple[int, int], zoom: float
) -> None:
    video = decode(rendered(plan))

    assert video.codecs == (["h264", "aac"] if plan.sound else ["h264"])
    assert (video.loudest > 0.02) == plan.sound
    assert (video.pixel_format, video.size, video.frame_count) == ("yuv420p", size, 24 * plan.seconds)
    assert video.durations == pytest.approx([plan.seconds] * len(video.durations), abs=FRAME_SECONDS)
    assert motion_of(video, SOURCE) == (plan.motion, zoom)


def test_fewer_frames_a_second_keep_duration_shape_sound_and_motion() -> None:
    plan = VideoPlan("fast", "9:16", 5, True, CameraMotion.PAN_LEFT, 0.5)

    with closing(Simulator("key", Pace(), frames_per_second=4)) as simulator:
        file = simulator.videos.video(encoded(SOURCE, quality=95), "sha256", plan).result(timeout=60)
        video = decode(file.read_bytes())

    assert (video.codecs, video.size, video.frame_count) == (["h264", "aac"], (360, 640), 20)
    assert video.durations == pytest.approx([5] * len(video.durations), abs=FRAME_SECONDS)
    assert video.loudest > 0.02
    assert motion_of(video, SOURCE) == (plan.motion, 1.35)


def test_hq_has_more_pixels_and_is_nearer_to_the_source_than_fast(rendered: Rendered) -> None:
    fast, hq = decode(rendered(replace(HQ, mode="fast"))), decode(rendered(HQ))

    assert (fast.size, hq.size) == ((640, 360), (1280, 720))
    assert _fidelity(hq) > _fidelity(fast) + 2


def _fidelity(video: DecodedVideo) -> float:
    """The signal-to-noise ratio of the last frame to the source, both at the larger size."""
    width, height = 1600 / 1.35, 900 / 1.35
    box = (1600 - width, 600 - height / 2, 1600, 600 + height / 2)
    expected = SOURCE.resize((1280, 720), Image.Resampling.LANCZOS, box=box)
    return signal_to_noise(video.last.resize((1280, 720), Image.Resampling.BICUBIC), expected)


def test_a_player_can_start_before_the_whole_file_is_there(rendered: Rendered) -> None:
    content = rendered(CASES[0][0])

    assert content[4:8] == b"ftyp"
    assert 0 < content.index(b"moov") < content.index(b"mdat")


def test_rendering_stops_at_the_next_frame(tmp_path: Path) -> None:
    stop = threading.Event()
    stop.set()

    plan = VideoPlan("hq", "16:9", 10, True, CameraMotion.ZOOM_IN, 0.5)

    with pytest.raises(RenderingStopped):
        render_video(encoded(SOURCE), plan, tmp_path / "video.mp4", stop)


@pytest.mark.parametrize("size", [(640, 360), (360, 640), (480, 480)])
def test_the_picture_fills_the_shape_from_its_middle(size: tuple[int, int]) -> None:
    picture = textured_picture(800, 600)

    seen = widest_view(encoded(picture, "PNG", compress_level=1), size)

    assert seen.size == size
    assert signal_to_noise(seen, widest_crop(picture, size)) > 35


@pytest.mark.parametrize("orientation", range(2, 9))
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_the_picture_is_shown_as_stored_whatever_its_exif_says(kind: str, orientation: int) -> None:
    corners = {(0, 0): "red", (200, 0): "lime", (0, 200): "blue", (200, 200): "white"}
    stored = Image.new("RGB", (400, 400))
    for place, colour in corners.items():
        stored.paste(colour, (*place, place[0] + 200, place[1] + 200))
    turned = Image.Exif()
    turned[0x0112] = orientation

    seen = widest_view(encoded(stored, kind, quality=95, exif=turned), (400, 400))

    for (left, top), colour in corners.items():
        shown = numpy.asarray(seen.getpixel((left + 100, top + 100)), numpy.float64)
        assert shown == pytest.approx(ImageColor.getrgb(colour), abs=6), (left, top)


def test_a_wide_picture_stays_wide_whatever_its_exif_says() -> None:
    wide = textured_picture(800, 450)
    turned = Image.Exif()
    turned[0x0112] = 6

    seen = widest_view(encoded(wide, quality=95, exif=turned), (640, 360))

    assert signal_to_noise(seen, widest_crop(wide, (640, 360))) > 30


def test_stored_numbers_are_shown_as_if_they_were_srgb() -> None:
    """A colour profile does not count. This one swaps red and blue, so that a picture that it counts for is not red."""
    swapped = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    swapped = swapped.replace(b"rXYZ", b"????").replace(b"bXYZ", b"rXYZ").replace(b"????", b"bXYZ")
    red = Image.new("RGB", (64, 64), (200, 30, 40))

    seen = widest_view(encoded(red, "PNG", icc_profile=swapped), (64, 64))

    assert seen.getcolors() == [(64 * 64, (200, 30, 40))]


@pytest.mark.parametrize("mode", ["P", "LA", "L", "1", "RGBA", "I;16"])
def test_a_png_of_any_mode_is_shown_in_its_own_tones(mode: str) -> None:
    ramp = Image.linear_gradient("L")
    sixteen_bits = Image.fromarray(numpy.asarray(ramp).astype(numpy.uint16) * 257)
    odd = sixteen_bits if mode == "I;16" else ramp.convert(mode)

    seen = numpy.asarray(widest_view(encoded(odd, "PNG"), (256, 256)), numpy.float64)

    assert seen.shape == (256, 256, 3)
    assert seen[:32].mean() < 40
    assert 100 < seen[112:144].mean() < 155
    assert seen[-32:].mean() > 215


def test_a_cmyk_jpeg_keeps_its_colours() -> None:
    seen = widest_view(encoded(Image.new("RGB", (64, 64), (250, 10, 10)).convert("CMYK")), (64, 64))

    red, green, blue = numpy.asarray(seen, numpy.float64).mean(axis=(0, 1))
    assert red > 200
    assert max(green, blue) < 60


def test_what_is_transparent_is_shown_white() -> None:
    see_through = Image.new("RGBA", (64, 64), (0, 0, 0, 0))

    assert numpy.asarray(widest_view(encoded(see_through, "PNG"), (64, 64))).min() == 255


@pytest.mark.parametrize("kind", ["PNG", "WEBP"])
def test_the_first_picture_of_an_animation_is_used(kind: str) -> None:
    first, second = Image.new("RGB", (64, 64), "red"), Image.new("RGB", (64, 64), "blue")

    seen = widest_view(encoded(first, kind, save_all=True, append_images=[second]), (64, 64))

    assert numpy.asarray(seen)[:, :, 0].min() > 200


def test_a_picture_of_one_pixel_fills_the_shape_too() -> None:
    seen = widest_view(encoded(Image.new("RGB", (1, 1), "green"), "PNG"), (864, 486))

    assert seen.size == (864, 486)
    assert seen.getcolors() == [(864 * 486, (0, 128, 0))]
