"""Card payments against the processor's settlement (R19): each case of OFFICE-CASES by name, and
that neither the order nor a repetition changes anything. Cents; the day is 2026-11-20, a Friday.
"""

import random
from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import DataError, UsageError
from gateway.facts.settlements import KINDS, SettlementLine
from gateway.office.cards import (
    AMOUNT,
    BY_AMOUNT,
    CHARGEBACK,
    CHARGEBACK_REVERSED,
    FINAL,
    MATCHED,
    NEXT_BATCH,
    NOT_POSTED,
    NOT_SETTLED,
    ORPHAN,
    POSTED_TWICE,
    SETTLED_TWICE,
    STATUS_UNKNOWN,
    VOID_SETTLED,
    VOIDED,
    BatchTotal,
    CardPayment,
    Carry,
    batch_totals,
    card_payments,
)
from gateway.office.settlement import settle
from tests.office.rows import posting

DAY = "2026-11-20"


def paid(receipt="R1", code="OK0001", cents=5_000, date=DAY, **other):
    return CardPayment(
        "cis", receipt, "T1", code, cents, date, other.pop("status", "posted"), **other
    )


def line(number=1, code="OK0001", cents=5_000, date=DAY, kind=None, batch="B1"):
    kind = kind or ("sale" if cents > 0 else "refund")
    return SettlementLine("acme", batch, number, kind, code, cents, date, "visa", "")


def kinds(found):
    return sorted(each.kind for each in found.findings)


# --- the cases ------------------------------------------------------------------------------------


def test_a_payment_and_its_line_match_by_code_and_amount():
    found = settle([paid()], [line()])

    assert ([MATCHED], ()) == (kinds(found), found.blocking)


def test_a_card_payment_that_the_terminal_took_and_the_cashiering_system_lost():
    found = settle([paid()], [line(), line(2, "OK0002", 1_234)])

    assert [NOT_POSTED] == [each.kind for each in found.blocking]
    assert 1_234 == found.blocking[0].difference_cents


def test_a_card_payment_that_was_posted_and_never_settled():
    found = settle([paid(), paid("R2", "OK0002", 700)], [line()])

    assert [(NOT_SETTLED, -700)] == [(each.kind, each.difference_cents) for each in found.blocking]


def test_the_same_code_with_another_amount_is_one_finding_of_both():
    found = settle([paid()], [line(cents=5_500)])

    assert [(AMOUNT, 500)] == [(each.kind, each.difference_cents) for each in found.blocking]


def test_a_card_that_was_charged_twice():
    found = settle([paid()], [line(1), line(2)])

    assert [MATCHED, SETTLED_TWICE] == kinds(found)
    assert "R1" == found.of(SETTLED_TWICE)[0].origin.receipt_no


def test_a_card_that_was_charged_again_on_a_later_day():
    found = settle([], [line(date="2026-11-23", batch="B2")], earlier=[paid()])

    assert [SETTLED_TWICE] == kinds(found)


def test_a_payment_that_was_posted_twice():
    found = settle([paid("R1"), paid("R2")], [line()])

    assert [MATCHED, POSTED_TWICE] == kinds(found)
    assert "R2" == found.of(POSTED_TWICE)[0].payment.receipt_no


def test_two_payments_with_two_lines_of_one_code_and_amount_are_both_matched():
    found = settle([paid("R1"), paid("R2")], [line(1), line(2)])

    assert [MATCHED, MATCHED] == kinds(found)


def test_a_payment_after_the_batch_was_closed_is_in_the_next_batch():
    found = settle([paid()], [line(date="2026-11-21", batch="B2")])

    assert ([NEXT_BATCH], ()) == (kinds(found), found.blocking)


def test_a_payment_of_the_next_business_day_may_be_in_todays_batch():
    """Taken on Friday after the cut-off, so it belongs to Monday; its batch closes on Friday."""
    assert [MATCHED] == kinds(settle([paid(date="2026-11-23")], [line(date=DAY)]))


def test_a_batch_that_the_posting_names_is_no_next_batch():
    named = paid(settlement_batch="B1")

    assert [MATCHED] == kinds(settle([named], [line(date="2026-11-21", batch="B1")]))


def test_a_code_that_comes_again_after_months_is_another_payment():
    found = settle([paid()], [line(date="2027-03-01")])

    assert [NOT_POSTED, NOT_SETTLED] == kinds(found)


def test_a_refund_of_nothing_is_an_orphan():
    found = settle([], [line(cents=-900, code="OK0009")])

    assert ([ORPHAN], True) == (kinds(found), found.blocking[0].blocks)


