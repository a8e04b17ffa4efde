"""How the growth of bursts is computed, and that a slow machine does not change it."""

from types import SimpleNamespace
from typing import Any

import pytest

from benchmarks import bursts as benchmark
from benchmarks.bursts import WARM_UP_REPEATS, Burst, order, time_figures


def round_of(seconds_by_size: dict[int, float]) -> list[Burst]:
    return [Burst(number, seconds) for number, seconds in seconds_by_size.items()]


def test_growth_leaves_out_what_every_burst_takes() -> None:
    found = time_figures([round_of({500: 1.0 + 50, 50: 1.0 + 5, 200: 1.0 + 20})])

    assert found["growth"]["median"] == pytest.approx(1.0)
    assert found["seconds_a_further_image"] == pytest.approx([0.1, 0.1])


def test_growth_is_compared_within_each_round() -> None:
    bent, straight = {50: 5.0, 200: 20.0, 500: 80.0}, {50: 5.0, 200: 20.0, 500: 50.0}
    slow = {number: 2 * seconds for number, seconds in straight.items()}

    assert time_figures([round_of(bent)])["growth"]["median"] == pytest.approx(2.0)
    found = time_figures([round_of(one) for one in (straight, slow, straight, bent)])
    assert found["growth"] == {"median": 1.0, "min": 1.0, "max": 2.0}


@pytest.mark.parametrize("turn", [0, 1])
def test_a_machine_that_slows_down_in_a_round_is_not_growth(turn: int) -> None:
    sizes = order((50, 200, 500), turn)
    slower = [Burst(number, number * (1 + 0.1 * place)) for place, number in enumerate(sizes)]

    assert sorted(sizes) == [50, 50, 200, 200, 500, 500]
    assert order((50, 200, 500), turn + 1) != sizes
    assert time_figures([slower])["growth"]["median"] == pytest.approx(1.0)


@pytest.mark.parametrize(("processes", "bursts_needed"), [([30, 49, 49], 2), ([*range(20)], WARM_UP_REPEATS)])
def test_it_warms_up_until_a_burst_starts_no_process(
    processes: list[int], bursts_needed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    running, sizes = iter(processes), []
    account: Any = SimpleNamespace(function_processes=lambda: range(next(running)))
    monkeypatch.setattr(benchmark, "burst_of", lambda _account, _folder, number: sizes.append(number))

    benchmark.warm_up(account, (1, 200), 50, lambda _: None)

    assert sizes == [1, 200, *[50] * bursts_needed]
