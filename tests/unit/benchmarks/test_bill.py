"""The formulas of AWS's bill: prices, differences of runs, sizes of items, history events."""

from dataclasses import replace
from typing import Any

import pytest

from benchmarks.bill import PRICES, cost, cost_by_service, each_poll, figures_of, job_of, report
from benchmarks.meter import (
    DAY_UNITS,
    INDEXES,
    Video,
    add,
    billed_seconds,
    count_calls,
    count_changes,
    item_bytes,
    multiply,
    subtract,
    write_units,
)
from dropreel.provider.submit_answers import Accepted, Busy
from tests.support.fake_stack import JOB_ID, FakeStack
from tests.support.table_changes import Change, changes_of_one_video, record_changes

FEW = {"polls": 5.0, "transitions": 18.0, "secret_calls": 0.0}
MANY = {"polls": 25.0, "transitions": 78.0, "secret_calls": 0.0}


def video(polls: int, item_bytes: int = 1400) -> Video:
    counts = {
        "polls": float(polls),
        "transitions": 3.0 * polls + 3,
        "lambda_requests": polls + 2.0,
        "lambda_gb_seconds": 0.01 * polls + 0.5,
        "dynamodb_write_units": 2.0 * polls + 20,
        "log_bytes": 800.0 * polls + 2000,
        "state_log_bytes": 300.0 * polls + 400,
        "aws_calls": 2.0 * polls + 20,
        "provider_calls": polls + 3.0,
        "secret_calls": 3.0,
    }
    return Video(counts, item_bytes)


def test_counts_are_priced_by_their_unit() -> None:
    assert cost({"transitions": 1000}) == pytest.approx(0.025)
    assert cost({"lambda_requests": 1_000_000, "lambda_gb_seconds": 1000}) == pytest.approx(0.20 + 0.0133334)
    assert cost({"log_bytes": 1024**3, "polls": 1000}) == pytest.approx(0.50)


def test_the_services_together_are_the_whole_bill() -> None:
    counts = dict.fromkeys(PRICES, 1000.0)

    assert sum(cost_by_service(counts).values()) == pytest.approx(cost(counts))
    assert cost_by_service({"s3_puts": 1000, "s3_gets": 1000})["S3"] == pytest.approx(0.0054)


def test_a_job_of_any_length_is_its_polls_and_the_rest() -> None:
    poll = each_poll(FEW, MANY)
    rest = subtract(FEW, multiply(poll, FEW["polls"]))

    assert poll == {"polls": 1, "transitions": 3, "secret_calls": 0}
    assert rest["transitions"] == 3
    assert job_of(125, poll, rest) == MANY
    assert [job_of(seconds, poll, rest)["transitions"] for seconds in (60, 180, 600)] == [39, 111, 363]
    assert [job_of(seconds, poll, rest)["secret_calls"] for seconds in (299, 300, 600)] == [0, 1, 2]


def test_runs_with_equally_many_polls_are_refused() -> None:
    with pytest.raises(ValueError, match="more polls"):
        each_poll(FEW, FEW)


def test_counts_of_different_names_are_added() -> None:
    assert add({"a": 1.0}, {"a": 2.0, "b": 3.0}) == {"a": 3, "b": 3}
    assert subtract({"a": 1.0}, {"b": 2.0}) == {"a": 1, "b": -2}


def test_a_poll_and_the_rest_come_from_three_counted_videos() -> None:
    figures = figures_of(video(5), video(6), video(26))

    assert figures["a_poll"]["transitions"] == figures["rest_of_a_job"]["transitions"] == 3
    assert (figures["a_poll"]["dynamodb_write_units"], figures["rest_of_a_job"]["dynamodb_write_units"]) == (2, 20)
    assert (figures["a_poll"]["state_log_bytes"], figures["rest_of_a_job"]["state_log_bytes"]) == (300, 400)
    assert [target.met for target in report(figures).targets] == [True, True]


def test_an_item_larger_than_a_read_unit_is_refused() -> None:
    with pytest.raises(ValueError, match="read unit"):
        figures_of(video(5), video(6), video(26, item_bytes=4097))


