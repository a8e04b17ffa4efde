"""The camera motion that a prompt asks for, and the crop of the image that each frame shows."""

import re
from enum import StrEnum


class CameraMotion(StrEnum):
    """The motion of the camera: in a pan to the right, the content moves to the left on screen."""

    ZOOM_IN = "zoom in"
    ZOOM_OUT = "zoom out"
    PAN_LEFT = "pan left"
    PAN_RIGHT = "pan right"
    PAN_UP = "pan up"
    PAN_DOWN = "pan down"


# "pan slowly to the right" and "zoom gently in" mean what "pan right" and "zoom in" mean.
_GAP = (
    r"(?:[\s,-]+(?:slowly|slow|gently|softly|smoothly|slightly|steadily|gradually|quickly|across|over|to|towards?"
    r"|the|a|bit|camera))*[\s-]+"
)
_PAN = r"\b(?:pan(?:s|ning|ned)?|tilt(?:s|ing|ed)?)" + _GAP
_TOWARDS = r"\b(?:zoom(?:s|ing|ed)?|push(?:es|ing|ed)?|doll(?:y|ies|ying))" + _GAP
_AWAY = r"\b(?:zoom(?:s|ing|ed)?" + _GAP + r"out|pull(?:s|ing|ed)?" + _GAP + r"(?:out|back))\b"

_PATTERNS = {
    CameraMotion.ZOOM_IN: re.compile(_TOWARDS + r"in(?:to|wards?)?\b", re.IGNORECASE),
    CameraMotion.ZOOM_OUT: re.compile(_AWAY, re.IGNORECASE),
    CameraMotion.PAN_LEFT: re.compile(_PAN + r"left(?:wards?)?\b", re.IGNORECASE),
    CameraMotion.PAN_RIGHT: re.compile(_PAN + r"right(?:wards?)?\b", re.IGNORECASE),
    CameraMotion.PAN_UP: re.compile(_PAN + r"up(?:wards?)?\b", re.IGNORECASE),
    CameraMotion.PAN_DOWN: re.compile(_PAN + r"down(?:wards?)?\b", re.IGNORECASE),
}

Box = tuple[float, float, float, float]


def motion_in(prompt: str) -> CameraMotion:
    """The motion that a prompt names first; zoom in without one."""
    starts = {motion: found.start() for motion, pattern in _PATTERNS.items() if (found := pattern.search(prompt))}
    return min(starts, key=lambda motion: starts[motion], default=CameraMotion.ZOOM_IN)


def zoom_of(cfg_scale: float) -> float:
    """The ratio of the widest crop to the narrowest: 1.25 to 1.45, so that every motion can be measured."""
    return 1.25 + 0.2 * cfg_scale


def view(motion: CameraMotion, progress: float, width: float, height: float, zoom: float) -> Box:
    """The crop of an image as (left, top, right, bottom) in its pixels, at a progress from 0 to 1.

    A zoom is between the whole image and its centre. A pan moves a crop of 1/zoom of the image from edge to edge, which
    is 25 to 45 % of the crop's own size.
    """
    eased = progress * progress * (3 - 2 * progress)
    across = down = 0.5
    if motion in (CameraMotion.ZOOM_IN, CameraMotion.ZOOM_OUT):
        nearness = eased if motion is CameraMotion.ZOOM_IN else 1 - eased
        scale = 1 + (zoom - 1) * nearness
    else:
        scale = zoom
        if motion in (CameraMotion.PAN_LEFT, CameraMotion.PAN_RIGHT):
            across = eased if motion is CameraMotion.PAN_RIGHT else 1 - eased
        else:
            down = eased if motion is CameraMotion.PAN_DOWN else 1 - eased
    crop_width, crop_height = width / scale, height / scale
    left, top = (width - crop_width) * across, (height - crop_height) * down
    return left, top, min(left + crop_width, width), min(top + crop_height, height)
