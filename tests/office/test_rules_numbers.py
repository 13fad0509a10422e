"""R14: receipt numbers without gaps, by the way a source forms them."""

import pytest

from gateway.office.rule_finding import Fact, Under
from gateway.office.rules import findings
from gateway.policy_file import read_policy
from tests.office.sound_day import DAY, UNDER, receipt


@pytest.fixture
def judged(tmp_path):
    """findings(numbers, toml): the texts of R14. A number is "R1", or ("R1", window)."""

    def judged(numbers, text="", source="cis", last=()):
        path = tmp_path / "policy.toml"
        path.write_text(text)
        given = [(each, "w1") if isinstance(each, str) else each for each in numbers]
        receipts = [
            receipt(number, f"09:{n:02d}", window=window, source=source)
            for n, (number, window) in enumerate(given)
        ]
        day = DAY._replace(receipts=receipts, last_numbers=last)
        return findings(day, Under(read_policy(path), UNDER.calendar), ["R14"])

    return judged


def texts(found):
    return [each.text.partition("; [")[0] for each in found]


def test_a_missing_receipt_is_named_with_its_neighbours(judged):
    found = judged(["R-1001", "R-1002", "R-1004"])

    assert ["cis: 1 receipt number missing: R-1003"] == texts(found)
    assert (Fact("receipt", "R-1002"), Fact("receipt", "R-1004")) == found[0].facts
    assert found[0].blocks


def test_a_void_receipt_has_its_number_too(judged):
    assert [] == judged(["R-1001", "R-1003", "R-1002"])


def test_several_gaps_are_counted_and_the_first_named(judged):
    numbers = [f"{n:05d}" for n in range(90, 120, 3)]

    assert [
        "cis: 18 receipt numbers missing: 00091 to 00092, 00094 to 00095, 00097 to 00098, 00100 to"
        " 00101, 00103 to 00104 and 4 more gaps"
    ] == texts(judged(numbers))


def test_five_gaps_are_all_named(judged):
    assert ["cis: 5 receipt numbers missing: 2, 4, 6, 8, 10"] == texts(
        judged([str(n) for n in range(1, 12, 2)])
    )


def test_a_huge_gap_costs_nothing(judged):
    assert ["cis: 999999999999999997 receipt numbers missing: 2 to 999999999999999998"] == texts(
        judged(["1", "9" * 18])
    )


def test_the_first_number_follows_that_of_the_day_before(judged):
    assert ["cis: 2 receipt numbers missing: R-0101 to R-0102"] == texts(
        judged(["R-0103"], last=[("CIS", "", "R-", 100)])
    )
    assert [] == judged(["R-0103"])  # nobody knows the one before


@pytest.mark.parametrize(
    ("scope", "numbers", "expected"),
    [
        ("source", [("1", "w1"), ("3", "w1"), ("2", "w2")], []),
        ("window", [("7", "w1"), ("8", "w1"), ("41", "w2"), ("42", "w2")], []),
        (
            "window",
            [("1", "w1"), ("3", "w1"), ("2", "w2")],
            ["cis at w1: 1 receipt number missing: 2"],
        ),
        ("day", [("1", "w1"), ("2", "w2")], []),
        ("day", ["2", "3"], ["cis: 1 receipt number missing: 1"]),
        ("window-day", [("1", "w1"), ("2", "w1"), ("1", "w2")], []),
        ("window-day", [("1", "w1"), ("2", "w2")], ["cis at w2: 1 receipt number missing: 1"]),
        ("none", ["1", "5", "x"], []),
    ],
)  # fmt: skip
def test_how_far_a_row_of_numbers_runs_is_data(judged, scope, numbers, expected):
    assert expected == texts(judged(numbers, f'[receipts.CIS]\nscope = "{scope}"\n'))


def test_a_day_may_begin_with_another_number(judged):
    form = '[receipts.cis]\nscope = "day"\nfirst = 0\n'

    assert ["cis: 1 receipt number missing: 0"] == texts(judged(["1", "2"], form))


def test_how_numbers_are_formed_is_data(judged):
    form = '[receipts.cis]\nprefix = "R-26-"\ndigits = 4\n'

    assert [] == judged(["R-26-0001", "R-26-0002"], form)
    assert ["cis: 3 receipt numbers are not 'R-26-' and 4 digits, first R-26-12"] == texts(
        judged(["R-26-0001", "R-26-12", "0002", "R-26-1.9E+18"], form)
    )


def test_each_prefix_is_a_row_of_its_own_where_nobody_declares_one(judged):
    assert [] == judged(["A-1", "B-7", "A-2", "B-8"])
    assert ["cis: 1 receipt number missing: B-8"] == texts(judged(["A-1", "B-7", "B-9"]))


def test_an_undeclared_source_is_told_where_its_numbers_can_be_declared(judged):
    (gap,) = judged(["1", "3"], source="City Permits")
    (form,) = judged(["12345678901234567890"], source="permits")

    assert gap.text.endswith(
        '; [receipts."city permits"] of policy.toml says how its numbers are formed'
    )
    assert form.kind == "number_malformed"
    assert [] == judged(["1", "3"], '[receipts."City Permits"]\nscope = "none"', "city permits")


def test_two_sources_are_two_rows(judged):
    receipts = [receipt("1", "09:01"), receipt("2", "09:02", source="permits")]
    day = DAY._replace(receipts=receipts, last_numbers=())

    assert [] == findings(day, UNDER, ["R14"])
