"""What AWS's bill is reckoned from: prices, differences of runs, sizes of items, history events."""

from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.bill import (
    LONGEST_POLLS,
    PRICES,
    ROWS,
    cost,
    cost_by_service,
    each_poll,
    history_events,
    job_with,
    result,
    sleeper,
    textbook,
    what_rows_add,
)
from benchmarks.meter import (
    DAY_UNITS,
    WAITING_INDEX,
    Video,
    billed_seconds,
    changed_rows,
    item_bytes,
    less,
    plus,
    times,
    write_units,
)
from dropreel.provider.answers import Accepted, Busy
from tests.support.fake_stack import JOB_ID, FakeStack
from tests.unit.benchmarks.table_changes import Change, one_video, watched

PAGE = Path(__file__).resolve().parents[3] / "docs" / "performance.md"

FEW = {"polls": 5.0, "transitions": 18.0, "secret_calls": 0.0}
MANY = {"polls": 25.0, "transitions": 78.0, "secret_calls": 0.0}


def video(polls: int, **more: float) -> Video:
    counts = {
        "polls": float(polls),
        "transitions": 3.0 * polls + 3,
        "lambda_requests": polls + 2.0,
        "lambda_gb_seconds": 0.01 * polls + 0.5,
        "dynamodb_write_units": 2.0 * polls + 20,
        "dynamodb_read_units": polls + 2.0,
        "log_bytes": 800.0 * polls + 2000,
        "aws_calls": 2.0 * polls + 20,
        "provider_calls": polls + 3.0,
        "secret_calls": 3.0,
        **more,
    }
    states = {"Pass": 1, "Wait": polls, "Task": polls + 1, "Choice": polls, "Succeed": 1}
    return Video(counts, states, {"dynamodb:GetItem": polls + 2}, 8 * polls + 10, 1400)


# --- prices -----------------------------------------------------------------------------------------------------------


def test_counts_are_priced_by_their_unit() -> None:
    assert cost({"transitions": 1000}) == pytest.approx(0.025)
    assert cost({"lambda_requests": 1_000_000, "lambda_gb_seconds": 1000}) == pytest.approx(0.20 + 0.0133334)
    assert cost({"log_bytes": 1024**3}) == pytest.approx(0.50)


def test_what_has_no_price_costs_nothing() -> None:
    assert cost({"polls": 1000, "aws_calls": 1000}) == 0


def test_the_services_together_are_the_whole_bill() -> None:
    counts = dict.fromkeys(PRICES, 1000.0)

    assert sum(cost_by_service(counts).values()) == pytest.approx(cost(counts))
    assert cost_by_service({"s3_puts": 1000, "s3_gets": 1000})["S3"] == pytest.approx(0.0054)


# --- from counted runs to any length ----------------------------------------------------------------------------------


def test_a_poll_is_the_difference_of_two_runs() -> None:
    assert each_poll(FEW, MANY) == {"polls": 1, "transitions": 3, "secret_calls": 0}


def test_runs_with_the_same_number_of_polls_tell_nothing_of_a_poll() -> None:
    with pytest.raises(ValueError, match="more polls"):
        each_poll(FEW, FEW)


def test_a_job_of_any_length_is_its_polls_and_the_rest() -> None:
    poll = each_poll(FEW, MANY)
    rest = less(FEW, times(poll, FEW["polls"]))

    assert rest["transitions"] == 3
    assert job_with(25, poll, rest, 25) == MANY
    assert job_with(36, poll, rest, 180)["transitions"] == 111


def test_the_key_is_asked_for_again_each_five_minutes() -> None:
    poll = each_poll(FEW, MANY)

    assert [job_with(1, poll, {}, seconds)["secret_calls"] for seconds in (299, 300, 600)] == [0, 1, 2]


def test_counts_of_different_names_are_added() -> None:
    assert plus({"a": 1.0}, {"a": 2.0, "b": 3.0}) == {"a": 3, "b": 3}
    assert less({"a": 1.0}, {"b": 2.0}) == {"a": 1, "b": -2}


# --- what the services count ------------------------------------------------------------------------------------------


