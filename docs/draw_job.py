"""Draws the way of a job from its transitions: `python -m docs.draw_job` puts the diagram into docs/reliability.md."""

import re
from pathlib import Path

from dropreel.domain.job import TERMINAL, TRANSITIONS, JobStatus, Transition

PAGE = Path(__file__).with_name("reliability.md")
_BLOCK = re.compile(r"(?<=<!-- made by docs/draw_job.py -->\n).*?(?=\n<!-- end -->)", re.DOTALL)


def diagram() -> str:
    """Return the transitions as a state diagram and as a table, in Markdown."""
    arrows = [f"    [*] --> {JobStatus.DEFERRED}: receive"]
    arrows += [
        f"    {source} --> {target}: {one.name}"
        for one in TRANSITIONS.values()
        if not _keeps_status(one)
        for source in one.sources
        for target in one.targets
        if source != target
    ]
    arrows += [f"    {status} --> [*]" for status in JobStatus if status in TERMINAL]
    rows = [_row(one) for one in TRANSITIONS.values()]
    head = ["| transition | from | to | when |", "|---|---|---|---|"]
    return "\n".join(["```mermaid", "stateDiagram-v2", *arrows, "```", "", *head, *rows])


def page() -> str:
    """Return docs/reliability.md with the diagram as it is now."""
    return _BLOCK.sub(lambda _: diagram(), PAGE.read_text())


def _keeps_status(one: Transition) -> bool:
    return one.sources == one.targets


def _row(one: Transition) -> str:
    sources, targets = (", ".join(f"`{status}`" for status in statuses) for statuses in (one.sources, one.targets))
    targets = "the same" if _keeps_status(one) else targets
    return f"| `{one.name}` | {sources} | {targets} | {one.when} |"


if __name__ == "__main__":
    PAGE.write_text(page())
