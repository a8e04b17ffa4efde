"""The page of charges: today, 30 days, folders; read once for all pages."""

import threading
import time
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from dropreel.domain.days import day_of, spend_day
from dropreel.domain.job import Charge, Job, JobStatus
from dropreel.domain.reasons import Reason, ReasonCode
from dropreel.domain.spending import SpendLimit
from dropreel_cli.job_story import Submission
from dropreel_cli.spending import Charged, Day, Spending, SpendReader, Sums
from dropreel_cli.web import spend_days
from dropreel_cli.web.charges import HEIGHT, TOP, Today, chart_of
from dropreel_cli.web.spend_days import SpendDays, SpendState
from tests.support.command_stack import CommandStack, command_stack
from tests.support.sample_jobs import IMAGE, PRICE, job_with
from tests.unit.web.conftest import Board, now


def charged(shop: CommandStack, number: int, days_ago: int = 0, charge: Charge = Charge.CHARGED, **changes: Any) -> Job:
    """Put a job with its submission, and reserve its price."""
    at = now() - timedelta(days=days_ago)
    key = changes.pop("key", f"holiday/{number}.jpg")
    job = job_with(
        job_id=f"{number:024}",
        image=IMAGE._replace(key=key),
        status=changes.pop("status", JobStatus.COMPLETED),
        charge=charge,
        created_at=at,
        updated_at=at,
        **changes,
    )
    shop.put(job)
    shop.put_submission(job, at, charge, status=job.status, generation_id=f"gen_{number}", reason=job.reason)
    return job


def whole_page(board: Board) -> str:
    """Return the page once every day was read."""
    end = time.monotonic() + 20
    while "Reading the submissions" in (text := board.client.get("/charges").text):
        assert time.monotonic() < end
        time.sleep(0.02)
    return text


def today() -> str:
    return day_of(now())


def test_while_the_days_are_read_the_page_says_so_and_follows(board: Board, monkeypatch: pytest.MonkeyPatch) -> None:
    released = threading.Event()

    def waits(*_: Any) -> Spending:
        released.wait(10)
        return Spending()

    monkeypatch.setattr(SpendReader, "spending", waits)

    answer = board.client.get("/charges")

    released.set()
    assert "Reading the submissions: 0 of 30 days" in answer.text
    assert "charged." not in answer.text
    assert 'data-follow="/charges/parts" data-seconds="1"' in answer.text


def test_today_is_compared_with_the_cap(board: Board, shop: CommandStack) -> None:
    charged(shop, 1)
    shop.reserve(today(), 1_000)
    board.feed.look()

    text = whole_page(board)

    assert "<strong>$10.00</strong> of $50.00 reserved: 20%. <strong>$40.00</strong> left." in text


@pytest.mark.parametrize(("limit", "percent", "left"), [(None, None, None), (0, 100, 0), (100, 150, 0), (300, 50, 150)])
def test_what_is_left_is_never_less_than_nothing(limit: int | None, percent: int | None, left: int | None) -> None:
    found = Today(150, SpendLimit(limit))

    assert (found.percent, found.left_cents) == (percent, left)


def test_days_folders_and_modes_are_summed(board: Board, shop: CommandStack) -> None:
    charged(shop, 1)
    charged(shop, 2, days_ago=3)
    charged(shop, 3, days_ago=3, charge=Charge.UNKNOWN, status=JobStatus.UNKNOWN, key="cats/<b>.jpg")
    charged(shop, 4, days_ago=40)
    for days_ago, cents in ((0, PRICE), (3, 2 * PRICE)):
        shop.reserve(day_of(now() - timedelta(days=days_ago)), cents)

    text = whole_page(board)

    day = day_of(now() - timedelta(days=3))
    number = '<td class="number">'
    assert f'<th scope="row">{day}</th>{number}$0.47</td>{number}$0.47?</td>{number}$0.94</td>{number}2</td>' in text
    assert f"holiday/</a></th>{number}2</td>{number}$0.94</td>{number}-</td>" in text
    assert f"cats/</a></th>{number}1</td>{number}$0.00</td>{number}$0.47?</td>" in text
    assert f"fast 5 s</th>{number}3</td>{number}$0.94</td>{number}$0.47?</td>" in text
    assert "difference" not in text


