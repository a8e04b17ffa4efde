"""The longest allowed execution stays far from Step Functions' 25,000 history events, at which AWS ends it."""

import json
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[3]
EVENTS_OF_STATE = {"Pass": 2, "Wait": 2, "Choice": 2, "Task": 5, "Succeed": 2}
"""History events of one state. A Task that calls Lambda has entered, scheduled, started, succeeded, exited."""
EVENTS_AROUND = 2
"""ExecutionStarted and ExecutionSucceeded."""
LONGEST_POLLS = 36 * 60
"""The template's rules: at most 36 minutes of time-out for each second between two polls."""


def events_of(polls: int) -> int:
    """Return the history events of an execution that polls so often and then delivers."""
    definition: dict[str, Any] = json.loads((ROOT / "statemachine" / "generate_video.asl.json").read_text("utf-8"))
    outcomes = iter(["waiting"] * (polls - 1) + ["completed"])
    name, events = definition["StartAt"], EVENTS_AROUND
    while True:
        state = definition["States"][name]
        events += EVENTS_OF_STATE[state["Type"]]
        if state["Type"] == "Succeed":
            return events
        if state["Type"] == "Choice":
            outcome = next(outcomes)
            name = next(choice["Next"] for choice in state["Choices"] if choice["StringEquals"] == outcome)
        else:
            name = state["Next"]


def test_a_poll_is_nine_events() -> None:
    assert events_of(polls=2) - events_of(polls=1) == 9


def test_the_longest_execution_stays_below_20_000_events() -> None:
    assert events_of(LONGEST_POLLS) == LONGEST_POLLS * 9 + 2 + 5 + 2 + 2 < 20_000