def test_a_refund_that_the_cashiering_system_does_not_know_names_its_sale():
    found = settle([], [line(cents=-5_000)], earlier=[paid(date="2026-11-10")])

    assert (NOT_POSTED, "R1") == (found.findings[0].kind, found.findings[0].origin.receipt_no)


def test_a_chargeback_names_its_sale_and_leaves_the_sale_matched():
    found = settle([paid()], [line(), line(2, cents=-5_000, kind="chargeback", date="2026-12-20")])

    assert [CHARGEBACK, MATCHED] == kinds(found)
    assert "R1" == found.of(CHARGEBACK)[0].origin.receipt_no


def test_a_chargeback_of_nothing_is_an_orphan():
    assert [ORPHAN] == kinds(settle([], [line(cents=-5_000, kind="chargeback")]))


def test_a_chargeback_that_was_won_is_told():
    won = line(3, kind="chargeback_reversed", date="2026-12-22")

    assert [CHARGEBACK_REVERSED] == kinds(settle([], [won], earlier=[paid()]))


def test_a_fee_is_no_finding_and_is_kept():
    fee = line(9, "", -150, kind="fee")
    found = settle([paid()], [line(), fee])

    assert ([MATCHED], (fee,)) == (kinds(found), found.fees)


def test_a_sale_and_its_refund_are_matched_each_by_itself():
    back = paid("V1", cents=-5_000, void_of="R1", status="reversed")

    assert [MATCHED, MATCHED] == kinds(settle([paid(), back], [line(), line(2, cents=-5_000)]))


def test_a_refund_with_a_code_of_its_own_is_matched_by_amount_and_told_as_such():
    back = paid("V1", cents=-5_000, void_of="R1", status="reversed")
    found = settle([paid(), back], [line(), line(2, "RF7777", -5_000)])

    assert [MATCHED, BY_AMOUNT] == kinds(found)


def test_a_sale_and_its_void_that_were_not_settled_are_no_findings_that_block():
    back = paid("V1", cents=-5_000, void_of="R1", status="void")
    found = settle([paid(), back], [])

    assert ([VOIDED, VOIDED], ()) == (kinds(found), found.blocking)


def test_a_void_whose_sale_was_settled_and_whose_refund_was_not_blocks():
    """The customer is out of the money: matched sale, refund missing. It is not netted."""
    back = paid("V1", cents=-5_000, void_of="R1", status="void")
    found = settle([paid(), back], [line()])

    assert [MATCHED, NOT_SETTLED] == kinds(found)
    assert ["V1"] == [each.payment.receipt_no for each in found.blocking]


def test_a_receipt_that_is_void_and_was_charged_all_the_same():
    gone = paid(status="void", is_effective=False)
    found = settle([gone], [line()])

    assert [(VOID_SETTLED, 5_000)] == [
        (each.kind, each.difference_cents) for each in found.blocking
    ]
    assert [VOIDED] == kinds(settle([gone], []))


def test_a_payment_of_unknown_status_that_was_settled_says_so():
    found = settle([paid(status="unknown")], [line()])

    assert ([STATUS_UNKNOWN], 1) == (kinds(found), len(found.blocking))


# --- codes that are missing -----------------------------------------------------------------------


@pytest.mark.parametrize(("of_payment", "of_line"), [("", "OK0001"), ("OK0001", ""), ("", "")])
def test_a_missing_code_is_matched_by_amount_where_exactly_one_fits(of_payment, of_line):
    found = settle([paid(code=of_payment)], [line(code=of_line)])

    assert ([BY_AMOUNT], ()) == (kinds(found), found.blocking)


def test_two_codes_that_differ_are_never_matched_by_amount():
    assert [NOT_POSTED, NOT_SETTLED] == kinds(settle([paid(code="OK0001")], [line(code="OK0002")]))


def test_a_missing_code_with_two_lines_that_fit_is_left_open_and_says_how_many():
    found = settle([paid(code="")], [line(1, "A1"), line(2, "A2")])

    assert [NOT_POSTED, NOT_POSTED, NOT_SETTLED] == kinds(found)
    assert [2] == [each.alike for each in found.of(NOT_SETTLED)]


def test_a_missing_code_with_two_payments_that_fit_is_left_open():
    found = settle([paid("R1", ""), paid("R2", "")], [line()])

    assert [NOT_POSTED, NOT_SETTLED, NOT_SETTLED] == kinds(found)


def test_a_line_that_has_its_payment_by_code_is_no_candidate_by_amount():
    found = settle([paid("R1"), paid("R2", "")], [line(1), line(2, "")])

    assert [MATCHED, BY_AMOUNT] == kinds(found)


