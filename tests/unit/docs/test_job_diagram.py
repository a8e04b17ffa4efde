"""The diagram of a job's way in docs/reliability.md is made from the transitions."""

from docs.draw_job import PAGE, diagram, page
from dropreel.domain.job import TRANSITIONS


def test_the_diagram_is_not_stale() -> None:
    assert PAGE.read_text() == page(), "docs/reliability.md is stale: run `make docs`"


def test_the_page_holds_the_diagram_once() -> None:
    assert PAGE.read_text().count(diagram()) == 1


def test_every_transition_is_in_the_diagram() -> None:
    assert [name for name in TRANSITIONS if f"| `{name}` |" not in diagram()] == []
