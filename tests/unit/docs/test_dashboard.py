"""What docs/draw_dashboard.py draws is read from the metrics as CloudWatch's widgets read them."""

from typing import Any

import pytest

from docs.dashboard_points import Points

SUBMITTED = ["Dropreel", "ImagesSubmitted", "stack", "shop"]
SECONDS = ["Dropreel", "GenerationSeconds", "stack", "shop"]


def point(metric: list[str], value: float, at: float) -> dict[str, Any]:
    return {"metric": metric, "unit": "Count", "value": value, "at": at}


def test_a_dot_repeats_what_the_row_above_has() -> None:
    rows = [[*SUBMITTED, {"label": "a"}], [".", "VideosDelivered", ".", ".", {"label": "b"}]]

    found = Points([], 0, 60).rows({"metrics": rows})

    assert found == [
        (("Dropreel", "ImagesSubmitted", "stack", "shop"), {"label": "a"}),
        (("Dropreel", "VideosDelivered", "stack", "shop"), {"label": "b"}),
    ]


def test_a_series_has_one_value_a_period_and_none_without_data() -> None:
    points = Points([point(SUBMITTED, 1, 1_001), point(SUBMITTED, 1, 1_002), point(SUBMITTED, 1, 1_031)], 1_000, 1_060)

    assert points.period == 5
    assert points.series(tuple(SUBMITTED), "Sum") == ([2.5, 32.5], [2, 1])


@pytest.mark.parametrize(("stat", "value"), [("Sum", 60), ("Maximum", 30), ("p50", 20), ("p90", 28)])
def test_a_statistic_is_over_the_whole_run(stat: str, value: float) -> None:
    points = Points([point(SECONDS, each, 1_000 + each) for each in (10, 20, 30)], 1_000, 1_060)

    assert points.whole(tuple(SECONDS), stat) == pytest.approx(value)


def test_a_gauge_shows_the_last_value_and_nothing_without_one() -> None:
    points = Points([point(SUBMITTED, 7, 1_050), point(SUBMITTED, 9, 1_010)], 1_000, 1_060)

    assert points.last(tuple(SUBMITTED), "Maximum") == 7
    assert points.last(tuple(SECONDS), "Maximum") is None
