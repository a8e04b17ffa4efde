"""Alarms on metric math, which the local engine lacks: a correction of `engine_corrections.py`, in a file of its own."""

from importlib import import_module
from typing import Any

_OF_ONE_METRIC = ("Namespace", "MetricName", "Dimensions", "Statistic", "ExtendedStatistic", "Period", "Unit")
"""What an alarm on one metric has and an alarm on metric math has not."""


def evaluate_metric_math() -> None:
    """Alarms on metric math.

    AWS: `Metrics` of an alarm has several metrics and an expression over them, and the alarm watches the expression.
    The engine: refuses a template with `Metrics`. Here the expression is evaluated for each period of the evaluation range, with
    the functions that our alarms use, and the smallest value counts: each period must be above the threshold.
    """
    provisioners: Any = import_module("ministack.services.cloudformation.provisioners")
    cloudwatch: Any = import_module("ministack.services.cloudwatch")
    record_of, evaluate = provisioners._cw_metric_alarm_record, cloudwatch._evaluate_alarm

    def record(name: str, properties: dict[str, Any]) -> dict[str, Any]:
        if not properties.get("Metrics"):
            plain: dict[str, Any] = record_of(name, properties)
            return plain
        as_one = {**properties, "Metrics": None, "Namespace": "metric math", "MetricName": name}
        made = {key: value for key, value in record_of(name, as_one).items() if key not in _OF_ONE_METRIC}
        return {**made, "Metrics": properties["Metrics"]}

    def evaluate_with_math(alarm: dict[str, Any]) -> None:
        if not alarm.get("Metrics"):
            evaluate(alarm)
            return
        value = _value_of(alarm, cloudwatch)
        if value is None:
            return
        metric = ("metric math", alarm["AlarmName"], cloudwatch._dims_key({}))
        cloudwatch.record_metric(metric[0], metric[1], value)
        alarm |= {"Namespace": metric[0], "MetricName": metric[1], "Period": 60, "Statistic": "Maximum"}
        try:
            evaluate(alarm)
        finally:
            cloudwatch._metrics.pop(metric, None)
            for key in _OF_ONE_METRIC:
                alarm.pop(key, None)

    provisioners._cw_metric_alarm_record, cloudwatch._evaluate_alarm = record, evaluate_with_math


def _value_of(alarm: dict[str, Any], cloudwatch: Any) -> float | None:
    """Return the smallest value of an alarm's expression; None without any data. A period without data counts as 0."""
    (expression,) = [one["Expression"] for one in alarm["Metrics"] if "Expression" in one]
    stats = {one["Id"]: one["MetricStat"] for one in alarm["Metrics"] if "MetricStat" in one}
    periods = [
        {name: _statistic(one, period, cloudwatch) for name, one in stats.items()}
        for period in range(alarm["EvaluationPeriods"])
    ]
    if all(value is None for found in periods for value in found.values()):
        return None
    return min(_evaluated(expression, found) for found in periods)


def _evaluated(expression: str, found: dict[str, float | None]) -> float:
    functions = {
        "METRICS": lambda: list(found.values()),
        "SUM": lambda values: sum(value for value in values if value is not None),
        "FILL": lambda value, other: other if value is None else value,
        "IF": lambda condition, yes, no: yes if condition else no,
    }
    try:
        return float(eval(expression, {"__builtins__": {}, **functions, **found}))  # noqa: S307 # nosec B307 # our template's
    except TypeError:  # a metric without data
        return 0.0


def _statistic(stat: dict[str, Any], period: int, cloudwatch: Any) -> float | None:
    """Return a metric's statistic in one period; 0 is the last one, which ends now."""
    metric = stat["Metric"]
    key = (
        metric["Namespace"],
        metric["MetricName"],
        cloudwatch._dims_key(cloudwatch._dims_from_list(metric.get("Dimensions") or [])),
    )
    until = cloudwatch.time.time() - int(stat["Period"]) * period
    since = until - int(stat["Period"])
    points = [point for point in cloudwatch._metrics.get(key, []) if since <= point["Timestamp"] <= until]
    if not points:
        return None
    value: float = cloudwatch._stat_value(cloudwatch._calc_stats(points), stat["Stat"], points)
    return value
