"""R01 to R26: a day that breaks each, and one that just does not."""

import pytest

from gateway.office import rule_facts as facts
from gateway.office.rules import RULES, findings
from gateway.policy_tables import TITLES
from tests.office.sound_day import (
    BAG,
    CARD,
    DAY,
    DEPOSIT,
    HAND,
    NUMBERS,
    OTHER,
    PAST,
    RECEIPTS,
    RETURNED,
    SESSION,
    TODAY,
    UNDER,
    VOID,
    at,
    closes,
    counts,
    interval,
    of_numbers,
    receipt,
    session,
)

# (rule, kinds that it finds, the day)
BROKEN = [
    ("R01", ["other_cashier"], session(cashier="9")),
    ("R01", ["other_cashier"], session(hand_overs=(HAND,))),  # 8 took over, 007 went on
    ("R01", ["hand_over_uncounted"], session(
        hand_overs=(HAND._replace(at_ms=at("15:00"), opening_ref=""),))),
    ("R01", ["two_custodians"], DAY._replace(
        sessions=(SESSION, OTHER._replace(receipts=())))),
    ("R02", ["float_uncounted"], session(counts=SESSION.counts[1:])),
    ("R02", ["float_by_hand"], session(
        counts=(SESSION.counts[0]._replace(by_denomination=False),))),
    ("R02", ["float_counted_late"], session(counts=counts(("opening_float", "09:20", 20_000)))),
    ("R02", ["float_differs"], session(counts=counts(("opening_float", "09:00", 18_000)))),
    ("R03", ["expected_wrong"], session(
        intervals=(SESSION.intervals[0]._replace(expected_cents=28_000), SESSION.intervals[1]))),
    ("R03", ["receipts_not_in_intervals"], session(receipts=RECEIPTS[1:])),
    ("R04", ["too_many_counts"], session(counts=closes(4))),
    ("R04", ["expected_shown_early"], session(counts=closes(2), expected_shown_ms=at("15:30"))),
    ("R05", ["count_changed"], session(
        counts=(*SESSION.counts[:2], SESSION.counts[2]._replace(counted_cents=26_001)))),
    ("R05", ["count_changed"], session(
        counts=(*SESSION.counts[:2], SESSION.counts[2]._replace(counted_cents=None)))),
    ("R06", ["not_declared"], session(
        lines=(*SESSION.lines, facts.Line("money_order", 5_000, None, None)))),
    ("R07", ["netted", "day_netted"], session(intervals=(interval(-1000), interval(1000, 2)))),
    ("R07", ["netted", "day_netted"], session(
        lines=(facts.Line("cash", 0, 0, 500), facts.Line("check", 0, 0, -500)))),
    ("R08", ["interval_reason"], session(intervals=(interval(1),))),
    ("R08", ["interval_incident"], session(intervals=(interval(-10_000),))),
    ("R08", ["session_supervisor"], session(lines=(facts.Line("check", 1, 1, -500),))),
    ("R08", ["session_report"], session(lines=(facts.Line("cash", 1, 1, 2_500),))),
    ("R08", ["review"], DAY._replace(differences=(*PAST, TODAY))),
    ("R08", ["review"], DAY._replace(differences=(
        PAST[1]._replace(cents=2_500), TODAY._replace(cents=-2_500)))),
    ("R09", ["own_approval"], session(approved_by="07")),
    ("R09", ["void_after_close"], DAY._replace(voids=(VOID._replace(at_ms=at("16:50")),))),
    ("R09", ["reopened_alone"], DAY._replace(
        reopenings=(facts.Reopening("d/1", "w1/1", at("16:00"), ("ann", "Ann ")),))),
    ("R10", ["void_without_supervisor"], DAY._replace(voids=(VOID._replace(supervisor=""),))),
    ("R10", ["void_by_own_supervisor"], DAY._replace(voids=(VOID._replace(supervisor="7"),))),
    ("R10", ["void_without_reason"], DAY._replace(voids=(VOID._replace(reason=" "),))),
    ("R10", ["void_without_opening"], DAY._replace(voids=(VOID._replace(at_ms=at("13:00")),))),
    ("R10", ["void_again"], DAY._replace(
        voids=(VOID._replace(original=VOID.original._replace(was_void=True)),))),
    ("R10", ["void_too_much"], DAY._replace(voids=(VOID._replace(cents=6_001),))),
    ("R10", ["void_other_tender"], DAY._replace(voids=(VOID._replace(tender_type="check"),))),
    ("R10", ["void_elsewhere"], DAY._replace(
        voids=(VOID._replace(original=VOID.original._replace(window="w2")),))),
    ("R10", ["void_of_nothing"], DAY._replace(voids=(VOID._replace(of="R-9", original=None),))),
    ("R11", ["no_sale_openings"], session(openings=tuple(
        facts.Opening(f"w1/1/{n}", at(f"13:{n}"), 1_000) for n in range(10, 14)))),
    ("R11", ["open_too_long"], session(openings=(facts.Opening("x", at("09:10"), 120_001),))),
    ("R12", ["drop_advised"], session(receipts=(receipt("R-0101", "09:10", 130_000),))),
    ("R12", ["alarm"], session(receipts=(receipt("R-0101", "09:10", 230_000),))),
    ("R13", ["drop_not_sealed"], session(drops=(SESSION.drops[0]._replace(bag_no=""),))),
    ("R13", ["drop_not_counted"], session(drops=(SESSION.drops[0]._replace(counted_cents=None),))),
    ("R13", ["drop_differs"], session(drops=(SESSION.drops[0]._replace(counted_cents=4_000),))),
    ("R13", ["batch_unrecorded"], session(
        loose_batches=(facts.LooseBatch("w1/1/70", at("11:00"), "bills", None),))),
    ("R13", ["batch_outside_count"], session(
        loose_batches=(facts.LooseBatch("w1/1/70", at("11:00"), "bills", 500),))),
    ("R14", ["numbers_missing"], of_numbers(*NUMBERS)),
    ("R14", ["numbers_missing"], of_numbers("R-0103", "R-0104")),  # since the day before
    ("R15", ["after_cut_off"], of_numbers("R-0101", at_ms=at("16:00"))),
    ("R15", ["after_cut_off"], of_numbers("R-0101", at_ms=at("09:00", "2026-11-26"),
                                          business_date="2026-11-26")),
    ("R15", ["dated_ahead"], of_numbers("R-0101", business_date="2026-11-23")),
    ("R16", ["slip_cash_differ"], DAY._replace(
        slips=(DAY.slips[0]._replace(cash_cents=(10_000, 11_000, 0)),))),
    ("R16", ["slip_checks_differ"], DAY._replace(
        slips=(DAY.slips[0]._replace(cash_cents=(12_000, 11_000, 1_000),
                                     checks_cents=(7_000, 8_000, 0)),))),
    ("R17", ["deposit_late"], DAY._replace(
        deposits=(DEPOSIT._replace(deposited_ms=at("09:10", "2026-11-21")),))),
    ("R17", ["deposit_due"], DAY._replace(
        deposits=(DEPOSIT._replace(deposited_ms=None),), now_ms=at("03:10", "2026-11-21"))),
    ("R18", ["bag_number_again"], DAY._replace(earlier_bags=("B-1",))),
    ("R18", ["bag_number_again"], DAY._replace(bags=(BAG, BAG))),
    ("R18", ["bag_not_sealed"], DAY._replace(bags=(BAG._replace(sealed_ms=None),))),
    ("R18", ["bag_not_sealed"], DAY._replace(bags=(BAG._replace(sealed_ms=at("16:31")),))),
    ("R18", ["bag_not_sealed"], DAY._replace(
        bags=(BAG._replace(sealed_ms=None, picked_up_ms=None),))),
    ("R18", ["bag_not_credited"], DAY._replace(
        bags=(BAG._replace(credited_date=None),), business_date="2026-11-25")),
    ("R18", ["bag_credit_differs"], DAY._replace(bags=(BAG._replace(credited_cents=18_000),))),
    ("R19", ["card_not_posted"], DAY._replace(
        cards=(CARD._replace(receipt="", posted_cents=None),))),
    ("R19", ["card_not_settled"], DAY._replace(cards=(CARD._replace(settled_cents=None),))),
    ("R19", ["card_amount"], DAY._replace(cards=(CARD._replace(settled_cents=4_400),))),
    ("R19", ["card_settled_again"], DAY._replace(cards=(CARD._replace(times_settled=2),))),
    ("R20", ["return_other_funds"], DAY._replace(
        returned=(RETURNED._replace(reversed_funds=(("503-water", 4_000),)),))),
    ("R20", ["return_not_reopened"], DAY._replace(
        returned=(RETURNED._replace(receivable_reopened=False),))),
    ("R20", ["return_fee"], DAY._replace(returned=(RETURNED._replace(fee_cents=2_500),))),
    ("R20", ["return_cash_only"], DAY._replace(returned=(RETURNED._replace(returns_in_period=3),))),
    ("R21", ["fund_altered"], DAY._replace(
        funds=(DAY.funds[0]._replace(booked_cents=19_001),))),
    ("R21", ["over_short_split"], DAY._replace(
        funds=(DAY.funds[0]._replace(over_short_accounts=("503-9990", "100-1")),))),
    ("R22", ["suspense_old"], DAY._replace(
        suspense=(facts.SuspenseItem("R-0033", "2026-11-12", 1_200, False),))),
    ("R23", ["surprise_count_missing"], DAY._replace(business_date="2026-11-30")),
    ("R24", ["suspect_in_count"], DAY._replace(
        suspects=(DAY.suspects[0]._replace(in_count=True),))),
    ("R24", ["suspect_without_custody"], DAY._replace(
        suspects=(DAY.suspects[0]._replace(custody_ref=""),))),
    ("R25", ["closed_in_part"], DAY._replace(
        closings=(DAY.closings[0]._replace(journal=False),))),
    ("R26", ["correction_moves_cash"], DAY._replace(
        corrections=(DAY.corrections[0]._replace(cash_cents=500),))),
    ("R26", ["correction_uncited"], DAY._replace(
        corrections=(DAY.corrections[0]._replace(to_receipt=""),))),
    ("R26", ["correction_unbalanced"], DAY._replace(
        corrections=(DAY.corrections[0]._replace(receivable_cents=(-500, 400)),))),
]  # fmt: skip

