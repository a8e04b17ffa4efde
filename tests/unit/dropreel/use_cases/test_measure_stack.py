"""What the sweeper measures for the alarms and the dashboard, and that nothing depends on it."""

from dataclasses import replace
from datetime import timedelta

import pytest

from dropreel.domain.job import EventType, JobStatus
from dropreel.domain.metrics import Metric
from dropreel.domain.prices import PriceTable
from dropreel.domain.reasons import Reason, ReasonCode
from dropreel.use_cases.measure_stack import MeasureStack
from tests.support.fake_stack import JOB_ID, FakeStack
from tests.support.sample_jobs import NOON
from tests.support.swept_jobs import put_job

DEAD_LETTER = Reason(ReasonCode.DEAD_LETTER, "x")
UNKNOWN = Reason(ReasonCode.SUBMISSION_UNKNOWN, "x")


@pytest.fixture
def stack() -> FakeStack:
    return FakeStack()


def gauges(stack: FakeStack) -> dict[Metric, float]:
    stack.gauges.clear()
    stack.sweep.measure()
    return stack.gauges


def test_an_empty_stack_measures_nothing_that_waits(stack: FakeStack):
    found = gauges(stack)

    assert found == {
        Metric.JOBS_WAITING: 0,
        Metric.OLDEST_JOB_SECONDS: 0,
        Metric.JOBS_HELD: 0,
        Metric.JOBS_UNKNOWN: 0,
        Metric.SPEND_RESERVED_USD: 0,
        Metric.SPEND_PERCENT: 0,
    }


def test_each_waiting_job_is_in_one_gauge(stack: FakeStack):
    for number, status in enumerate(["deferred", "preparing", "submitting", "held", "held", "unknown", "generating"]):
        put_job(stack, number, status)
    put_job(stack, 7, "deferred", reason=DEAD_LETTER)  # the queue of dead letters has an alarm of its own
    put_job(stack, 8, "completed")

    found = gauges(stack)

    assert (found[Metric.JOBS_WAITING], found[Metric.JOBS_HELD], found[Metric.JOBS_UNKNOWN]) == (3, 2, 1)


@pytest.mark.parametrize("status", ["deferred", "preparing", "submitting", "generating"])
def test_the_oldest_job_is_one_that_needs_no_operator_and_no_new_day(stack: FakeStack, status: str):
    put_job(stack, 0, "held", created_at=NOON - timedelta(days=2))
    put_job(stack, 1, "unknown", created_at=NOON - timedelta(days=3))
    put_job(stack, 2, status, created_at=NOON - timedelta(minutes=7))
    stack.clock.time = NOON

    assert gauges(stack)[Metric.OLDEST_JOB_SECONDS] == 420


def test_an_unknown_job_is_measured_until_it_is_settled(stack: FakeStack):
    job = put_job(stack, 0, "unknown", reason=UNKNOWN, pending_events=frozenset({EventType.UNKNOWN}))
    owing = gauges(stack)[Metric.JOBS_UNKNOWN]
    published = stack.publisher.publish(job)
    parked = gauges(stack)[Metric.JOBS_UNKNOWN]
    stack.jobs.save(published, replace(published, status=JobStatus.FAILED))

    assert (owing, parked, gauges(stack)[Metric.JOBS_UNKNOWN]) == (0, 1, 0)
    assert stack.measured == [(EventType.UNKNOWN, job.job_id)]  # it counts at once, before the next sweep


@pytest.mark.parametrize(
    ("limit", "reserved", "percent"),
    [
        (5000, 4000, 80.0),
        (5000, 3999, 79.9),
        (5000, 4953, 99.0),  # the cheapest video still fits
        (5000, 4954, 100.0),
        (5000, 6000, 120.0),  # the limit was lowered during the day
        (40, 0, 0.0),  # below every price: images are rejected, nothing is spent
        (0, 0, None),  # a pause
        (None, 9000, None),
    ],
)
def test_the_days_spend_is_a_part_of_the_limit(
    stack: FakeStack, limit: int | None, reserved: int, percent: float | None
):
    stack.set_daily_limit(limit)
    stack.database.set_reserved(stack.clock().date().isoformat(), reserved)

    found = gauges(stack)

    assert (found[Metric.SPEND_RESERVED_USD], found.get(Metric.SPEND_PERCENT)) == (reserved / 100, percent)


@pytest.mark.parametrize(
    ("prices", "percent"),
    [("fast-5=0.60 fast-10=1.00 hq-5=1.00 hq-10=2.00", 100.0), ("fast-5=0.10 fast-10=1.00 hq-5=1.00 hq-10=2.00", 99.0)],
)
def test_the_cheapest_video_is_that_of_the_stacks_prices(stack: FakeStack, prices: str, percent: float):
    stack.database.set_reserved(stack.clock().date().isoformat(), 4950)
    measure = MeasureStack(stack.jobs, stack.ledger, stack.gauge, stack.clock, PriceTable.parse(prices))

    measure.run()

    assert stack.gauges[Metric.SPEND_PERCENT] == percent


def test_a_sweep_measures_what_it_leaves(stack: FakeStack):
    put_job(stack, 0, "held")

    done = stack.sweep.run()

    assert done == {"released": 1}
    assert (stack.gauges[Metric.JOBS_HELD], stack.gauges[Metric.JOBS_WAITING]) == (0, 1)


def test_a_sweep_is_done_where_the_stack_cannot_be_measured(stack: FakeStack, caplog: pytest.LogCaptureFixture):
    def fail() -> None:
        raise OSError("no table")

    put_job(stack, 0, "held")

    assert replace(stack.sweep, measure=fail).run() == {"released": 1}
    assert "stack not measured" in caplog.text


def test_each_published_event_is_measured_once(stack: FakeStack):
    stack.run()
    stack.redeliver()

    assert stack.measured == [(EventType.SUBMITTED, JOB_ID)]
