"""The options of a video, under the provider's names, and how they suit the image.

Source of the ratios and the recommended size: the provider's API documentation. `aspect_ratio` also takes `auto`, which is ours.
"""

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from dropreel.domain.image_facts import ImageFacts

ASPECT_RATIOS: dict[str, tuple[int, int]] = {"16:9": (16, 9), "9:16": (9, 16), "1:1": (1, 1)}
"""The provider's values, as (width, height)."""
MODES = ("fast", "hq")
DURATIONS = (5, 10)
"""In seconds."""
CFG_SCALES = (0, 1)
"""The least and the largest value."""
RECOMMENDED_SIDE = 1024
"""The least width and height that the provider recommends, in pixels."""
FAR_FROM_RATIO = 1.5
"""An image whose ratio differs from the requested one by more than this factor gets a warning."""


class Options(NamedTuple):
    """A complete set of options. `duration` is in seconds, `cfg_scale` from 0 to 1; `aspect_ratio` can be `auto`."""

    prompt: str
    mode: str
    negative_prompt: str
    aspect_ratio: str
    duration: int
    cfg_scale: float
    sound: bool


OPTION_NAMES = Options._fields


def ratio_for(asked: str, facts: "ImageFacts") -> str:
    """Return the requested ratio, or for `auto` the provider's ratio that is nearest to the image as displayed.

    The distance is the quotient of the two ratios, so that portrait and landscape are symmetric.
    """
    if asked != "auto":
        return asked
    return min(ASPECT_RATIOS, key=lambda name: _distance(name, facts))


def warnings_for(options: Options, facts: "ImageFacts") -> tuple[str, ...]:
    """Return sentences about what can make the video worse but does not reject the image."""
    found = []
    if min(facts.width, facts.height) < RECOMMENDED_SIDE:
        found.append(
            f"The image has {facts.width} x {facts.height} pixels; the provider recommends at least "
            f"{RECOMMENDED_SIDE} x {RECOMMENDED_SIDE}."
        )
    ratio = ratio_for(options.aspect_ratio, facts)
    if _distance(ratio, facts) > FAR_FROM_RATIO:
        found.append(f"The image's shape ({facts.width} x {facts.height}) is far from {ratio}; parts will be cut off.")
    if facts.animated:
        found.append("The image is animated; only its first frame counts.")
    return tuple(found)


def _distance(ratio: str, facts: "ImageFacts") -> float:
    across, down = ASPECT_RATIOS[ratio]
    left, right = facts.width * down, facts.height * across
    return max(left, right) / min(left, right)
