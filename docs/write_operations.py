"""Writes the tables of docs/operations.md about metrics, alarms and their cost: `python -m docs.write_operations`.

A block goes between `<!-- made by docs/write_operations.py: NAME -->` and `<!-- end -->`. What to do about an alarm is in its
description in operations.yaml.
"""

import re
from collections.abc import Callable
from typing import Any

import yaml  # type: ignore[import-untyped]  # its stubs are a package of their own

from benchmarks.bill import LIST
from docs.reference_texts import METRICS
from docs.write_reference import ROOT, escaped, table
from dropreel.domain.metrics import Metric

PAGE = ROOT / "docs" / "operations.md"
GAUGES = tuple(metric for metric in Metric if METRICS[metric][0] == "every 5 minutes")
"""Written all the time, so they cost the full price of a month."""
POLLS = 5 * 3 * 60 * 24 * 30
"""Lambda's requests to a queue in a month without messages: five pollers, each of which waits for 20 s."""
QUEUES = {"SubmissionQueue": "", "PrepareQueue": "", "MailQueue": "NotificationEmail", "WebhookQueue": "WebhookUrl"}
"""The queues that Lambda polls, and the parameter with which a queue is there."""
_BLOCK = re.compile(r"(<!-- made by docs/write_operations.py: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)


class _Loader(yaml.SafeLoader):  # type: ignore[misc]  # the base has no types
    """Reads a template; of `!Sub` it keeps the text, other tags of CloudFormation are read as None."""


_Loader.add_multi_constructor("!", lambda *_: None)
_Loader.add_constructor(
    "!Sub", lambda loader, node: loader.construct_scalar(node) if isinstance(node, yaml.ScalarNode) else None
)


def alarm_properties() -> dict[str, dict[str, Any]]:
    """Return the properties of each alarm of the nested stacks by its logical id."""
    found: dict[str, Any] = {}
    for template in ("operations.yaml", "notifications.yaml"):
        found |= yaml.load((ROOT / template).read_text(encoding="utf-8"), _Loader)["Resources"]  # noqa: S506
    return {name: one["Properties"] for name, one in found.items() if one["Type"] == "AWS::CloudWatch::Alarm"}


def alarms() -> str:
    """Return a table of the alarms: when each fires, and what to do."""
    rows = [(f"`{name}`", _when(one), _to_do(one["AlarmDescription"])) for name, one in alarm_properties().items()]
    return table(("alarm", "fires when", "means, and what to do"), rows)


def metrics() -> str:
    """Return a table of the metrics."""
    rows = [(f"`{metric}`", metric.unit, *METRICS[metric]) for metric in Metric]
    return table(("metric", "unit", "written", "what it is"), rows)


def costs() -> str:
    """Return a table of what the stack costs a month without any image, with the optional parameters."""
    alarms_read = sum(_metrics_read(one) for one in alarm_properties().values())
    amounts = {
        "alarm": (f"metrics that {len(alarm_properties())} alarms read", alarms_read),
        "metric": ("metrics that are written all the time", len(GAUGES)),
        "dashboard": ("dashboard", 1),
        "secret": ("secrets, one of them only with `WebhookUrl`", 2),
    }
    rows = [(what, number, LIST["monthly"][name]["usd"]) for name, (what, number) in amounts.items()]
    sqs = LIST["requests"]["sqs_requests"]
    only = " and ".join(f"one only with `{one}`" for one in QUEUES.values() if one)
    rows.append((f"queues that Lambda polls, {only}", len(QUEUES), POLLS * sqs["usd"] / sqs["per"]))
    cells = [(what, str(number), f"${each:.2f}", f"${number * each:.2f}") for what, number, each in rows]
    total = sum(number * each for _, number, each in rows)
    return table(("what", "how many", "each", "a month"), [*cells, ("together, at most", "", "", f"${total:.2f}")])


BLOCKS: dict[str, Callable[[], str]] = {one.__name__: one for one in (alarms, metrics, costs)}


def page(text: str | None = None) -> str:
    """Return docs/operations.md, or the given text, with each block as it is now."""
    text = PAGE.read_text(encoding="utf-8") if text is None else text
    return _BLOCK.sub(lambda found: f"{found[1]}{BLOCKS[found[2]]()}\n{found[3]}", text)


def _metrics_read(alarm: dict[str, Any]) -> int:
    return len([one for one in alarm.get("Metrics", ()) if "MetricStat" in one]) or 1


def _when(alarm: dict[str, Any]) -> str:
    """Return an alarm's condition in words."""
    stats = [one["MetricStat"]["Metric"] for one in alarm.get("Metrics", ()) if "MetricStat" in one] or [alarm]
    names = dict.fromkeys(one["MetricName"] for one in stats)
    if any(one.get("Expression", "").startswith("IF(") for one in alarm.get("Metrics", ())):
        names = dict.fromkeys([stats[0]["MetricName"]])  # the others are only its condition
    sign = {"GreaterThanThreshold": ">", "GreaterThanOrEqualToThreshold": "≥", "LessThanThreshold": "<"}
    period = alarm.get("Period") or next(one["MetricStat"]["Period"] for one in alarm["Metrics"] if "MetricStat" in one)
    minutes = period * alarm["EvaluationPeriods"] // 60
    within = "within" if alarm.get("DatapointsToAlarm", alarm["EvaluationPeriods"]) == 1 else "for"
    condition = f"{sign[alarm['ComparisonOperator']]} {alarm['Threshold']:,}"
    return f"{', '.join(f'`{name}`' for name in names)} {condition} {within} {minutes} min"


def _to_do(description: str) -> str:
    """Return a description with its commands as code, and without the stack's name: it is the default."""
    text = " ".join(description.split()).replace(" --stack ${DropreelStackName}", "")
    text = re.sub(r"(dropreel [a-z]+(?: --?[a-z-]+(?: (?:unknown|watch_ended)\b)?| [A-Z]\w+=\d+)*)", r"`\1`", text)
    return "".join(part if part.startswith("`") else escaped(part) for part in re.split(r"(`[^`]*`)", text))


def main() -> None:
    """Write the page."""
    PAGE.write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main()
