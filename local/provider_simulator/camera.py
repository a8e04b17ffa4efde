"""Which camera movement a prompt asks for, and what part of the picture the camera sees at each moment."""

import re
from enum import StrEnum


class Movement(StrEnum):
    """The camera's own movement: a pan to the right shows what lies further right, so content moves left on screen."""

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
    Movement.ZOOM_IN: re.compile(_TOWARDS + r"in(?:to|wards?)?\b", re.IGNORECASE),
    Movement.ZOOM_OUT: re.compile(_AWAY, re.IGNORECASE),
    Movement.PAN_LEFT: re.compile(_PAN + r"left(?:wards?)?\b", re.IGNORECASE),
    Movement.PAN_RIGHT: re.compile(_PAN + r"right(?:wards?)?\b", re.IGNORECASE),
    Movement.PAN_UP: re.compile(_PAN + r"up(?:wards?)?\b", re.IGNORECASE),
    Movement.PAN_DOWN: re.compile(_PAN + r"down(?:wards?)?\b", re.IGNORECASE),
}

Box = tuple[float, float, float, float]


def movement_of(prompt: str) -> Movement:
    """The movement that a prompt names first; zoom in where it names none."""
    places = {movement: found.start() for movement, words in _PATTERNS.items() if (found := words.search(prompt))}
    return min(places, key=lambda movement: places[movement], default=Movement.ZOOM_IN)


def zoom_of(cfg_scale: float) -> float:
    """How many times nearer the nearest view is than the widest: 1.25 to 1.45, so that any movement is measurable."""
    return 1.25 + 0.2 * cfg_scale


def view(movement: Movement, progress: float, width: float, height: float, zoom: float) -> Box:
    """What the camera sees of a picture, as (left, top, right, bottom) in its pixels, at a progress from 0 to 1.

    A zoom goes between the whole picture and its middle. A pan moves a view of 1/zoom of the picture from edge to edge,
    which is a way of (zoom - 1) views: 25 to 45 % of what is on screen.
    """
    eased = progress * progress * (3 - 2 * progress)
    across = down = 0.5
    if movement in (Movement.ZOOM_IN, Movement.ZOOM_OUT):
        nearness = eased if movement is Movement.ZOOM_IN else 1 - eased
        scale = 1 + (zoom - 1) * nearness
    else:
        scale = zoom
        if movement in (Movement.PAN_LEFT, Movement.PAN_RIGHT):
            across = eased if movement is Movement.PAN_RIGHT else 1 - eased
        else:
            down = eased if movement is Movement.PAN_DOWN else 1 - eased
    seen_width, seen_height = width / scale, height / scale
    left, top = (width - seen_width) * across, (height - seen_height) * down
    return left, top, min(left + seen_width, width), min(top + seen_height, height)
