"""The metrics of a recorded run as CloudWatch's widgets read them: rows with `.`, periods, statistics."""

import math
import statistics
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

_PERIODS = 12


class Points:
    """Every value of every metric. Times are seconds since the start of the run."""

    def __init__(self, points: Sequence[dict[str, Any]], started: float, ended: float) -> None:
        self.seconds = ended - started
        self.period = float(max(1, math.ceil(self.seconds / _PERIODS)))
        self._values: dict[tuple[str, ...], list[tuple[float, float]]] = defaultdict(list)
        for one in sorted(points, key=lambda one: float(one["at"])):
            self._values[tuple(one["metric"])].append((one["at"] - started, one["value"]))

    def rows(self, properties: dict[str, Any]) -> list[tuple[tuple[str, ...], dict[str, Any]]]:
        """Return each metric of a widget with its options; `.` repeats what the row above has there."""
        found: list[tuple[tuple[str, ...], dict[str, Any]]] = []
        above: tuple[str, ...] = ()
        for row in properties["metrics"]:
            names = [name for name in row if isinstance(name, str)]
            above = tuple(above[place] if name == "." else name for place, name in enumerate(names))
            options = row[-1] if isinstance(row[-1], dict) else {"label": above[1]}
            found.append((above, options))
        return found

    def series(self, metric: tuple[str, ...], stat: str) -> tuple[list[float], list[float]]:
        """Return the times of the periods that have a value, and the values."""
        periods: dict[int, list[float]] = defaultdict(list)
        for at, value in self._values.get(metric, ()):
            periods[int(at // self.period)].append(value)
        return [self.period * (one + 0.5) for one in periods], [statistic(values, stat) for values in periods.values()]

    def whole(self, metric: tuple[str, ...], stat: str) -> float | None:
        """Return a statistic over the whole run; None without a value."""
        values = [value for _, value in self._values.get(metric, ())]
        return statistic(values, stat) if values else None

    def last(self, metric: tuple[str, ...], stat: str) -> float | None:
        """Return the statistic of the last value alone; None without one."""
        values = [value for _, value in self._values.get(metric, ())]
        return statistic(values[-1:], stat) if values else None


def statistic(values: Sequence[float], stat: str) -> float:
    """Return `Sum`, `Maximum` or a percentile such as `p90`."""
    match stat:
        case "Sum":
            return sum(values)
        case "Maximum":
            return max(values)
    if len(values) == 1:
        return values[0]
    return statistics.quantiles(values, n=100, method="inclusive")[int(stat.removeprefix("p")) - 1]