def test_an_item_is_its_names_and_its_values() -> None:
    assert item_bytes({"day": {"S": "2026-11-12"}}) == 3 + 10
    assert item_bytes({"n": {"N": "-12.345"}}) == 1 + 3 + 1 + 1
    assert item_bytes({"é": {"BOOL": True}}) == 2 + 1
    assert item_bytes({"l": {"L": [{"S": "ab"}, {"NULL": True}]}}) == 1 + 3 + 2 + 2 + 1
    assert item_bytes({"m": {"M": {"ab": {"S": "c"}}}}) == 1 + 3 + 1 + 2 + 1
    assert item_bytes({"s": {"SS": ["ab", "c"]}}) == 1 + 3


def test_a_value_of_unknown_type_has_no_size() -> None:
    with pytest.raises(ValueError, match="type B"):
        item_bytes({"b": {"B": b"1"}})


@pytest.mark.parametrize(("size", "units"), [(1, 1), (1023, 1), (1024, 2)])
def test_a_write_is_billed_by_begun_kilobytes_of_the_larger_image(size: int, units: int) -> None:
    small, large = {"a": {"S": ""}}, {"a": {"S": "x" * size}}

    assert write_units(small, large, in_transaction=False) == units
    assert write_units(large, small, in_transaction=False) == units
    assert write_units(large, None, in_transaction=True) == 2 * units


def test_an_index_is_billed_for_entries_that_come_go_or_change() -> None:
    index = ("waiting", "created_at")
    out = {"created_at": {"S": "1"}}
    waits, other = {**out, "waiting": {"S": "generating"}}, {**out, "waiting": {"S": "publishing"}}

    def units(old: dict[str, dict[str, str]] | None, new: dict[str, dict[str, str]] | None) -> int:
        return write_units(old, new, index, in_transaction=False)

    assert units(None, waits) == 1 + 1
    assert units(waits, waits) == 1
    assert units(waits, other) == 1 + 2
    assert units(other, out) == 1 + 1
    assert units(out, out) == 1


def units_of(changes: list[Change]) -> float:
    """What the changes take by what each of them really was: in a transaction or not."""
    return sum(
        write_units(one.old, one.new, WAITING_INDEX if one.table == "jobs" else (), in_transaction=one.in_transaction)
        for one in changes
    )


def rows_of(changes: list[Change]) -> dict[str, float]:
    """What the meter finds in the job table's stream of these changes."""
    return changed_rows([one.record for one in changes if one.table == "jobs"], JOB_ID)


def test_every_row_of_a_job_is_counted_as_it_was_written() -> None:
    changes = one_video()

    found = rows_of(changes)

    assert found["claims"] == 1
    assert found["dynamodb_write_units"] == units_of(changes)
    (picture,) = [one for one in changes if one.key.get("row") == {"S": "picture"}]
    assert found["write_units_of_picture"] == units_of([picture])


def test_a_job_that_is_there_from_its_first_receive_takes_three_units_more() -> None:
    """Its first write, that entry of the index, and that the claim then changes an entry instead of adding one."""
    assert rows_of(one_video())["write_units_of_first_receive"] == 3


def test_what_the_rows_add_does_not_depend_on_how_long_it_takes() -> None:
    short, long = (rows_of(one_video(polls)) for polls in (1, 20))

    assert {name: count for name, count in short.items() if name.startswith("write_units_of_")} == {
        name: count for name, count in long.items() if name.startswith("write_units_of_")
    }
    assert long["dynamodb_write_units"] - short["dynamodb_write_units"] >= 19


def test_rows_of_other_jobs_are_not_counted() -> None:
    changes = one_video()

    assert rows_of([*changes, *strangers(changes)]) == rows_of(changes)


def strangers(changes: list[Change]) -> list[Change]:
    """The same changes, of another job."""

    def renamed(item: dict[str, dict[str, str]] | None) -> dict[str, dict[str, str]] | None:
        if item is None:
            return None
        return {name: {"S": "f" * 24} if value == {"S": JOB_ID} else value for name, value in item.items()}

    return [
        replace(one, key=renamed(one.key) or {}, old=renamed(one.old), new=renamed(one.new))
        for one in changes
        if one.table == "jobs"
    ]


