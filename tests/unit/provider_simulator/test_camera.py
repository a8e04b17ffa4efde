"""What a prompt asks of the camera."""

from itertools import pairwise

import pytest

from local.provider_simulator.camera import Movement, movement_of, view, zoom_of


@pytest.mark.parametrize(
    ("prompt", "movement"),
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
def test_the_movement_that_is_named_first_is_taken_and_zoom_in_if_none_is(prompt: str, movement: str) -> None:
    assert movement_of(prompt) == Movement(movement)


@pytest.mark.parametrize("movement", list(Movement))
@pytest.mark.parametrize("cfg_scale", [0.0, 0.5, 1.0])
def test_every_movement_is_large_smooth_and_stays_inside_the_picture(movement: Movement, cfg_scale: float) -> None:
    views = [view(movement, frame / 119, 1000, 600, zoom_of(cfg_scale)) for frame in range(120)]

    assert all(0 <= left < right <= 1000 and 0 <= top < bottom <= 600 for left, top, right, bottom in views)
    way = max(abs(last - first) for first, last in zip(views[0], views[-1], strict=True))
    steps = [max(abs(b - a) for a, b in zip(before, after, strict=True)) for before, after in pairwise(views)]
    assert way >= (90 if "zoom" in movement else 115)
    assert max(steps) < way / 60
    assert min(steps) > 0


def test_more_guidance_moves_the_camera_further() -> None:
    assert zoom_of(0) < zoom_of(0.5) < zoom_of(1)
