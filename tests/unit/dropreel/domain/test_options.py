"""The ratio that is sent to the provider, and the warnings about an image."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dropreel.domain.image_facts import ImageFacts
from dropreel.domain.options import ASPECT_RATIOS, FAR_FROM_RATIO, Options, ratio_for, warnings_for


def picture(width: int, height: int, **facts: Any) -> ImageFacts:
    return ImageFacts("JPEG", width, height, 5000, **facts)


@pytest.mark.parametrize(
    ("width", "height", "ratio"),
    [
        (1920, 1080, "16:9"),
        (1080, 1920, "9:16"),
        (1000, 1000, "1:1"),
        (1500, 1000, "16:9"),
        (1000, 1500, "9:16"),
        (4000, 3000, "16:9"),  # 4:3 lies exactly between 1:1 and 16:9, which is (4:3) squared
        (3000, 4000, "9:16"),
        (4001, 3000, "16:9"),
        (3000, 4001, "9:16"),
        (3999, 3000, "1:1"),
        (100_000, 1, "16:9"),
        (1, 100_000, "9:16"),
    ],
)
def test_auto_is_the_nearest_ratio(width, height, ratio):
    assert ratio_for("auto", picture(width, height)) == ratio


@pytest.mark.parametrize("asked", ASPECT_RATIOS)
def test_a_requested_ratio_does_not_depend_on_the_picture(asked):
    assert ratio_for(asked, picture(100, 5000)) == asked


TURNED = {"16:9": "9:16", "9:16": "16:9", "1:1": "1:1"}


@settings(max_examples=200)
@given(st.integers(1, 20_000), st.integers(1, 20_000))
def test_portrait_and_landscape_are_symmetric(width, height):
    assert ratio_for("auto", picture(height, width)) == TURNED[ratio_for("auto", picture(width, height))]


@settings(max_examples=100)
@given(st.integers(1, 2000), st.integers(1, 2000), st.integers(1, 50))
def test_the_ratio_does_not_depend_on_the_pictures_size(width, height, times):
    assert ratio_for("auto", picture(width, height)) == ratio_for("auto", picture(width * times, height * times))


# --- warnings --------------------------------------------------------------------------------------------------------


def options_with(aspect_ratio: str) -> Options:
    return Options("p", "fast", "", aspect_ratio, 5, 0.5, True)


def test_a_large_picture_of_the_right_shape_has_no_warnings():
    assert warnings_for(options_with("16:9"), picture(1920, 1080)) == ()


@pytest.mark.parametrize(("width", "height"), [(1023, 1024), (1024, 1023)])
def test_a_picture_under_the_recommended_size_gets_a_warning(width, height):
    (warning,) = warnings_for(options_with("1:1"), picture(width, height))

    assert f"{width} x {height}" in warning
    assert "1024 x 1024" in warning


def test_the_recommended_size_itself_is_enough():
    assert warnings_for(options_with("1:1"), picture(1024, 1024)) == ()


@pytest.mark.parametrize(
    ("asked", "width", "height"), [("16:9", 1080, 1920), ("9:16", 1920, 1080), ("auto", 4000, 1024)]
)
def test_a_shape_far_from_the_ratio_gets_a_warning(asked, width, height):
    (warning,) = warnings_for(options_with(asked), picture(width, height))

    assert "cut off" in warning
    assert f"{width} x {height}" in warning


def test_a_shape_at_the_limit_gets_no_warning():
    assert warnings_for(options_with("1:1"), picture(int(2000 * FAR_FROM_RATIO), 2000)) == ()


def test_an_animation_gets_a_warning():
    (warning,) = warnings_for(options_with("1:1"), picture(2000, 2000, animated=True))

    assert "animated" in warning


def test_every_warning_is_returned():
    assert len(warnings_for(options_with("9:16"), picture(600, 300, animated=True))) == 3
