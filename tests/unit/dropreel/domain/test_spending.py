import pytest

from dropreel.domain.spending import SpendLimit


@pytest.mark.parametrize(
    ("text", "cents"),
    [
        ("50", 5000),
        ("0", 0),
        ("0.00", 0),
        ("0.01", 1),
        ("0.1", 10),
        ("0.47", 47),
        ("1.15", 115),
        ("2.30", 230),
        ("007", 700),
        ("9999999.99", 999_999_999),
        ("unlimited", None),
    ],
)
def test_a_limit_is_read_to_the_cent(text, cents):
    assert SpendLimit.parse(text) == SpendLimit(cents)


@pytest.mark.parametrize(
    "text",
    [
        *("", " ", "50 ", " 50", "50\n", "-1", "+1", "$50", "1.", ".5", "1.005", "1,50", "1_000", "1e3", "10000000"),
        *("nan", "inf", "none", "Unlimited", "UNLIMITED", "unlimited ", "٥", "0x10"),
    ],
)
def test_an_invalid_limit_is_refused_and_shown(text):
    with pytest.raises(ValueError, match="dollars with up to two decimals, or unlimited") as refused:
        SpendLimit.parse(text)

    assert repr(text) in str(refused.value)


@pytest.mark.parametrize(
    ("limit", "price", "never"),
    [(46, 47, True), (47, 47, False), (48, 47, False), (1, 187, True), (0, 47, False), (None, 187, False)],
)
def test_only_a_price_above_the_whole_limit_is_rejected(limit, price, never):
    assert SpendLimit(limit).rejects(price) is never


@pytest.mark.parametrize(
    ("limit", "reserved", "room"),
    [(100, 0, 100), (100, 47, 53), (100, 100, 0), (100, 140, 0), (0, 0, 0), (None, 9, None)],
)
def test_the_room_is_the_rest_of_the_limit(limit, reserved, room):
    assert SpendLimit(limit).room_after(reserved) == room
