"""How the growth of bursts is told, and that the machine's own ups and downs are not in it."""

from types import SimpleNamespace
from typing import Any

import pytest

from benchmarks import bursts as benchmark
from benchmarks.bursts import WARM_UP_MORE, Burst, growth, order
from local import cloud


def bursts(*seconds_by_size: dict[int, float]) -> list[Burst]:
    return [Burst(number, took, 0) for sizes in seconds_by_size for number, took in sizes.items()]


def test_growth_is_told_by_slopes_which_no_fixed_part_is_in() -> None:
    linear = growth([bursts({500: 1.0 + 50, 50: 1.0 + 5, 200: 1.0 + 20})])

    assert linear["slope"]["median"] == pytest.approx(1.0)
    assert linear["raw"]["median"] < 1
    assert linear["seconds_an_image_from_size_to_size"] == pytest.approx([0.1, 0.1])


def test_growth_is_compared_within_each_round_so_that_a_slow_one_says_nothing() -> None:
    bent, straight = {50: 5.0, 200: 20.0, 500: 80.0}, {50: 5.0, 200: 20.0, 500: 50.0}
    slow = {number: 2 * seconds for number, seconds in straight.items()}
    rounds = [bursts(times) for times in (straight, slow, straight, bent)]

    assert growth([bursts(bent)])["slope"]["median"] == pytest.approx(2.0)
    assert growth(rounds)["slope"] == {"median": 1.0, "min": 1.0, "max": 2.0}


@pytest.mark.parametrize("turn", [0, 1])
def test_a_machine_that_grows_slower_and_slower_in_a_round_says_nothing_of_growth(turn: int) -> None:
    sizes = order((50, 200, 500), turn)
    slower = [Burst(number, number * (1 + 0.1 * place), 0) for place, number in enumerate(sizes)]

    assert sorted(sizes) == [50, 50, 200, 200, 500, 500]
    assert order((50, 200, 500), turn + 1) != sizes
    assert growth([slower])["slope"]["median"] == pytest.approx(1.0)


@pytest.mark.parametrize(("processes", "bursts_needed"), [([30, 49, 49], 2), ([*range(20)], WARM_UP_MORE)])
def test_it_warms_up_until_a_burst_starts_no_process(
    processes: list[int], bursts_needed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    account: Any = SimpleNamespace(cloud=SimpleNamespace(engine=SimpleNamespace(process=SimpleNamespace(pid=1))))
    running, dropped = iter(processes), []
    monkeypatch.setattr(benchmark, "function_processes", lambda _: range(next(running)))
    monkeypatch.setattr(benchmark, "_burst", lambda _, folder, number: dropped.append((folder, number)))

    benchmark._warm_up_more(account, 50, lambda _: None)

    assert dropped == [(f"warm-more-{turn}", 50) for turn in range(bursts_needed)]


def test_the_engine_is_told_to_keep_its_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    class Started(Exception):
        """The engine was to be started, with these settings."""

    def started(environment: dict[str, str] | None, **_others: object) -> None:
        raise Started(environment)

    monkeypatch.setattr(cloud, "running_engine", started)

    with pytest.raises(Started) as settings:
        benchmark.run(lambda _: None)
    assert settings.value.args == ({"LAMBDA_WARM_TTL_SECONDS": "86400"},)