def test_what_was_paid_without_a_video_has_a_link(board: Board, shop: CommandStack) -> None:
    reason = Reason(ReasonCode.GENERATION_FAILED, "no")
    job = charged(shop, 7, status=JobStatus.FAILED, reason=reason, key="<script>alert(1)</script>\u202e.jpg")

    text = whole_page(board)

    assert f'<a href="/jobs/{job.job_id}">&lt;script&gt;alert(1)&lt;/script&gt;\\u202e.jpg</a>' in text
    assert "$0.47 charged: generation_failed" in text


def test_a_difference_to_the_spend_table_is_shown_as_spend_shows_it(board: Board, shop: CommandStack) -> None:
    charged(shop, 1)
    shop.reserve(today(), 2 * PRICE)

    text = whole_page(board)

    assert (
        f"{today()}: the spend table has $0.94 and the submissions have $0.47, a difference of +$0.47. Submissions"
        in text
    )


def test_amounts_of_a_rehearsal_are_called_simulated(
    monkeypatch: pytest.MonkeyPatch, board_of: Callable[[Any], Board]
) -> None:
    with command_stack(monkeypatch, Rehearsal="true") as shop:
        board = board_of(shop.stack)
        charged(shop, 1, rehearsal=True)
        charged(shop, 2)
        shop.reserve(spend_day(today(), is_rehearsal=True), PRICE)
        board.feed.look()

        text = whole_page(board)

    assert "<strong>$0.47</strong> (simulated) of $50.00 reserved" in text
    assert "<strong>$0.47</strong> (simulated) charged." in text


def test_two_tabs_read_the_table_once(shop: CommandStack, board_of: Callable[[Any], Board]) -> None:
    calls: Counter[str] = Counter()
    events = shop.stack.session.events
    events.register("before-call.dynamodb", lambda model, **_: calls.update([model.name]))
    jobs = [charged(shop, number, days_ago=number % 30) for number in range(70)]
    board = board_of(shop.stack)
    calls.clear()
    board.feed.look()
    whole_page(board)
    one_tab = Counter(calls)

    for path in ("/", "/videos", "/charges", "/charges/parts", "/", "/charges"):
        assert board.client.get(path).status_code == 200

    assert calls == one_tab
    assert one_tab["BatchGetItem"] <= 2 + 30, "the jobs are read by the feed alone, and the submissions day by day"
    assert len(board.feed.snapshot.jobs) == len(jobs)