# A day that comes near and does not break the rule.
KEPT = [
    ("R01", session(cashier="")),  # nobody knows who signed on
    ("R01", session(hand_overs=(HAND._replace(at_ms=at("15:00")),))),
    ("R01", DAY._replace(sessions=(SESSION, OTHER._replace(opened_ms=at("15:30"), receipts=())))),
    ("R01", DAY._replace(sessions=(SESSION, OTHER._replace(device="w2", receipts=())))),
    ("R02", session(counts=counts(("opening_float", "09:00", 18_000)), booked_float_cents=-2_000)),
    ("R01", session(hand_overs=(HAND._replace(at_ms=at("10:10"), to_cashier="7"),), cashier="8",
                    receipts=RECEIPTS[2:])),  # from the moment of the hand-over on
    ("R02", session(counts=())),  # nothing at all was counted: an open point of its own
    ("R02", session(issued_cents=None)),
    ("R02", session(receipts=(receipt("R-0101", "09:00"),))),
    ("R03", session(receipts=(*RECEIPTS, receipt("R-0110", "16:10", in_expected=False)))),
    ("R04", session(counts=closes(3))),
    ("R04", session(counts=closes(4)[:1] + closes(3)[1:], expected_shown_ms=at("15:33"))),
    ("R05", session(counts=())),
    ("R06", session(closed_ms=None, lines=(facts.Line("card", 5_000, None, None),))),
    ("R06", session(lines=(facts.Line("card", 5_000, 0, -5_000),))),
    ("R07", session(intervals=(interval(-1000), interval(1000, 2)), called_balanced=False)
        ._replace(called_balanced=False)),
    ("R08", session(lines=(facts.Line("cash", 1, 1, 0), facts.Line("check", 1, None, None)))),
    ("R08", DAY._replace(differences=(PAST[1], TODAY))),
    ("R08", DAY._replace(differences=(PAST[0]._replace(business_date="2026-10-21"), PAST[1],
                                      TODAY))),  # 31 days ago
    ("R08", DAY._replace(differences=(PAST[0]._replace(cashier="8"), PAST[1], TODAY))),
    ("R08", DAY._replace(differences=(*PAST, PAST[1]))),  # none of them of today
    ("R09", session(approved_by="")),
    ("R09", DAY._replace(voids=(VOID._replace(at_ms=at("16:50"), by="8"),))),
    ("R09", DAY._replace(voids=(VOID._replace(at_ms=at("16:50"), of=VOID.number),))),  # in place
    ("R09", DAY._replace(sessions=(SESSION, OTHER._replace(cashier="7", opened_ms=at("15:30"))),
                         voids=(VOID._replace(at_ms=at("15:45")),))),  # a second session of 7
    ("R09", DAY._replace(sessions=(SESSION, OTHER._replace(cashier="7", opened_ms=at("15:45"))),
                         voids=(VOID._replace(at_ms=at("15:45")),))),
    ("R10", DAY._replace(voids=(VOID._replace(reason=None),))),  # the source has no such field
    ("R10", DAY._replace(voids=(VOID._replace(at_ms=at("10:47:08")),))),
    ("R10", DAY._replace(voids=(VOID._replace(source="permits"), VOID))),
    ("R10", DAY._replace(voids=(VOID._replace(at_ms=at("10:38")),))),  # 120 s before it opened
    ("R09", DAY._replace(voids=(VOID._replace(at_ms=SESSION.opened_ms),))),
    ("R11", session(openings=tuple(
        facts.Opening(f"w1/1/{n}", at(f"13:{n}"), 1_000) for n in range(10, 13)))),
    ("R11", session(openings=(facts.Opening("x", at("09:10"), 120_000),))),
    ("R11", session(openings=(facts.Opening("x", at("09:10"), None),))),
    ("R12", session(receipts=(receipt("R-0101", "09:10", 129_999),))),
    ("R12", session(receipts=(receipt("R-1", "09:10", 129_999), receipt("R-2", "11:30", 4_999)))),
    ("R12", session(receipts=(receipt("R-0101", "09:10", 900_000, "check"),))),
    ("R12", session(
        receipts=(receipt("R-1", "09:10", 129_000), receipt("R-2", "11:01", 5_000)),
        counts=(SESSION.counts[0],),
        drops=(SESSION.drops[0]._replace(declared_cents=None),))),
    ("R12", session(
        receipts=(receipt("R-1", "09:10", 129_000), receipt("R-2", "11:01", 5_000)),
        counts=(SESSION.counts[0],),
        drops=(SESSION.drops[0]._replace(counted_cents=None),))),
    ("R13", session(drops=(SESSION.drops[0]._replace(bag_no=None),))),
    ("R13", session(drops=())),
    ("R14", of_numbers("R-0102", "R-0101", "R-0101", "R-0103")),
    ("R14", of_numbers("A7", "B9")),  # each prefix is a row of its own
    ("R15", of_numbers("R-0101", at_ms=at("16:00"), business_date="2026-11-23")),
    ("R15", of_numbers("R-0101", at_ms=at("15:59:59"))),
    ("R16", DAY._replace(slips=(DAY.slips[0]._replace(cash_cents=(12_000, 11_000, 1_000)),))),
    ("R17", DAY._replace(deposits=(DEPOSIT._replace(deposited_ms=at("09:09", "2026-11-21")),))),
    ("R17", DAY._replace(
        deposits=(DEPOSIT._replace(deposited_ms=None),), now_ms=at("03:09", "2026-11-21"))),
    ("R18", DAY._replace(bags=(BAG._replace(credited_date=None),), business_date="2026-11-24")),
    ("R18", DAY._replace(bags=(BAG._replace(sealed_ms=BAG.picked_up_ms),))),
    ("R18", DAY._replace(bags=(BAG._replace(
        sealed_ms=None, picked_up_ms=None, credited_date=None),))),
    ("R19", DAY._replace(cards=(CARD._replace(settled_cents=None, carried_reason="next batch"),))),
    ("R20", DAY._replace(
        returned=(RETURNED._replace(returns_in_period=3, is_cash_only=True),))),
    ("R20", DAY._replace(returned=(RETURNED._replace(returns_in_period=2),))),
    ("R21", DAY._replace(funds=())),
    ("R22", DAY._replace(suspense=(facts.SuspenseItem("R-0033", "2026-11-02", 1_200, True),))),
    ("R23", DAY._replace(business_date="2026-11-30",
                         drawer_months=(facts.DrawerMonth("w1", "2026-11", 20, 1),))),
    ("R23", DAY._replace(business_date="2026-11-30",
                         drawer_months=(facts.DrawerMonth("w1", "2026-11", 0, 0),))),
    ("R24", DAY._replace(suspects=())),
    ("R25", DAY._replace(closings=(facts.Closing("w1/1", at("15:50"), False, False, False),))),
    ("R26", DAY._replace(corrections=())),
]  # fmt: skip


def test_a_sound_day_breaks_no_rule():
    assert [] == findings(DAY, UNDER)


def test_every_rule_is_there_with_a_day_that_breaks_it_and_one_that_does_not():
    assert sorted(TITLES) == sorted(RULES)
    assert sorted(TITLES) == sorted({rule for rule, _, _ in BROKEN})
    assert sorted(TITLES) == sorted({rule for rule, _ in KEPT})


@pytest.mark.parametrize(
    ("rule", "expected", "day"), BROKEN, ids=[f"{rule}-{'-'.join(k)}" for rule, k, _ in BROKEN]
)
def test_a_day_that_breaks_it(rule, expected, day):
    found = findings(day, UNDER, [rule])

    assert expected == [each.kind for each in found]
    assert all(each.facts and each.text and each.rule == rule for each in found)
    assert {UNDER.policy.severity(rule)} == {each.severity for each in found}


@pytest.mark.parametrize(("rule", "day"), KEPT, ids=[rule for rule, _ in KEPT])
def test_a_day_that_does_not_break_it(rule, day):
    assert [] == findings(day, UNDER, [rule])