def test_a_sale_and_its_refund_without_codes_are_matched_before_they_count_as_voided():
    back = paid("V1", "", -5_000, void_of="R1", status="void")
    found = settle([paid(code=""), back], [line(1, ""), line(2, "", -5_000)])

    assert [BY_AMOUNT, BY_AMOUNT] == kinds(found)


def test_what_was_voided_before_its_batch_is_no_candidate_by_amount():
    back = paid("V1", "", -5_000, void_of="R1", status="void")
    found = settle([paid("R1", ""), back, paid("R2", "")], [line(code="")])

    assert [BY_AMOUNT, VOIDED, VOIDED] == sorted(kinds(found), key=[BY_AMOUNT, VOIDED].index)
    assert "R2" == found.of(BY_AMOUNT)[0].payment.receipt_no


# --- carried with a reason ------------------------------------------------------------------------


def test_a_carry_with_a_reason_lets_the_day_close_and_stays_visible():
    lost = settle([paid()], []).findings[0]
    carry = Carry(lost.key, "terminal was offline, batch closes on Monday", "lee", 1)
    found = settle([paid()], [], [carry])

    assert (NOT_SETTLED, carry, ()) == (
        found.findings[0].kind, found.findings[0].carry, found.blocking,
    )  # fmt: skip


def test_a_carried_payment_is_found_in_a_later_batch():
    carry = Carry(settle([paid()], []).findings[0].key, "next batch", "lee", 1)
    found = settle([paid()], [line(date="2026-11-24", batch="B5")], [carry])

    assert ([NEXT_BATCH], (carry,)) == (kinds(found), found.unused)


def test_a_line_that_nobody_posted_can_be_carried_too():
    lost = settle([], [line()]).findings[0]

    assert () == settle([], [line()], [Carry(lost.key, "posted tomorrow", "lee", 1)]).blocking


@pytest.mark.parametrize(("reason", "who"), [("", "lee"), ("  ", "lee"), ("why", "")])
def test_a_carry_without_reason_or_name_is_refused(reason, who):
    with pytest.raises(UsageError, match="carry of"):
        Carry(("payment", "cis", "R1", "T1"), reason, who, 1)


def test_the_newest_carry_of_a_finding_stands():
    key = settle([paid()], []).findings[0].key
    carries = [Carry(key, "newer", "lee", 2), Carry(key, "older", "kim", 1)]

    assert "newer" == settle([paid()], [], carries).findings[0].carry.reason


# --- from postings --------------------------------------------------------------------------------


def test_card_tenders_of_postings_become_payments_with_their_code():
    rows = [
        posting("R1", 600, 3_000, "card", auth_code="ok1", batch_id="B7"),
        posting("R1", 600, 2_000, "card", line=2, auth_code="ok1", batch_id="B7"),
        posting("R2", 601, 900, "cash"),
        posting("V1", 610, 3_000, "card", status="void", void_of="R9", auth_code="1234"),
        posting("R3", 620, 700, "card", status="void"),
    ]
    rows[:2] = [
        posting("R1", 600, cents, "card", line=number, auth_code="ok1", batch_id="B7",
                tender_amount_cents=5_000)
        for number, cents in ((1, 3_000), (2, 2_000))
    ]  # fmt: skip
    found = {payment.receipt_no: payment for payment in card_payments(rows)}

    assert {"R1": 5_000, "V1": -3_000, "R3": 700} == {
        name: payment.amount_cents for name, payment in found.items()
    }
    assert ("OK1", "B7") == (found["R1"].auth_code, found["R1"].settlement_batch)
    assert ("001234", True) == (found["V1"].auth_code, found["V1"].is_effective)
    assert not found["R3"].is_effective


def test_a_batch_total_is_what_the_bank_is_credited():
    lines = [line(1), line(2, cents=-700), line(3, "", -150, kind="fee"), line(1)]

    assert [BatchTotal("acme", "B1", DAY, 4_300, -150)] == batch_totals(lines)
    assert 4_150 == batch_totals(lines)[0].net_cents


def test_the_card_totals_of_two_batches_of_a_day_add():
    """Keyed twice, the second total replaced the first; the lines of the settlement decide."""
    payments = [paid(), paid("R2", "OK0002", 700)]
    lines = [line(), line(1, "OK0002", 700, batch="B2")]

    assert [MATCHED, MATCHED] == kinds(settle(payments, lines))
    assert 5_700 == sum(each.gross_cents for each in batch_totals(lines))


