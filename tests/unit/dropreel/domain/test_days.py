import time
from datetime import UTC, datetime, timedelta, timezone

import pytest

from dropreel.domain.days import day_of, next_day


def test_a_day_begins_at_midnight_utc():
    midnight = datetime(2026, 11, 12, tzinfo=UTC)

    assert day_of(midnight) == "2026-11-12"
    assert day_of(midnight - timedelta(microseconds=1)) == "2026-11-11"


@pytest.fixture(params=["UTC", "Asia/Tokyo"])
def _machines_zone(request, monkeypatch):
    """Set the machine's time zone."""
    monkeypatch.setenv("TZ", request.param)
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.usefixtures("_machines_zone")
@pytest.mark.parametrize(
    "now",
    [
        datetime(2026, 11, 30, tzinfo=UTC),
        datetime(2026, 11, 30, 12, 34, 56, 789, tzinfo=UTC),
        datetime(2026, 11, 30, 23, 59, 59, 999_999, tzinfo=UTC),
        datetime(2026, 12, 1, 8, 59, tzinfo=timezone(timedelta(hours=9))),
        datetime(2026, 11, 29, 16, 0, tzinfo=timezone(timedelta(hours=-8))),
    ],
)
def test_the_next_day_begins_at_the_coming_midnight_utc(now):
    assert next_day(now) == datetime(2026, 12, 1, tzinfo=UTC)
