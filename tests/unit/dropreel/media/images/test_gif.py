"""Whether a GIF has a second picture."""

import random

import pytest

from dropreel.media.images.gif import is_animated_gif
from tests.support.pictures import animated, encoded, picture


@pytest.mark.parametrize("options", [{}, {"comment": b"a comment" * 100}, {"interlace": 1}, {"transparency": 0}])
def test_a_gif_of_one_picture_is_not_animated(options):
    assert not is_animated_gif(encoded(picture(mode="P"), "GIF", **options))


@pytest.mark.parametrize("options", [{}, {"loop": 0}, {"comment": b"a comment" * 100}, {"disposal": 2}])
def test_a_gif_of_more_pictures_is_animated(options):
    assert is_animated_gif(animated("GIF", **options))


def test_an_animation_that_is_cut_in_its_first_picture_is_none():
    content = animated("GIF")

    assert not is_animated_gif(content[: len(content) // 6])


def test_it_never_raises():
    content = animated("GIF", loop=0)
    for seed in range(300):
        random.seed(seed)
        changed = bytearray(content[: random.randrange(len(content))])
        for _change in range(3):
            if changed:
                changed[random.randrange(len(changed))] = random.randrange(256)

        assert is_animated_gif(bytes(changed)) in (True, False)