def test_the_sums_are_kept_for_a_minute_and_old_days_longer(
    board: Board, shop: CommandStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[str] = []
    spending = SpendReader.spending

    def counted(reader: SpendReader, days: Any, **options: Any) -> Spending:
        read.extend(days)
        return spending(reader, days, **options)

    monkeypatch.setattr(SpendReader, "spending", counted)
    whole_page(board)
    assert len(read) == 30
    read.clear()

    monkeypatch.setattr(spend_days, "KEPT_SECONDS", 0.0)
    charged(shop, 1)
    board.client.get("/charges")
    end = time.monotonic() + 20
    while "$0.47" not in board.client.get("/charges").text:
        assert time.monotonic() < end
        time.sleep(0.02)

    assert set(read) == {today(), day_of(now() - timedelta(days=1))}


def test_a_fault_of_aws_is_shown_and_what_was_read_stays(
    board: Board, shop: CommandStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    charged(shop, 1)
    whole_page(board)

    def refuses(*_: Any, **__: Any) -> Spending:
        raise ClientError({"Error": {"Code": "AccessDenied", "Message": "dynamodb:Query <b>"}}, "Query")

    monkeypatch.setattr(SpendReader, "spending", refuses)
    monkeypatch.setattr(spend_days, "KEPT_SECONDS", 0.0)
    end = time.monotonic() + 20
    while "not allowed to do this" not in (text := board.client.get("/charges").text):
        assert time.monotonic() < end
        time.sleep(0.02)

    assert "dynamodb:Query &lt;b&gt;" in text
    assert "<strong>$0.47</strong> charged." in text


def test_where_nothing_could_be_read_no_sum_is_shown(board: Board, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuses(*_: Any, **__: Any) -> Spending:
        raise ClientError({"Error": {"Code": "AccessDenied", "Message": "dynamodb:Query"}}, "Query")

    monkeypatch.setattr(SpendReader, "spending", refuses)
    end = time.monotonic() + 20
    while "not allowed to do this" not in (text := board.client.get("/charges").text):
        assert time.monotonic() < end
        time.sleep(0.02)

    assert "charged." not in text
    assert "<svg" not in text


def test_of_ten_thousand_folders_and_submissions_some_are_listed(board: Board, shop: CommandStack) -> None:
    job = charged(shop, 1)
    whole_page(board)
    reason = Reason(ReasonCode.GENERATION_FAILED, "no")
    submission = Submission(1, 0, now(), now(), today(), PRICE, Charge.CHARGED, "failed", "gen", reason)
    spending = keeper_of(board).state().spending
    spending.without_video += [Charged(job.job_id, submission, job)] * 10_000
    for number in range(10_000):
        spending.folders[f"folder-{number}/"].add(submission)

    text = board.client.get("/charges").text

    assert "These are the last 50 of 10,000" in text
    assert "These are the 50 most expensive of 10,001" in text
    assert len(text) < 60_000


def keeper_of(board: Board) -> SpendDays:
    for route in board.application.app.routes:
        if getattr(route, "path", "") == "/charges":
            found: SpendDays = route.endpoint.__self__.spend_days
            return found
    raise AssertionError("there is no page of charges")


# --- the chart -----------------------------------------------------------------------------------------------------------


def state_of(*cents: tuple[int, int]) -> SpendState:
    days = tuple(f"2026-05-{number:02}" for number in range(1, len(cents) + 1))
    found = [
        Day(day, Sums(charged_cents=charged, unknown_cents=unknown), charged + unknown)
        for day, (charged, unknown) in zip(days, cents, strict=True)
    ]
    return SpendState(days, Spending(found))


def test_bars_stand_on_each_other_up_to_the_cap() -> None:
    chart = chart_of(state_of((500, 250), (0, 0)), SpendLimit(1_000))

    first, second = chart.bars
    assert (first.charged, first.unknown) == (HEIGHT / 2, HEIGHT / 4)
    assert first.unknown_y + first.unknown == first.charged_y
    assert first.charged_y + first.charged == TOP + HEIGHT
    assert (second.charged, second.unknown) == (0, 0)
    assert (chart.cap_y, chart.is_to_scale) == (TOP, True)


def test_more_than_the_cap_reaches_above_its_line() -> None:
    chart = chart_of(state_of((2_000, 0)), SpendLimit(1_000))

    assert chart.bars[0].charged_y == TOP
    assert chart.cap_y == TOP + HEIGHT / 2


def test_little_below_a_high_cap_is_seen_with_a_scale_of_its_own() -> None:
    chart = chart_of(state_of((47, 0)), SpendLimit(100_000))

    assert chart.bars[0].charged > HEIGHT / 2
    assert (chart.is_to_scale, chart.cap_y) == (False, TOP - 12)


def test_without_a_cap_there_is_no_line() -> None:
    assert chart_of(state_of((47, 0)), SpendLimit(None)).cap_y is None
    assert chart_of(state_of((0, 0)), SpendLimit(0)).cap_y == TOP + HEIGHT
