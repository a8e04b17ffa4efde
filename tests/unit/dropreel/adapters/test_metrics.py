"""The line that CloudWatch reads a metric from (CloudWatch's specification of the Embedded Metric Format)."""

import json
import time
from typing import Any

import pytest

from dropreel.adapters import metrics as adapter
from dropreel.adapters.metrics import Metrics
from dropreel.domain.current_job import work_on
from dropreel.domain.job import EventType
from dropreel.domain.metrics import Metric
from dropreel.domain.reasons import Reason, ReasonCode
from tests.support.sample_jobs import job_with


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
    work_on("0f3c", "gen_1")

    Metrics("shop").count(metric, "0f3c")

    line = written(capsys)
    assert line["_aws"]["CloudWatchMetrics"] == [
        {"Namespace": "Dropreel", "Dimensions": [["stack"]], "Metrics": [{"Name": metric.value, "Unit": metric.unit}]}
    ]
    assert {name: value for name, value in line.items() if name != "_aws"} == {
        "stack": "shop",
        "job_id": "0f3c",
        "generation_id": "gen_1",
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


def test_a_gauge_has_its_value_and_no_job(capsys: pytest.CaptureFixture[str]):
    Metrics("shop").write(Metric.SPEND_RESERVED_USD, 4.7)

    line = written(capsys)
    assert {name: value for name, value in line.items() if name != "_aws"} == {
        "stack": "shop",
        "SpendReservedUsd": [4.7],
        "job_id": None,
        "generation_id": None,
    }


def test_a_failed_job_is_written_with_its_reason_code(capsys: pytest.CaptureFixture[str]):
    job = job_with(status="failed", generation_id="gen_1", reason=Reason(ReasonCode.TIMED_OUT, "x"))

    Metrics("shop").measure(EventType.FAILED, job)

    line = written(capsys)
    assert line["GenerationsFailed"] == [1.0]
    assert (line["job_id"], line["generation_id"], line["reason_code"]) == (job.job_id, "gen_1", "timed_out")


def test_a_metric_that_cannot_be_written_is_logged_and_raises_nothing(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    def fail(**_arguments: Any) -> None:
        raise OSError("standard output is closed")

    monkeypatch.setattr(adapter, "single_metric", fail)

    Metrics("shop").count(Metric.NO_BALANCE, "0f3c")

    assert [record.message for record in caplog.records] == ["metric not written"]
