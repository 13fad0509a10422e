"""Money: text to cents and back, and splits that lose nothing."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.money import (
    CENTS_MAX,
    MoneyError,
    cents_from_integer_text,
    cents_from_text,
    format_cents,
    format_signed,
    split_cents,
)

CENTS = st.integers(-CENTS_MAX, CENTS_MAX)


@pytest.mark.parametrize(
    ("text", "cents"),
    [("12.50", 1250), ("12.5", 1250), ("0", 0), ("-0.01", -1), ("+7", 700), ("00012.00", 1200)],
)
def test_amounts_as_people_write_them(text, cents):
    assert cents == cents_from_text(text)


@pytest.mark.parametrize(
    "text",
    ["", "12.505", "1,234.00", "1e3", "NaN"," 1.00", "1.00\n", "1.", ".5", "$5", "--1",
     "\u0661\u0662", "9" * 40, "12_0"],
)  # fmt: skip
def test_what_is_not_an_amount_is_refused(text):
    with pytest.raises(MoneyError):
        cents_from_text(text)


@pytest.mark.parametrize("value", [12.5, 12, None, b"12.50"])
def test_only_text_is_read(value):
    with pytest.raises(TypeError):
        cents_from_text(value)


@pytest.mark.parametrize("text", ["12.50", "", "1e3", "x", "1 000", "99999999999999"])
def test_cent_columns_hold_whole_cents_only(text):
    with pytest.raises(MoneyError):
        cents_from_integer_text(text)


@given(CENTS)
def test_format_and_read_are_inverse(cents):
    text = format_cents(cents).replace(",", "").replace("\N{MINUS SIGN}", "-")

    assert cents == cents_from_text(text)
    assert cents == cents_from_integer_text(str(cents))


def test_format_examples():
    assert format_cents(1234567) == "12,345.67"
    assert format_cents(-2000, "$") == "\N{MINUS SIGN}$20.00"
    assert [format_signed(1), format_signed(0), format_signed(-1)] == [
        "+0.01",
        "0.00",
        "\N{MINUS SIGN}0.01",
    ]


@given(CENTS, st.integers(1, 500))
def test_a_split_keeps_every_cent_and_is_fair(total, parts):
    shares = split_cents(total, parts)

    assert total == sum(shares)
    assert parts == len(shares)
    assert max(shares) - min(shares) <= 1


def test_a_split_into_nothing_is_a_mistake():
    with pytest.raises(ValueError):
        split_cents(100, 0)
