"""The cache of videos: one render for each video, and no render after a reset or a shutdown."""

import hashlib
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from local.provider_simulator.camera import CameraMotion
from local.provider_simulator.rendering import RenderingStopped, VideoPlan
from local.provider_simulator.videos import VideoFile, Videos

PLAN = VideoPlan("fast", "16:9", 5, True, CameraMotion.ZOOM_IN, 0.5)


class SlowRenderer:
    """Writes a few bytes as a video once `may_end` is set, and records its calls."""

    def __init__(self) -> None:
        self.calls: list[tuple[bytes, VideoPlan]] = []
        self.started = threading.Event()
        self.may_end = threading.Event()

    def __call__(self, image: bytes, plan: VideoPlan, destination: Path, stop: threading.Event) -> None:
        self.calls.append((image, plan))
        self.started.set()
        while not self.may_end.wait(0.01):
            if stop.is_set():
                raise RenderingStopped
        destination.write_bytes(b"video of " + image)


@pytest.fixture
def renderer() -> SlowRenderer:
    return SlowRenderer()


@pytest.fixture
def videos(renderer: SlowRenderer) -> Iterator[Videos]:
    videos = Videos(renderer)
    yield videos
    videos.close()


def order(videos: Videos, image: bytes, plan: VideoPlan = PLAN) -> VideoFile:
    return videos.video(image, hashlib.sha256(image).hexdigest(), plan)


def test_the_same_video_is_rendered_once_for_many_submissions(videos: Videos, renderer: SlowRenderer) -> None:
    renderer.may_end.set()

    paths = {order(videos, b"cat").result(5) for _ in range(500)}

    assert len(renderer.calls) == len(paths) == 1
    assert paths.pop().read_bytes() == b"video of cat"


def test_another_image_or_another_plan_is_another_video(videos: Videos, renderer: SlowRenderer) -> None:
    renderer.may_end.set()
    plans = [
        PLAN,
        replace(PLAN, mode="hq"),
        replace(PLAN, aspect_ratio="1:1"),
        replace(PLAN, seconds=10),
        replace(PLAN, sound=False),
        replace(PLAN, motion=CameraMotion.PAN_UP),
        replace(PLAN, cfg_scale=0.6),
    ]

    paths = {order(videos, image, plan).result(5) for image in (b"cat", b"dog") for plan in plans}

    assert len(paths) == 2 * len(plans)


def test_with_one_for_all_images_share_the_video_of_a_plan(videos: Videos, renderer: SlowRenderer) -> None:
    renderer.may_end.set()
    own = order(videos, b"cat").result(5)

    videos.one_for_all = True
    shared = {order(videos, image).result(5) for image in (b"dog", b"eel", b"cat")}
    wide = order(videos, b"eel", replace(PLAN, aspect_ratio="1:1")).result(5)
    videos.one_for_all = False

    assert len({own, *shared, wide}) == 3
    assert order(videos, b"eel").result(5).read_bytes() == b"video of eel"


def test_only_finished_videos_stay_on_disk(videos: Videos, renderer: SlowRenderer) -> None:
    renderer.may_end.set()

    finished = order(videos, b"cat").result(5)

    assert list(finished.parent.iterdir()) == [finished]


def test_cancelling_ends_waiting_and_running_renders_only(videos: Videos, renderer: SlowRenderer) -> None:
    renderer.may_end.set()
    finished = order(videos, b"cat")
    finished.result(5)
    renderer.may_end.clear()
    renderer.started.clear()
    running, waiting = order(videos, b"dog"), order(videos, b"eel")
    assert renderer.started.wait(5)

    videos.cancel_unfinished()

    assert isinstance(running.exception(5), RenderingStopped)
    assert waiting.cancelled()
    assert order(videos, b"cat") is finished
    renderer.may_end.set()
    assert order(videos, b"dog").result(5).read_bytes() == b"video of dog"


def test_a_cancelled_render_does_not_touch_the_next_ones_files(videos: Videos, renderer: SlowRenderer) -> None:
    order(videos, b"cat")
    assert renderer.started.wait(5)

    videos.cancel_unfinished()
    again = order(videos, b"cat")
    renderer.may_end.set()

    assert again.result(5).read_bytes() == b"video of cat"


def test_closing_does_not_wait_for_a_render_and_removes_all_files(renderer: SlowRenderer) -> None:
    videos = Videos(renderer)
    renderer.may_end.set()
    finished = order(videos, b"cat").result(5)
    renderer.may_end.clear()
    running = order(videos, b"dog")

    videos.close()

    assert running.done()
    assert not finished.parent.exists()
