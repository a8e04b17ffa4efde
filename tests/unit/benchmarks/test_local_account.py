"""How the benchmarks on the local cloud keep their figures."""

import pytest

from benchmarks.local_account import figures, logical_name, pairwise_slopes, percentile


def test_a_percentile_lies_between_two_values() -> None:
    values = [4.0, 1.0, 3.0, 2.0]

    assert [percentile(values, percent) for percent in (0, 50, 95, 100)] == pytest.approx([1, 2.5, 3.85, 4])
    assert percentile([7.0], 95) == 7
    with pytest.raises(ValueError, match="nothing"):
        percentile([], 50)


def test_figures_keep_how_many_they_are_of() -> None:
    assert figures([1.0, 2.0, 3.0]) == {"median": 2, "p95": 2.9, "min": 1, "max": 3, "runs": 3}


def test_a_function_has_its_name_in_the_template() -> None:
    assert logical_name("dropreel-local-CheckStatusFunction-4DA685F26B5C2") == "CheckStatus"


def test_slopes_lead_from_each_point_to_the_next() -> None:
    assert pairwise_slopes([(0, 0), (2, 1), (4, 5)]) == [0.5, 2]
