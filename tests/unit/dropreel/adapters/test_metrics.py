"""The line that CloudWatch reads a metric from (CloudWatch's specification of the Embedded Metric Format)."""

import json
import time
from typing import Any

import pytest

from dropreel.adapters.metrics import Metrics
from dropreel.domain.metrics import Metric


@pytest.fixture(autouse=True, params=["", "dropreel"], ids=["no service", "a service"])
def service_name(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Powertools adds its service as a dimension where this variable is set."""
    monkeypatch.setenv("POWERTOOLS_SERVICE_NAME", request.param)


def written(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    output = capsys.readouterr().out
    assert (output.count("\n"), output[-1]) == (1, "\n")
    line: dict[str, Any] = json.loads(output)
    return line


@pytest.mark.parametrize("metric", Metric)
def test_an_occurrence_is_one_line_in_emf(capsys: pytest.CaptureFixture[str], metric: Metric):
    Metrics("shop").count(metric, "0f3c")

    line = written(capsys)
    assert line["_aws"]["CloudWatchMetrics"] == [
        {"Namespace": "Dropreel", "Dimensions": [["stack"]], "Metrics": [{"Name": metric.value, "Unit": "Count"}]}
    ]
    assert {name: value for name, value in line.items() if name != "_aws"} == {
        "stack": "shop",
        "job_id": "0f3c",
        metric.value: [1.0],
    }


def test_its_time_is_in_milliseconds(capsys: pytest.CaptureFixture[str]):
    before = time.time_ns() // 1_000_000

    Metrics("shop").count(Metric.NO_BALANCE, "0f3c")

    assert before <= written(capsys)["_aws"]["Timestamp"] <= time.time_ns() // 1_000_000


def test_two_occurrences_are_two_lines(capsys: pytest.CaptureFixture[str]):
    metrics = Metrics("shop")

    metrics.count(Metric.NO_BALANCE, "0f3c")
    metrics.count(Metric.KEY_REFUSED, "9a")

    first, second = map(json.loads, capsys.readouterr().out.splitlines())
    assert (first["job_id"], second["job_id"]) == ("0f3c", "9a")
    assert ("NoBalance" in second, "KeyRefused" in second) == (False, True)
