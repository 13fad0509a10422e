"""R01 to R26: a day that breaks each, and one that just does not."""

import datetime
from dataclasses import replace

import pytest

from gateway.office import rule_facts as facts
from gateway.office.rule_finding import Fact, Under, under_kept
from gateway.office.rules import RULES, findings
from gateway.policy_file import canonical_text
from gateway.policy_tables import TITLES
from tests.office.sound_day import (
    BAG,
    CARD,
    CONFIG,
    DATE,
    DAY,
    DEPOSIT,
    RECEIPTS,
    RETURNED,
    SESSION,
    UNDER,
    VOID,
    at,
    receipt,
    with_session,
)


def kinds(rule, day, under=UNDER):
    return [each.kind for each in findings(day, under, [rule])]


def changed(rule, **figures):
    """What is judged by, with other figures of one rule."""
    policy = UNDER.policy
    table = replace(getattr(policy, rule), **figures)
    return Under(replace(policy, **{rule: table}), UNDER.calendar)


def session(**changes):
    return with_session(**changes)


def counts(*each):
    return tuple(
        facts.Count(f"w1/1/{number}", kind, at(clock), cents, cents)
        for number, (kind, clock, cents) in enumerate(each, 1)
    )


def interval(over_short, number=1):
    return facts.Interval(
        number, at("12:00"), "w1/1/50", 20_000, 11_000, 0, 5_000, 26_000, 26_000 + over_short
    )


def closes(number):
    return counts(
        ("opening_float", "09:00", 20_000),
        *(("close", f"15:{30 + n}", 26_000 + n) for n in range(number)),
    )


OPEN = ("opening_float", "09:00", 20_000)
OTHER = SESSION._replace(name="w1/2", cashier="8", opened_ms=at("15:00"), closed_ms=at("16:00"))
PAST = [facts.PastDifference(date, "w1/1", "7", -100) for date in ("2026-10-22", "2026-11-02")]
TODAY = facts.PastDifference(DATE, "w1/1", "007", -100)
HAND = facts.HandOver("w1/1/45", at("10:00"), "7", "8", "w1/1/44", "w1/1/46")
NUMBERS = ["R-0101", "R-0102", "R-0104"]


def of_numbers(*numbers, **more):
    return DAY._replace(
        receipts=[receipt(number, f"09:{n:02d}", **more) for n, number in enumerate(numbers)]
    )


