from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dropreel.domain.prices import DOCUMENTED, PriceTable, usd


@pytest.mark.parametrize(
    ("mode", "duration", "dollars"),
    [("fast", 5, "0.47"), ("fast", 10, "0.94"), ("hq", 5, "0.94"), ("hq", 10, "1.87")],
)
def test_a_price_is_the_providers(mode, duration, dollars):
    assert usd(DOCUMENTED.cents_of(mode, duration)) == Decimal(dollars)


@pytest.mark.parametrize(("mode", "duration"), [("fast", 7), ("slow", 5), ("", 10)])
def test_an_unknown_mode_or_duration_has_no_price(mode, duration):
    with pytest.raises(KeyError):
        DOCUMENTED.cents_of(mode, duration)


@pytest.mark.parametrize(("cents", "text"), [(0, "0.00"), (7, "0.07"), (100, "1.00"), (123456, "1234.56")])
def test_dollars_have_two_decimals(cents, text):
    assert str(usd(cents)) == text


@given(st.lists(st.integers(min_value=0, max_value=10**12)))
def test_adding_dollars_loses_no_cent(amounts):
    assert sum(map(usd, amounts), Decimal(0)) * 100 == sum(amounts)


TEXT = "fast-5=0.47 fast-10=0.94 hq-5=0.94 hq-10=1.87"


def test_the_documented_prices_are_the_default():
    assert DOCUMENTED.text == TEXT
    assert PriceTable.parse(TEXT) is DOCUMENTED
    assert (DOCUMENTED.lowest, DOCUMENTED.highest) == (47, 187)


def test_other_prices_have_a_version_of_their_own():
    other = PriceTable.parse("fast-5=0.5 fast-10=1 hq-5=1.00 hq-10=2.05")

    assert other.cents == {("fast", 5): 50, ("fast", 10): 100, ("hq", 5): 100, ("hq", 10): 205}
    assert other.version.startswith("custom-")
    assert other == PriceTable.parse("fast-5=0.50 fast-10=1.00 hq-5=1 hq-10=2.05")
    assert other.version != PriceTable.parse("fast-5=0.5 fast-10=1 hq-5=1.00 hq-10=2.06").version


@pytest.mark.parametrize(
    "text",
    [
        "", "0.47", "fast-5=0.47", TEXT + " ", " " + TEXT, TEXT.replace(" ", "  "), TEXT.replace(" ", ","),
        TEXT + " force", TEXT.replace("0.47", "0,47"), TEXT.replace("0.47", "-0.47"), TEXT.replace("0.47", "0.475"),
        TEXT.replace("0.47", "4e-1"), TEXT.replace("0.47", "٤"), TEXT.replace("fast-5", "fast-6"), TEXT + "\n",
        "fast-10=0.94 fast-5=0.47 hq-5=0.94 hq-10=1.87", TEXT.replace("0.47", "99999"), TEXT + " hq-10=1.87",
    ],
)  # fmt: skip
def test_another_form_is_refused_with_an_example(text):
    with pytest.raises(ValueError, match=r"is not four prices in US dollars, such as 'fast-5=0.47"):
        PriceTable.parse(text)


@pytest.mark.parametrize("price", ["0", "0.0", "0.00", "0000.00"])
@pytest.mark.parametrize("end", ["", " forced"])
def test_a_price_of_nothing_is_refused_even_if_it_is_forced(price, end):
    with pytest.raises(ValueError, match=f"hq-5 is {price}; a price is at least 0.01"):
        PriceTable.parse(TEXT.replace("hq-5=0.94", f"hq-5={price}") + end)


@pytest.mark.parametrize(
    ("was", "price", "name"),
    [("0.47", "4.71", "fast-5"), ("0.47", "0.04", "fast-5"), ("0.47", "47", "fast-5"), ("1.87", "0.18", "hq-10")],
)
def test_a_price_ten_times_apart_is_refused_unless_it_is_forced(was, price, name):
    text = TEXT.replace(was, price)

    with pytest.raises(ValueError, match=f"{name} is {price}, more than 10 times apart from the documented {was}"):
        PriceTable.parse(text)
    mode, _, duration = name.partition("-")
    assert usd(PriceTable.parse(f"{text} forced").cents_of(mode, int(duration))) == Decimal(price)


@pytest.mark.parametrize(("was", "price"), [("0.47", "4.70"), ("0.47", "0.05"), ("1.87", "18.7"), ("1.87", "0.19")])
def test_a_price_within_ten_times_is_taken(was, price):
    assert PriceTable.parse(TEXT.replace(was, price)).version.startswith("custom-")
