"""docs/operations.md has its alarms, metrics and costs from the templates and the code."""

import re
from typing import Any

import pytest

from docs.reference_texts import METRICS
from docs.write_operations import BLOCKS, PAGE, QUEUES, alarm_properties, page
from docs.write_reference import load_template
from dropreel.domain.metrics import Metric
from dropreel.domain.prices import DOCUMENTED
from dropreel.use_cases.measure_stack import MeasureStack
from tests.support.fake_stack import FakeStack
from tests.unit.docs.pages import rows_of
from tests.unit.template.resolved import nested, written

TEXT = PAGE.read_text(encoding="utf-8")


def test_the_page_is_not_stale() -> None:
    assert page(TEXT) == TEXT, "docs/operations.md is stale: run `make docs`"


def test_the_page_has_each_block_once() -> None:
    assert sorted(re.findall(r"<!-- made by docs/write_operations.py: (\w+) -->", TEXT)) == sorted(BLOCKS)


@pytest.mark.parametrize("metric", Metric)
def test_every_metric_has_its_row(metric: Metric) -> None:
    (row,) = [row for row in rows_of(PAGE, "metric") if row[0] == metric]

    assert row[1] == metric.unit


def test_the_gauges_are_what_the_sweeper_writes() -> None:
    stack = FakeStack()
    MeasureStack(stack.jobs, stack.ledger, stack.gauge, stack.clock, DOCUMENTED).run()

    assert set(stack.gauges) == {metric for metric, (when, _) in METRICS.items() if when == "every 5 minutes"}


def test_the_costs_count_each_metric_that_an_alarm_reads() -> None:
    (alarms,) = [row for row in rows_of(PAGE, "what") if row[0].endswith("alarms read")]
    read = sum(
        max(1, sum("MetricStat" in one for one in properties.get("Metrics", ())))
        for properties in alarm_properties().values()
    )

    assert alarms == [f"metrics that {len(alarm_properties())} alarms read", str(read), "$0.10", f"${read / 10:.2f}"]


def test_the_costs_count_the_secrets_of_all_templates() -> None:
    (secrets,) = [row for row in rows_of(PAGE, "what") if row[0].startswith("secrets")]
    templates = (load_template(file) for file in ("template.yaml", "operations.yaml", "notifications.yaml"))
    kinds = [one["Type"] for template in templates for one in template["Resources"].values()]

    assert secrets[1] == str(kinds.count("AWS::SecretsManager::Secret"))


def test_the_costs_count_each_queue_that_lambda_polls() -> None:
    (polled,) = [row for row in rows_of(PAGE, "what") if row[0].startswith("queues")]
    triggers = [event for one in _properties(written()) for event in one.get("Events", {}).values()]
    queues = [one["Properties"]["Queue"] for one in triggers if one["Type"] == "SQS"]
    queues += [one["EventSourceArn"] for one in _properties(nested()["Notifications"]) if "EventSourceArn" in one]

    assert [one["Fn::GetAtt"][0] for one in queues] == list(QUEUES)
    assert polled[1:] == ["4", "$0.26", "$1.04"]


def _properties(template: dict[str, Any]) -> list[dict[str, Any]]:
    return [one.get("Properties", {}) for one in template["Resources"].values()]


def test_each_alarms_row_has_its_command_as_code() -> None:
    rows = rows_of(PAGE, "alarm")

    assert [row[0] for row in rows if "`dropreel " not in row[2]] == []
    assert "--stack" not in "".join(row[2] for row in rows)
