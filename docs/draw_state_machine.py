"""Draws docs/pictures/state_machine.svg from statemachine/generate_video.asl.json: `python -m docs.draw_state_machine`.

States, transitions and labels come from the definition. Only the places are written down here, so a new state or a
new transition ends the script with a message that says what to add.
"""

import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal
from xml.sax.saxutils import escape

ROOT = Path(__file__).resolve().parents[1]
DEFINITION = ROOT / "statemachine" / "generate_video.asl.json"
PICTURE = ROOT / "docs" / "pictures" / "state_machine.svg"

Side = Literal["top", "bottom", "left", "right"]
Point = tuple[int, int]

START = "start"
"""The dot that an execution begins with; it stands for `StartAt`."""

PLACES: dict[str, tuple[int, int]] = {
    START: (0, 0),
    "Set Pace": (0, 1),
    "Wait": (0, 2),
    "Check Status": (0, 3),
    "How Far": (0, 4),
    "Deliver Video": (0, 5),
    "Report Failure": (1, 5),
    "Done": (0, 6),
}
"""State -> (column, row)."""

WIDTH, HEIGHT = 800, 604
_BOX_WIDTH, _BOX_HEIGHT = 176, 52
_COLUMN_X, _COLUMN_STEP = 262, 360
_ROW_Y, _ROW_STEP = 26, 92
_DOT = 7


@dataclass(frozen=True)
class Route:
    """How one arrow runs. `shift` moves an end along its side in pixels; `lane` is the x of a detour beside the boxes."""

    leaves: Side
    enters: Side
    leaves_shift: int = 0
    enters_shift: int = 0
    lane: int | None = None


_DOWN = Route("bottom", "top")

ROUTES: dict[tuple[str, str], Route] = {
    (START, "Set Pace"): _DOWN,
    ("Set Pace", "Wait"): _DOWN,
    ("Wait", "Check Status"): _DOWN,
    ("Check Status", "How Far"): _DOWN,
    ("Check Status", "Report Failure"): Route("right", "top", enters_shift=40),
    ("How Far", "Wait"): Route("left", "left", leaves_shift=-12, lane=96),
    ("How Far", "Deliver Video"): _DOWN,
    ("How Far", "Report Failure"): Route("right", "top", enters_shift=-40),
    ("How Far", "Done"): Route("left", "left", leaves_shift=12, lane=96),
    ("Deliver Video", "Report Failure"): Route("right", "left"),
    ("Deliver Video", "Done"): _DOWN,
    ("Report Failure", "Done"): Route("bottom", "right"),
}
"""(from, to) -> the arrow's way."""

_COLOURS = {
    "Task": ("#fdefdc", "#b9853c"),
    "Choice": ("#ece7f6", "#7d6ba8"),
    "Wait": ("#ffffff", "#8492a3"),
    "Pass": ("#ffffff", "#8492a3"),
    "Succeed": ("#e3f1e6", "#5c8f69"),
    "Fail": ("#f9e3e1", "#b5625a"),
}

_HEAD = f"""\
<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}" role="img"
  aria-labelledby="title" font-size="12"
  font-family="system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', 'DejaVu Sans', sans-serif">
  <title id="title">The state machine</title>
  <style>
    .name {{ font-weight: 600; font-size: 14px; fill: #1f2933; text-anchor: middle }}
    .note {{ fill: #52606d; text-anchor: middle }}
    .edge {{ fill: #3e4c59 }}
    .line {{ stroke: #52606d; stroke-width: 1.6; fill: none; marker-end: url(#head) }}
  </style>
  <defs>
    <marker id="head" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="7" markerHeight="7" orient="auto">
      <path d="M0 0 L10 5 L0 10 z" fill="#52606d" />
    </marker>
  </defs>
  <rect x="1" y="1" width="{WIDTH - 2}" height="{HEIGHT - 2}" rx="10" fill="#f8f9fb" stroke="#d3dae2" />
"""


class LayoutMissing(Exception):
    """The definition has a state, a transition or a type of state that this script cannot place."""


@dataclass(frozen=True)
class Transition:
    """One arrow, with the words of all rules that lead from one state to the other."""

    source: str
    target: str
    label: str


def transitions(definition: dict[str, Any]) -> list[Transition]:
    """Return every arrow of the definition in the file's order; rules with the same two ends share one arrow."""
    labels: dict[tuple[str, str], list[str]] = {(START, definition["StartAt"]): []}
    for name, state in definition["States"].items():
        for target, label in _ways_out(state):
            labels.setdefault((name, target), []).extend([label] if label else [])
    return [Transition(source, target, ", ".join(said)) for (source, target), said in labels.items()]


def _ways_out(state: dict[str, Any]) -> Iterator[tuple[str, str]]:
    for choice in state.get("Choices", []):
        yield choice["Next"], _condition(choice)
    if "Default" in state:
        yield state["Default"], "otherwise"
    tries = sum(rule.get("MaxAttempts", 3) for rule in state.get("Retry", []))
    for rule in state.get("Catch", []):
        what = "any error" if rule["ErrorEquals"] == ["States.ALL"] else " or ".join(rule["ErrorEquals"])
        yield rule["Next"], f"{what}, after {tries} retries" if tries else what
    if "Next" in state:
        yield state["Next"], ""


