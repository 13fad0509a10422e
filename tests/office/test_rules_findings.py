"""What a finding of a rule says: severity, facts, time, and the figures of the policy."""

import datetime
from dataclasses import replace

import pytest

from gateway.office import rule_facts as facts
from gateway.office.rule_finding import Fact, under_kept
from gateway.office.rules import findings
from gateway.policy_file import canonical_text
from tests.office.sound_day import (
    BAG,
    CARD,
    CONFIG,
    DAY,
    DEPOSIT,
    OTHER,
    PAST,
    SESSION,
    TODAY,
    UNDER,
    VOID,
    at,
    changed,
    closes,
    counts,
    interval,
    kinds,
    of_numbers,
    receipt,
    session,
)


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
            "R-0105: 007 took R-0104 back, 60.00, at 16:50:00, after the own close at 15:30:00"),
        ("R09", DAY._replace(voids=(VOID._replace(at_ms=at("15:30")),)), "15:30",
            "R-0105: 007 took R-0104 back, 60.00, at 15:30:00, after the own close at 15:30:00"),
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
            "R-0105: 007 took R-0104 back, 60.00, at 16:50:00, after the own close at 16:00:00"),
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

    assert five.endswith("had the drawer, 250.00: R1, R2, R3, R4, R5")
    assert six.endswith("had the drawer, 300.00: R1, R2, R3, R4, R5 and 1 more")


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
