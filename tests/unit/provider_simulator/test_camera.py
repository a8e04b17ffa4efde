"""The camera motion of a prompt."""

from itertools import pairwise

import pytest

from local.provider_simulator.camera import CameraMotion, motion_in, view, zoom_of


@pytest.mark.parametrize(
    ("prompt", "motion"),
    [
        ("Zoom in on the cat", "zoom in"),
        ("slow PUSH IN", "zoom in"),
        ("a gentle dolly-in through the trees", "zoom in"),
        ("the camera zooms out", "zoom out"),
        ("Pull out to show the valley", "zoom out"),
        ("pull back", "zoom out"),
        ("pan left", "pan left"),
        ("Panning slowly to the right", "pan right"),
        ("pan up", "pan up"),
        ("tilt up along the tower", "pan up"),
        ("Pan Down", "pan down"),
        ("tilting down", "pan down"),
        ("pan right, then zoom in", "pan right"),
        ("zoom out, then pan right", "zoom out"),
        ("leaves in the wind", "zoom in"),
        ("a panda upside down, leftover rice", "zoom in"),
        ("expand left", "zoom in"),
    ],
)
def test_the_first_named_motion_is_used_and_zoom_in_without_one(prompt: str, motion: str) -> None:
    assert motion_in(prompt) == CameraMotion(motion)


@pytest.mark.parametrize("motion", list(CameraMotion))
@pytest.mark.parametrize("cfg_scale", [0.0, 0.5, 1.0])
def test_every_motion_is_large_smooth_and_inside_the_image(motion: CameraMotion, cfg_scale: float) -> None:
    views = [view(motion, frame / 119, 1000, 600, zoom_of(cfg_scale)) for frame in range(120)]

    assert all(0 <= left < right <= 1000 and 0 <= top < bottom <= 600 for left, top, right, bottom in views)
    distance = max(abs(last - first) for first, last in zip(views[0], views[-1], strict=True))
    steps = [max(abs(b - a) for a, b in zip(before, after, strict=True)) for before, after in pairwise(views)]
    assert distance >= (90 if "zoom" in motion else 115)
    assert max(steps) < distance / 60
    assert min(steps) > 0


def test_more_guidance_moves_the_camera_further() -> None:
    assert zoom_of(0) < zoom_of(0.5) < zoom_of(1)