def test_an_item_is_its_names_and_its_values() -> None:
    assert item_bytes({"day": {"S": "2026-11-12"}}) == 3 + 10
    assert item_bytes({"n": {"N": "-12.345"}}) == 1 + 3 + 1 + 1
    assert item_bytes({"é": {"BOOL": True}}) == 2 + 1
    assert item_bytes({"l": {"L": [{"S": "ab"}, {"NULL": True}]}}) == 1 + 3 + 2 + 2 + 1
    assert item_bytes({"m": {"M": {"ab": {"S": "c"}}}}) == 1 + 3 + 1 + 2 + 1
    assert item_bytes({"s": {"SS": ["ab", "c"]}}) == 1 + 3
    with pytest.raises(ValueError, match="type B"):
        item_bytes({"b": {"B": b"1"}})


@pytest.mark.parametrize(("size", "units"), [(1, 1), (1023, 1), (1024, 2)])
def test_a_write_is_billed_by_started_kilobytes_of_the_larger_image(size: int, units: int) -> None:
    small, large = {"a": {"S": ""}}, {"a": {"S": "x" * size}}

    assert write_units(small, large, in_transaction=False) == units
    assert write_units(large, small, in_transaction=False) == units
    assert write_units(large, None, in_transaction=True) == 2 * units


def test_an_index_is_billed_for_entries_that_come_go_or_change() -> None:
    out = {"created_at": {"S": "1"}}
    waits, other = {**out, "waiting": {"S": "generating"}}, {**out, "waiting": {"S": "publishing"}}
    changes: list[tuple[Any, Any]] = [(None, waits), (waits, waits), (waits, other), (other, out), (out, out)]

    units = [write_units(old, new, ("waiting", "created_at"), in_transaction=False) for old, new in changes]

    assert units == [1 + 1, 1, 1 + 2, 1 + 1, 1]


def units_of(changes: list[Change]) -> float:
    """Return the write units of the changes, each counted in a transaction or not as it was written."""
    return sum(
        write_units(one.old, one.new, *(INDEXES if one.table == "jobs" else ()), in_transaction=one.in_transaction)
        for one in changes
    )


def counted(changes: list[Change]) -> dict[str, float]:
    """Return the meter's counts for the job table's stream of these changes."""
    return count_changes([one.record for one in changes if one.table == "jobs"], JOB_ID)


@pytest.mark.parametrize("polls", [1, 2, 20])
def test_every_row_of_a_job_is_counted_as_it_was_written(polls: int) -> None:
    changes = changes_of_one_video(polls)

    assert counted(changes)["claims"] == 1
    assert counted(changes)["dynamodb_write_units"] == units_of(changes)


def test_rows_of_other_jobs_are_not_counted() -> None:
    changes = changes_of_one_video()

    def renamed(item: Any) -> Any:
        return item and {name: {"S": "f" * 24} if value == {"S": JOB_ID} else value for name, value in item.items()}

    others = [replace(one, key=renamed(one.key), old=renamed(one.old), new=renamed(one.new)) for one in changes]

    assert counted([*changes, *others]) == counted(changes)


def test_a_submission_that_was_deferred_is_counted_with_both_claims() -> None:
    stack = FakeStack()
    changes = record_changes(stack)
    stack.provider.submit_answer = Busy(429, None, None)
    stack.run()
    stack.provider.submit_answer = Accepted("gen_1", "created")
    stack.deliver_retry_message()

    assert counted(changes)["claims"] == 2
    assert (
        len([one for one in changes if one.table == "spend"]) == 3
    )  # the meter has no release: the videos that it counts have none
    assert counted(changes)["dynamodb_write_units"] == units_of(changes) - DAY_UNITS


def test_calls_are_counted_by_their_price() -> None:
    def call(service: str, name: str, **request: Any) -> dict[str, Any]:
        return {"eventSource": f"{service}.amazonaws.com", "eventName": name, "requestParameters": request}

    entries = [{"Detail": "small"}, {"Detail": "x" * 70_000}]
    reads = [call("dynamodb", "GetItem", ConsistentRead=consistent) for consistent in (True, False)]

    found = count_calls([*reads, call("events", "PutEvents", Entries=entries), call("s3", "PutObject")])

    assert found == {"aws_calls": 4, "dynamodb_read_units": 1.5, "events": 3, "s3_puts": 1}
    with pytest.raises(LookupError, match="s3:CopyObject"):
        count_calls([call("s3", "CopyObject")])


def test_processor_time_is_stretched_to_the_share_of_a_core() -> None:
    assert billed_seconds(1.0, 0.0, 256) == 1.0
    assert billed_seconds(1.0, 0.4, 256) == pytest.approx(0.6 + 0.4 * 1769 / 256)
    assert billed_seconds(0.1, 0.2, 1769) == pytest.approx(0.2)
    assert billed_seconds(0.2, 0.2, 3008) == pytest.approx(0.2)