def test_a_submission_that_was_deferred_is_counted_with_its_release() -> None:
    stack = FakeStack()
    changes = watched(stack)
    stack.provider.submit_answer = Busy(429, None, None)
    stack.run()
    stack.provider.submit_answer = Accepted("gen_1", "created")
    stack.comes_again()

    days = [one for one in changes if one.table == "spend"]

    assert rows_of(changes)["claims"] == 2
    assert len(days) == 3  # two claims, and a release, which the meter leaves out: it counts undisturbed videos
    assert rows_of(changes)["dynamodb_write_units"] == units_of(changes) - DAY_UNITS


def test_the_page_says_what_the_rows_add_to_the_bill() -> None:
    added = what_rows_add(rows_of(one_video()), 0.003)
    units = sum(added[name] for name in ROWS)

    page = " ".join(PAGE.read_text(encoding="utf-8").split())
    assert f"{units:.0f} write units a video" in page
    assert f"${added['usd']:.6f}" in page
    assert added["share"] < 0.005
    assert "less than half a per cent of the bill" in page


def test_processor_time_is_stretched_to_the_share_of_a_core() -> None:
    assert billed_seconds(1.0, 0.0, 256) == 1.0
    assert billed_seconds(1.0, 0.4, 256) == pytest.approx(0.6 + 0.4 * 1769 / 256)
    assert billed_seconds(0.1, 0.2, 1769) == pytest.approx(0.2)
    assert billed_seconds(0.2, 0.2, 3008) == pytest.approx(0.2)


def test_a_poll_is_nine_events_and_the_longest_job_stays_far_from_the_end() -> None:
    assert history_events({"Wait": 1, "Task": 1, "Choice": 1}) - history_events({}) == 9
    longest = {"Pass": 1, "Wait": LONGEST_POLLS, "Task": LONGEST_POLLS + 1, "Choice": LONGEST_POLLS, "Succeed": 1}

    assert history_events(longest) == LONGEST_POLLS * 9 + 2 + 5 + 2 + 2 < 20_000


# --- rivals and the whole ---------------------------------------------------------------------------------------------


def test_a_sleeping_function_pays_for_its_sleep_and_for_no_state() -> None:
    rest = {"lambda_gb_seconds": 1.0, "log_bytes": 10.0}
    job = {"transitions": 111.0, "dynamodb_write_units": 92.0, "log_bytes": 1000.0, "s3_puts": 3.0}

    asleep = sleeper(job, rest, 180)

    assert (asleep["transitions"], asleep["dynamodb_write_units"], asleep["log_bytes"]) == (0, 0, 10)
    assert asleep["lambda_gb_seconds"] == pytest.approx(180 * 0.5 + 1)
    assert asleep["s3_puts"] == 3


def test_without_tables_all_but_dynamodb_stays() -> None:
    job = {"transitions": 111.0, "dynamodb_write_units": 92.0, "dynamodb_read_units": 38.0}

    assert textbook(job) == {"transitions": 111, "dynamodb_write_units": 0, "dynamodb_read_units": 0}


def test_the_result_reckons_each_length_from_three_counted_videos() -> None:
    found = result(video(5), video(6), video(26))

    assert [one["polls"] for one in found["videos"]] == [12, 36, 120]
    assert [one["transitions"] for one in found["videos"]] == [39, 111, 363]
    assert found["a_poll"]["dynamodb_write_units"] == 2
    assert found["history_events"]["a_poll_on_aws"] == 9
    assert found["history_events"]["a_poll_here"] == 8
    assert all(one["without_tables"]["ours_against_it"] > 1 for one in found["videos"])
    assert [one["met"] for one in found["targets"]] == [True, True, True]


def test_an_item_that_no_longer_fits_a_read_unit_is_told() -> None:
    few = video(6)
    large = Video(few.counts, few.states, few.calls, few.local_events, 4097)

    with pytest.raises(ValueError, match="read unit"):
        result(video(5), few, large)