def _condition(choice: dict[str, Any]) -> str:
    if "StringEquals" in choice:
        return str(choice["StringEquals"])
    tests = [f"{name} {value}" for name, value in choice.items() if name not in ("Next", "Comment")]
    return " ".join(tests)


def picture_of(definition: dict[str, Any]) -> str:
    """Return the SVG. Raises LayoutMissing where PLACES, ROUTES or the colours lack something the definition has."""
    parts = [_HEAD]
    _check_places(definition["States"])
    for transition in transitions(definition):
        parts.append(_arrow(transition))
    x, y = _centre(START)
    parts.append(f'  <circle cx="{x}" cy="{y}" r="{_DOT}" fill="#52606d" />\n')
    for name, state in definition["States"].items():
        parts.append(_box(name, state))
    return "".join([*parts, "</svg>\n"])


def _check_places(states: dict[str, Any]) -> None:
    for name in states:
        if name not in PLACES:
            raise LayoutMissing(f"the state {name!r} has no place: add its column and row to PLACES")
    for name in PLACES:
        if name != START and name not in states:
            raise LayoutMissing(f"PLACES has the state {name!r}, which the definition does not have: take it out")


def _centre(name: str) -> Point:
    column, row = PLACES[name]
    if name == START:
        return _COLUMN_X + column * _COLUMN_STEP, _ROW_Y
    return _COLUMN_X + column * _COLUMN_STEP, _ROW_Y + row * _ROW_STEP - 26


def _port(name: str, side: Side, shift: int) -> Point:
    x, y = _centre(name)
    across, down = (_DOT, _DOT) if name == START else (_BOX_WIDTH // 2, _BOX_HEIGHT // 2)
    match side:
        case "top":
            return x + shift, y - down
        case "bottom":
            return x + shift, y + down
        case "left":
            return x - across, y + shift
        case "right":
            return x + across, y + shift


def _arrow(transition: Transition) -> str:
    route = ROUTES.get((transition.source, transition.target))
    if route is None:
        raise LayoutMissing(
            f"the transition from {transition.source!r} to {transition.target!r} has no route: add it to ROUTES"
        )
    start = _port(transition.source, route.leaves, route.leaves_shift)
    end = _port(transition.target, route.enters, route.enters_shift)
    points = [start, *_corners(start, end, route), end]
    path = "M" + " L".join(f"{x} {y}" for x, y in points)
    line = f'  <path class="line" d="{path}" />\n'
    if not transition.label:
        return line
    x, y = _label_at(start, end, route)
    return line + f'  <text class="edge" x="{x}" y="{y}">{escape(transition.label)}</text>\n'


def _corners(start: Point, end: Point, route: Route) -> list[Point]:
    if route.lane is not None:
        return [(route.lane, start[1]), (route.lane, end[1])]
    if route.leaves in ("left", "right") and route.enters in ("top", "bottom"):
        return [(end[0], start[1])]
    if route.leaves in ("top", "bottom") and route.enters in ("left", "right"):
        return [(start[0], end[1])]
    return []


def _label_at(start: Point, end: Point, route: Route) -> Point:
    """Beside a line that runs down or through a lane, above one that leaves to the right."""
    middle = (start[1] + end[1]) // 2 + 4
    if route.lane is not None:
        return route.lane + 8, middle
    return (start[0] + 12, start[1] - 7) if route.leaves == "right" else (start[0] + 10, middle)


def _box(name: str, state: dict[str, Any]) -> str:
    kind = state["Type"]
    if kind not in _COLOURS:
        raise LayoutMissing(f"the state {name!r} is a {kind}, which has no colour: add it to _COLOURS")
    fill, stroke = _COLOURS[kind]
    x, y = _centre(name)
    radius = _BOX_HEIGHT // 2 if kind in ("Wait", "Succeed", "Fail") else 6
    return (
        f'  <rect x="{x - _BOX_WIDTH // 2}" y="{y - _BOX_HEIGHT // 2}" width="{_BOX_WIDTH}" height="{_BOX_HEIGHT}" '
        f'rx="{radius}" fill="{fill}" stroke="{stroke}" stroke-width="1.4" />\n'
        f'  <text class="name" x="{x}" y="{y - 3}">{escape(name)}</text>\n'
        f'  <text class="note" x="{x}" y="{y + 15}">{escape(_note(state))}</text>\n'
    )


def _note(state: dict[str, Any]) -> str:
    """Return what kind of state it is; for a Task that runs one of our functions, which one."""
    resource = str(state.get("Resource", ""))
    if resource.startswith("${") and resource.endswith("FunctionArn}"):
        return resource.removeprefix("${").removesuffix("Arn}")
    if "SecondsPath" in state:
        return str(state["SecondsPath"]).rpartition(".")[2]
    return str(state["Type"])


def main() -> int:
    """Write the picture. Return 1, with a message, where the definition has outgrown the layout."""
    definition: dict[str, Any] = json.loads(DEFINITION.read_text(encoding="utf-8"))
    try:
        drawn = picture_of(definition)
    except LayoutMissing as missing:
        sys.stderr.write(f"docs/draw_state_machine.py: {missing}.\n")
        return 1
    PICTURE.write_text(drawn, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
