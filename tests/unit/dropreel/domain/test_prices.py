from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dropreel.domain.prices import price_cents, usd


@pytest.mark.parametrize(
    ("mode", "duration", "dollars"),
    [("fast", 5, "0.47"), ("fast", 10, "0.94"), ("hq", 5, "0.94"), ("hq", 10, "1.87")],
)
def test_a_price_is_the_providers(mode, duration, dollars):
    assert usd(price_cents(mode, duration)) == Decimal(dollars)


@pytest.mark.parametrize(("mode", "duration"), [("fast", 7), ("slow", 5), ("", 10)])
def test_an_unknown_mode_or_duration_has_no_price(mode, duration):
    with pytest.raises(KeyError):
        price_cents(mode, duration)


@pytest.mark.parametrize(("cents", "text"), [(0, "0.00"), (7, "0.07"), (100, "1.00"), (123456, "1234.56")])
def test_dollars_have_two_decimals(cents, text):
    assert str(usd(cents)) == text


@given(st.lists(st.integers(min_value=0, max_value=10**12)))
def test_adding_dollars_loses_no_cent(amounts):
    assert sum(map(usd, amounts), Decimal(0)) * 100 == sum(amounts)
