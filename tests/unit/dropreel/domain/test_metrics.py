"""What the event of a job measures, and in which unit."""

from datetime import timedelta

import pytest
from aws_lambda_powertools.metrics import MetricUnit

from dropreel.domain.job import EventType
from dropreel.domain.metrics import Metric, measurements_of
from tests.support.sample_jobs import NOON, job_with


@pytest.mark.parametrize("metric", Metric)
def test_every_unit_is_one_of_cloudwatchs(metric: Metric):
    assert metric.unit in [unit.value for unit in MetricUnit]


def test_a_delivered_video_is_counted_with_its_seconds_since_the_submission():
    job = job_with(submitted_at=NOON, updated_at=NOON + timedelta(seconds=93))

    assert measurements_of(EventType.COMPLETED, job) == {Metric.VIDEOS_DELIVERED: 1, Metric.GENERATION_SECONDS: 93}


@pytest.mark.parametrize(
    ("event", "metric"),
    [
        (EventType.SUBMITTED, Metric.IMAGES_SUBMITTED),
        (EventType.REJECTED, Metric.IMAGES_REJECTED),
        (EventType.FAILED, Metric.GENERATIONS_FAILED),
        (EventType.UNKNOWN, Metric.JOBS_UNKNOWN),
    ],
)
def test_an_event_counts_one(event: EventType, metric: Metric):
    assert measurements_of(event, job_with()) == {metric: 1}


@pytest.mark.parametrize("event", [EventType.HELD, EventType.DEFERRED])
def test_waiting_is_measured_by_the_sweeper_alone(event: EventType):
    assert measurements_of(event, job_with()) == {}