def test_two_payments_of_one_identity_that_differ_are_not_guessed_at():
    with pytest.raises(DataError, match="R1"):
        settle([paid(cents=1), paid(cents=2)], [])
    with pytest.raises(DataError, match="B1 1"):
        settle([], [line(cents=1), line(cents=2)])


# --- laws -----------------------------------------------------------------------------------------

DAYS = ("2026-11-18", "2026-11-20", "2026-11-21", "2026-12-20")
CODES = ("", "A1", "A2", "A3")
payments_given = st.lists(
    st.builds(
        paid, st.integers(1, 9).map(lambda n: f"R{n}"), st.sampled_from(CODES),
        st.sampled_from((100, 200, -100)), st.sampled_from(DAYS),
        status=st.sampled_from(("posted", "unknown", "void")),
        void_of=st.sampled_from(("", "R1", "R2")), is_effective=st.booleans(),
    ),
    max_size=7, unique_by=lambda each: each.key,
)  # fmt: skip
lines_given = st.lists(
    st.builds(
        lambda number, code, kind, cents, date: line(
            number, code, KINDS[kind] * cents, date, kind
        ),
        st.integers(1, 9), st.sampled_from(CODES), st.sampled_from(sorted(KINDS)),
        st.sampled_from((100, 200)), st.sampled_from(DAYS),
    ),
    max_size=7, unique_by=lambda each: each.key,
)  # fmt: skip


@given(payments_given, lines_given)
def test_every_payment_and_every_line_stands_in_exactly_one_finding(payments, lines):
    found = settle(payments, lines)

    assert Counter(payments) == Counter(each.payment for each in found.findings if each.payment)
    assert Counter(lines) == Counter(
        [each.line for each in found.findings if each.line] + list(found.fees)
    )


@given(payments_given, lines_given)
def test_nothing_is_netted(payments, lines):
    """The differences of the findings sum to settled less posted, and what is final has none."""
    found = settle(payments, lines)
    posted = sum(each.amount_cents for each in payments if each.is_effective)
    settled = sum(each.amount_cents for each in lines if each.kind != "fee")

    assert settled - posted == sum(each.difference_cents for each in found.findings)
    assert {0} >= {
        each.difference_cents for each in found.findings if each.kind in FINAL - {VOIDED}
    }
    assert 0 == sum(each.difference_cents for each in found.of(VOIDED))


@given(payments_given, lines_given, st.randoms(use_true_random=False))
def test_neither_order_nor_repetition_changes_anything(payments, lines, dice):
    shuffled = [*payments, *payments], [*lines, *lines]
    for each in shuffled:
        dice.shuffle(each)

    assert settle(payments, lines) == settle(*shuffled)


@given(payments_given, lines_given)
def test_everything_can_be_carried(payments, lines):
    """No finding blocks for ever."""
    carries = [Carry(each.key, "why", "lee", 1) for each in settle(payments, lines).blocking]

    assert () == settle(payments, lines, carries).blocking


@pytest.mark.parametrize("seed", range(20))
def test_planted_errors_are_found_and_nothing_else(seed):
    dice = random.Random(seed)
    payments = [paid(f"R{n}", f"{n:06d}", dice.randint(100, 90_000)) for n in range(60)]
    lines = [line(n, each.auth_code, each.amount_cents) for n, each in enumerate(payments, 1)]
    plant = dice.sample(range(60), 5)
    lost, unsettled, again, other, late = plant
    lines.append(line(61, lines[again].auth_code, lines[again].amount_cents))
    lines[other] = replace(lines[other], amount_cents=lines[other].amount_cents + 9)
    lines[late] = replace(lines[late], settled_date="2026-11-21", settlement_batch="B2")
    del lines[unsettled]
    del payments[lost]
    dice.shuffle(lines)
    found = Counter(kinds(settle(payments, lines)))

    assert {
        MATCHED: 56, NEXT_BATCH: 1, NOT_POSTED: 1, NOT_SETTLED: 1, SETTLED_TWICE: 1, AMOUNT: 1,
    } == found  # fmt: skip


def test_a_day_without_errors_has_none():
    """1,000 payments, each with its line, in any order: all matched."""
    dice = random.Random(20)
    payments = [paid(f"R{n}", f"{n:06d}", dice.randint(1, 90_000)) for n in range(1_000)]
    lines = [line(n, each.auth_code, each.amount_cents) for n, each in enumerate(payments, 1)]
    dice.shuffle(lines)

    assert {MATCHED: 1_000} == Counter(kinds(settle(payments, lines)))
