"""How far the stack scales: the way of a day's images, second by second, held against AWS's default quotas.

No clock and no network: arrivals, queue, polls and deliveries are computed from a seed. What AWS itself takes is assumed, and
every assumption stands in the result. What our own code does is read from it.
"""

from typing import Any

from benchmarks.measure import Say
from benchmarks.scale.findings import found
from benchmarks.scale.tables import renewed, tables

__all__ = ["renewed", "run"]


def run(say: Say) -> dict[str, Any]:
    """Simulate every scenario and return the result as JSON values. It takes seconds and no network."""
    result = found(say)
    return {**result, "tables": tables(result)}