# (rule, kinds that it finds, the day)
BROKEN = [
    ("R01", ["other_cashier"], session(cashier="9")),
    ("R01", ["other_cashier"], session(hand_overs=(HAND,))),  # 8 took over, 007 went on
    ("R01", ["hand_over_uncounted"], session(
        hand_overs=(HAND._replace(at_ms=at("15:00"), opening_ref=""),))),
    ("R01", ["two_custodians"], DAY._replace(
        sessions=(SESSION, OTHER._replace(receipts=())))),
    ("R02", ["float_uncounted"], session(counts=())),
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
    ("R10", ["void_again"], DAY._replace(voids=(VOID, VOID._replace(number="R-0106")))),
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


# --- the engine -----------------------------------------------------------------------------------


def test_a_rule_that_is_off_finds_nothing_and_the_others_do():
    day = session(cashier="9", closed_ms=at("15:30"))._replace(
        voids=(VOID._replace(supervisor=""),)
    )

    assert ["R01", "R10"] == [each.rule for each in findings(day, UNDER)]
    assert ["R10"] == [each.rule for each in findings(day, changed("R01", severity="off"))]


def test_the_severest_comes_first_and_what_blocks_says_so():
    day = session(
        drops=(SESSION.drops[0]._replace(bag_no=""),),
        counts=(*SESSION.counts[:2], SESSION.counts[2]._replace(counted_cents=1)),
    )._replace(voids=(VOID._replace(supervisor=""),))

    assert [("R05", True), ("R13", True), ("R10", False)] == [
        (each.rule, each.blocks) for each in findings(day, UNDER)
    ]


def test_a_finding_cites_the_facts_it_rests_on():
    (found,) = findings(session(counts=closes(4)), UNDER, ["R04"])

    assert tuple(Fact("count", f"w1/1/{n}") for n in range(2, 6)) == found.facts
    assert ("w1/1", at("15:33")) == (found.session, found.at_ms)


@pytest.mark.parametrize(
    ("rule", "day", "at_clock", "text"),
    [
        ("R02", session(counts=counts(("opening_float", "09:00", 18_000))), "09:00",
            "opening float issued 200.00, counted 180.00: \N{MINUS SIGN}20.00 is not booked"),
        ("R03", session(
            intervals=(SESSION.intervals[0]._replace(expected_cents=28_000), SESSION.intervals[1])),
            "12:00", "interval 1: expected 280.00, its parts give 260.00"),
        ("R07", session(lines=(facts.Line("cash", 0, 0, 500),))._replace(called_balanced=False),
            "15:30", "called balanced with cash +5.00"),
        ("R08", session(lines=(facts.Line("money_order", 1, 1, -500),)), "15:30",
            "money order: \N{MINUS SIGN}5.00, from 5.00 on it wants a supervisor"),
        ("R11", session(openings=tuple(
            facts.Opening(f"w1/1/{n}", at(f"13:{n}"), 1_000) for n in range(10, 14))), "15:30",
            "4 drawer openings without a receipt within 90 s, limit 3"),
        ("R11", session(closed_ms=None, openings=tuple(
            facts.Opening(f"w1/1/{n}", at(f"13:{n}"), 1_000) for n in range(10, 14))), "08:55",
            "4 drawer openings without a receipt within 90 s, limit 3"),
        ("R09", DAY._replace(voids=(VOID._replace(at_ms=at("16:50")),)), "16:50",
            "R-0105: 007 took 60.00 back at 16:50:00, after the own close at 15:30:00"),
        ("R09", DAY._replace(voids=(VOID._replace(at_ms=at("15:30")),)), "15:30",
            "R-0105: 007 took 60.00 back at 15:30:00, after the own close at 15:30:00"),
        ("R18", DAY._replace(bags=(BAG._replace(credited_date=None),), business_date="2026-11-25"),
            "16:00", "bag B-1, 190.00: no credit by the bank 3 business days after 2026-11-20,"
            " limit 2"),
        ("R18", DAY._replace(bags=(BAG._replace(credited_date=None, picked_up_ms=None),),
                             business_date="2026-11-25"),
            "16:00", "bag B-1, 190.00: not picked up 3 business days after 2026-11-20, limit 2"),
        ("R17", DAY._replace(deposits=(DEPOSIT._replace(deposited_ms=None),),
                             now_ms=at("23:45", "2026-11-21")), "23:45 2026-11-21",
            "deposit of 190.00 waits 14 h 35 min after its deadline 2026-11-21 09:09:59 (24h)"),
        ("R17", DAY._replace(deposits=(DEPOSIT._replace(deposited_ms=at("10:15", "2026-11-21")),)),
            "10:15 2026-11-21",
            "deposit of 190.00 was made 1 h 05 min after its deadline 2026-11-21 09:09:59 (24h)"),
        ("R19", DAY._replace(cards=(CARD._replace(settled_cents=4_400),)), "09:30",
            "receipt R-0090: 40.00 posted, 44.00 settled"),
        ("R19", DAY._replace(cards=(CARD._replace(times_settled=2),)), "09:30",
            "R-0090 is settled 2 times"),
        ("R25", DAY._replace(closings=(DAY.closings[0]._replace(journal=False),)), "15:50",
            "closed in part: session and general-ledger batch, not journal"),
        ("R15", of_numbers("R-0101", business_date="2026-11-23"), "09:00",
            "1 receipt taken before the cut-off 16:00: R-0101 of 09:00:00 is dated 2026-11-23 and"
            " belongs to 2026-11-20"),
        ("R15", of_numbers("R-0101", "R-0102", at_ms=at("16:00")), "16:00",
            "2 receipts taken past the cut-off 16:00 or on a closed day: R-0101 of 16:00:00 is"
            " dated 2026-11-20 and belongs to 2026-11-23"),
        ("R09", session(approved_by="007"), "15:30", "cashier 7 approved the own close"),
        ("R09", DAY._replace(
            sessions=(OTHER._replace(cashier="7", receipts=()), SESSION),
            voids=(VOID._replace(at_ms=at("16:50")),)), "16:50",
            "R-0105: 007 took 60.00 back at 16:50:00, after the own close at 16:00:00"),
    ],
)  # fmt: skip
def test_a_finding_says_when_and_how_much(rule, day, at_clock, text):
    (found,) = findings(day, UNDER, [rule])

    assert (at(*at_clock.split()), text) == (found.at_ms, found.text)


def opened(*clocks):
    return tuple(facts.Opening(f"w1@{clock}", at(clock), 1_000) for clock in clocks)


@pytest.mark.parametrize(
    ("receipts", "openings", "lonely"),
    [
        ([("13:10:10", "cash")], ("13:10:00", "13:10:30"), ["w1@13:10:30"]),  # one explains one
        ([("13:10:10", "card")], ("13:10:00",), ["w1@13:10:00"]),  # a card opens no drawer
        # cash chooses first, and takes the nearer one from the check
        ([("13:10:30", "cash"), ("13:09:00", "check")], ("13:10:00", "13:11:20"), ["w1@13:11:20"]),
        ([("13:11:40", "cash"), ("13:09:00", "check")], ("13:10:00", "13:11:20"), []),
    ],
)
def test_a_receipt_explains_one_opening(receipts, openings, lonely):
    day = session(
        openings=opened(*openings),
        receipts=[receipt(f"R{clock}", clock, tender=tender) for clock, tender in receipts],
    )
    found = findings(day, changed("R11", no_sale_openings=0), ["R11"])

    assert lonely == [fact.ref for each in found for fact in each.facts]


def test_a_text_names_five_and_counts_the_rest():
    posted = [receipt(f"R{n}", f"09:{n:02d}", cashier="9") for n in range(1, 7)]
    five, six = (
        findings(session(receipts=posted[:most], intervals=()), UNDER, ["R01"])[0].text
        for most in (5, 6)
    )

    assert five.endswith("signed on: R1, R2, R3, R4, R5")
    assert six.endswith("signed on: R1, R2, R3, R4, R5 and 1 more")


def test_a_difference_that_wants_no_reason_counts_to_no_review():
    day = DAY._replace(differences=(*PAST, TODAY))
    steps = UNDER.policy.R08.session

    for reason_cents, expected in ((100, ["review"]), (101, [])):
        under = changed("R08", session=replace(steps, reason_cents=reason_cents))
        assert expected == kinds("R08", day, under)


@pytest.mark.parametrize(
    ("rule", "figures", "day", "words"),
    [
        ("R04", {"counts": 1}, session(counts=closes(2)), "2 closing counts, at most 1 are blind"),
        ("R11", {"open_s": 7}, session(openings=SESSION.openings[:1]),
            "stood open for 8 s, limit 7 s"),
        (
            "R11",
            {"receipt_within_s": 30, "no_sale_openings": 0},
            session(openings=(facts.Opening("x", at("09:09"), 1_000),)),
            "1 drawer openings without a receipt within 30 s, limit 0",
        ),
        ("R10", {"opening_within_s": 60}, DAY._replace(
            voids=(VOID._replace(at_ms=at("10:47")),)), "no drawer opening at w1 within 60 s"),
        ("R12", {"drop_advised_cents": 30_000}, DAY,
            "370.00 lay in the drawer at 10:40:00: a drop is advised from 300.00 on"),
        ("R22", {"business_days": 4}, DAY, "in suspense for 5 business days, limit 4"),
        ("R20", {"fee_cents": 3_000}, DAY, "fee 0.00, the policy says 30.00"),
        ("R20", {"returns": 1, "months": 6}, DAY, "1 returned items in 6 months, from 1 on cash"),
        ("R23", {"per_month": 2}, DAY._replace(business_date="2026-11-30"),
            "0 surprise counts in 2026-11, wanted 2"),
        ("R18", {"credit_business_days": 1}, DAY._replace(
            bags=(BAG._replace(credited_date=None),), business_date="2026-11-24"),
            "2 business days after 2026-11-20, limit 1"),
        ("R17", {"alert_percent": 10}, DAY._replace(
            deposits=(DEPOSIT._replace(deposited_ms=None),)),
            "32 % of its time is gone, alert from 10 %; 16 h 10 min left until 2026-11-21"),
    ],
)  # fmt: skip
def test_the_figures_of_a_text_are_the_policys(rule, figures, day, words):
    (found,) = findings(day, changed(rule, **figures), [rule])

    assert words in found.text


def test_a_closed_day_is_judged_by_the_policy_that_was_kept_with_it():
    strict = changed("R11", open_s=7).policy
    kept = under_kept(canonical_text(strict, CONFIG.zone, datetime.time(9)))
    day = of_numbers("R-0101", at_ms=at("09:00"))._replace(sessions=DAY.sessions)

    assert ([], ["open_too_long"] * 5) == (kinds("R11", day), kinds("R11", day, kept))
    assert ([], ["after_cut_off"]) == (kinds("R15", day), kinds("R15", day, kept))


def test_the_steps_of_a_difference_are_the_policys_for_interval_and_session():
    steps = replace(UNDER.policy.R08.session, reason_cents=100)
    under = changed("R08", session=steps)
    day = session(intervals=(interval(-50),), lines=(facts.Line("cash", 1, 1, -50),))

    assert ["interval_reason", "session_reason"] == kinds("R08", day)
    assert ["interval_reason"] == kinds("R08", day, under)


def test_a_review_sums_without_signs_and_names_its_limits():
    day = DAY._replace(differences=(PAST[1]._replace(cents=2_600), TODAY._replace(cents=-2_600)))
    (found,) = findings(day, UNDER, ["R08"])

    assert (
        "cashier 7: 2 differences of together 52.00 in 30 days, from 3 or 50.00 on they want a"
        " review" == found.text
    )


def test_an_invariant_that_is_broken_blocks():
    (found,) = findings(
        session(counts=(*SESSION.counts[:2], SESSION.counts[2]._replace(recorded_cents=1))), UNDER
    )

    assert ("invariant", True) == (found.severity, found.blocks)
