"""The rules of the office through a real ledger: for each that the report looks at, a day that
breaks it and one that comes near and does not. What a rule finds stands once on the page.
"""

from dataclasses import replace

import pytest

from gateway.office.policy import LOOKED_AT, REPORTED, rules_broken
from gateway.policy_file import shipped_policy
from gateway.policy_tables import TITLES, Numbering
from tests.day.bench import OfficeDay
from tests.office.rows import Tape, posting
from tests.office.sound_day import UNDER, at

MONDAY, TODAY = "2026-11-23", "2026-11-20"


def opened(*, float_cents=20000, device="w1", cashier=7, issued=None):
    return (
        Tape(device)
        .mark(480, "sign_on", cashier)
        .count(481, "opening_float", float_cents, value=issued)
    )


def closed(cents=25000, **more):
    """A float of 200.00, one sale of 50.00, a close."""
    return opened(**more).opening(600).count(900, "close", cents)


SALE = posting("R-0101", 600, 5000)


def void(number, minute, cents, of, **more):
    values = {"status": "void", "void_of": of, "void_by": "ann"}
    return posting(number, minute, cents, **{**values, **more})


def found(folder, tape, rows, rule="", policy=None):
    """[(kind, text)] of one rule, or of all."""
    tapes = tape if isinstance(tape, list) else [tape]
    office = OfficeDay(folder, *tapes)
    office.post(rows)
    return [
        (each.kind, each.text)
        for each in office.day(policy=policy).findings
        if rule in ("", each.rule)
    ]


# (rule, kind, what its text says, tape, rows)
BROKEN = [
    ("R01", "other_cashier", "1 receipt by cashier 9 while cashier 7 had the drawer, 50.00: R-0101",
        closed(), [posting("R-0101", 600, 5000, cashier_id="9")]),
    ("R01", "hand_over_uncounted", "from cashier 7 to 8: no count by who gave and by who took",
        opened().opening(600).mark(700, "sign_on", 8).count(900, "close", 25000), [SALE]),
    ("R01", "two_custodians", "session w1/2 began at 10:00:00 while w1/1 was open",
        opened().opening(599).count(600, "opening_float", 20000).count(900, "close", 25000),
        [SALE]),
    ("R01", "hand_over_uncounted", "from cashier 7 to 8: no count by who gave",
        opened().opening(590).mark(600, "sign_on", 8).count(601, "opening_float", 20000)
        .count(900, "close", 25000), [posting("R-0101", 590, 5000)]),
    ("R02", "float_uncounted", "the opening float was not counted",
        Tape().mark(480, "sign_on", 7).opening(600).count(900, "close", 25000), [SALE]),
    ("R02", "float_uncounted", "the opening float was not counted by a machine",
        Tape().mark(480, "sign_on", 7).mark(481, "opening_float", 20000).mark(482, "done")
        .opening(600).count(900, "close", 25000), [SALE]),
    ("R02", "float_counted_late",
        "2 receipts were posted before the opening float was counted: R-0101, R-0102",
        opened().count(900, "close", 20500),
        [posting("R-0101", 470, 200), posting("R-0102", 475, 300)]),
    ("R04", "too_many_counts", "4 closing counts, at most 3 are blind",
        closed(24000).count(902, "recount", 24100).count(904, "recount", 24200)
        .count(906, "recount", 25000), [SALE]),
    ("R06", "not_declared", "money order: 40.00 was posted and nothing declared",
        closed(), [SALE, posting("R-0102", 610, 4000, "money_order")]),
    ("R09", "void_after_close",
        "R-0102: 7 took R-0101 back, 50.00, at 15:20:00, after the own close at 15:00:00",
        closed(), [SALE, void("R-0102", 920, 5000, "R-0101")]),
    ("R09", "void_after_close", "after the close of a drawer of nobody",
        Tape().count(481, "opening_float", 20000).opening(600).count(900, "close", 25000),
        [SALE, void("R-0102", 920, 5000, "R-0101")]),
    ("R10", "void_without_supervisor",
        "receipt R-0102 takes R-0101 back (cash 50.00): no supervisor is named",
        closed(20000).opening(610), [SALE, void("R-0102", 610, 5000, "R-0101", void_by="")]),
    ("R10", "void_without_supervisor", "receipt R-0102 (cash 9.00) is void: no supervisor",
        closed(), [SALE, posting("R-0102", 610, 900, status="void")]),
    ("R10", "void_by_own_supervisor", "7 is named as the own supervisor",
        closed(20000).opening(610), [SALE, void("R-0102", 610, 5000, "R-0101", void_by="7")]),
    ("R10", "void_without_opening", "no drawer opening at w1 within 120 s",
        closed(20000), [SALE, void("R-0102", 700, 5000, "R-0101")]),
    ("R10", "void_again", "that was taken back before: it has no effect",
        closed(20000).opening(610), [
            SALE, void("R-0102", 610, 5000, "R-0101"), void("R-0103", 620, 5000, "R-0101")]),
    ("R10", "void_too_much", "that was 50.00",
        closed(19000).opening(610), [SALE, void("R-0102", 610, 6000, "R-0101")]),
    ("R10", "void_other_tender", "that was paid by cash",
        closed(), [SALE, void("R-0102", 610, 5000, "R-0101", tender_type="check")]),
    ("R10", "void_elsewhere", "made at w2, that was at w1",
        [closed(), opened(device="w2", cashier=8).opening(610).count(900, "close", 15000)],
        [SALE, void("R-0102", 610, 5000, "R-0101", window_id="w2", cashier_id="8")]),
    ("R10", "void_other_tender", "that was paid by check",  # of days ago
        closed(20000).opening(610), [
            posting("R-0100", 600 - 4 * 1440, 5000, "check", business_date="2026-11-16"),
            SALE, void("R-0102", 610, 5000, "R-0100")]),
    ("R10", "void_of_nothing", "receipt R-0102 takes R-77 back (cash 50.00): that was never posted",
        closed(), [SALE, void("R-0102", 610, 5000, "R-77")]),
    ("R11", "no_sale_openings", "4 drawer openings without a receipt within 90 s, limit 3",
        opened().opening(500).opening(520).opening(540).opening(560).opening(600)
        .count(900, "close", 25000), [SALE]),
    ("R11", "open_too_long", "the drawer stood open for 121 s, limit 120 s",
        opened().opening(600, dwell_ms=121_000).count(900, "close", 25000), [SALE]),
    ("R12", "drop_advised", "1,500.00 lay in the drawer at 10:00:00: a drop is advised",
        closed(150000), [posting("R-0101", 600, 130000)]),
    ("R12", "alarm", "2,500.00 lay in the drawer at 10:00:00: alarm from 2,500.00 on",
        closed(250000), [posting("R-0101", 600, 230000)]),
    ("R13", "drop_differs", "a drop: declared 60.00, counted 50.00",
        opened().opening(600).count(700, "drop", 5000, value=6000).count(900, "close", 20000),
        [SALE]),
    ("R13", "drop_not_counted", "a drop: no machine counted it",
        opened().opening(600).mark(700, "drop", 5000).mark(701, "done")
        .count(900, "close", 20000), [SALE]),
    ("R13", "batch_outside_count", "bills batch 2 of 70.00 outside a count",
        opened().opening(600).tally(700, 7000).count(900, "close", 25000), [SALE]),
    ("R13", "batch_unrecorded", "bills: missing report (batches 7 to 8 were not reported)",
        opened().opening(600).add(
            "instrument", 700, instrument="bills", condition="missing_report",
            detail="batches 7 to 8 were not reported").count(900, "close", 25000), [SALE]),
    ("R14", "numbers_missing", "cis: 1 receipt number missing: R-0102",
        opened().opening(600).count(900, "close", 26000), [SALE, posting("R-0103", 600, 1000)]),
    ("R15", "after_cut_off", "1 receipt taken past the cut-off 16:00 or on a closed day: R-0102 of",
        opened().opening(600).count(1000, "close", 26000), [SALE, posting("R-0102", 970, 1000)]),
    ("R15", "dated_ahead", "1 receipt taken before the cut-off 16:00: R-0101 of 10:00:00 is dated",
        closed(), [posting("R-0101", 600, 5000, business_date=MONDAY)]),
    ("R22", "suspense_old", "receipt R-0100: 10.00 in suspense for 6 business days, limit 5",
        closed(), [SALE, posting("R-0100", 600 - 8 * 1440, 1000, fund="",
                                 business_date="2026-11-12")]),
    ("R24", "suspect_without_custody", "a suspect note has no custody record",
        opened().opening(600).mark(900, "close").tally(900, 25000, rejects=[(3, 1)])
        .mark(901, "done"), [SALE]),
]  # fmt: skip

# (rule, tape, rows): near it, and not broken
KEPT = [
    ("R01", closed(), [posting("R-0101", 600, 5000, cashier_id="007")]),
    ("R01", Tape().count(481, "opening_float", 20000).opening(600).count(900, "close", 25000),
        [posting("R-0101", 600, 5000, cashier_id="9")]),  # nobody signed on
    ("R01", closed().mark(905, "sign_on", 8).count(906, "opening_float", 20000)
        .count(950, "close", 20000), [SALE]),  # a hand-over with both counts
    ("R02", closed(20000, float_cents=15000, issued=20000), [SALE]),  # a line of its own
    ("R02", opened().count(483, "recount", 20000).opening(600).count(900, "close", 25000),
        [SALE, posting("R-0102", 482, 0)]),  # after the first of two counts
    ("R04", closed(24000).count(902, "recount", 24100).count(904, "recount", 25000), [SALE]),
    ("R06", closed().mark(890, "money_order", 4000), [
        SALE, posting("R-0102", 610, 4000, "money_order")]),
    ("R09", closed(20000).opening(899), [SALE, void("R-0102", 899, 5000, "R-0101")]),
    ("R09", closed().mark(910, "sign_on", 7).count(911, "opening_float", 20000).opening(920)
        .count(950, "close", 15000), [SALE, void("R-0102", 920, 5000, "R-0101")]),
    ("R10", closed(20000).opening(610), [SALE, void("R-0102", 611, 5000, "R-0101")]),
    ("R10", closed(20000).opening(610).opening(640), [
        SALE, void("R-0102", 610, 2000, "R-0101"), void("R-0103", 640, 3000, "R-0101")]),
    ("R10", closed(25000).check(890, 0), [  # split: its void has two tenders and is one void
        SALE, posting("R-0102", 610, 1000, tender_id="T1"),
        posting("R-0102", 610, 2000, "check", line=2, tender_id="T2"),
        void("R-0103", 600, 1000, "R-0102", tender_id="T1"),
        void("R-0103", 600, 2000, "R-0102", tender_type="check", line=2, tender_id="T2")]),
    ("R10", closed().check(890, 0), [  # the bank brings it back, and asks no supervisor
        posting("R-0100", 600 - 4 * 1440, 5000, "check", business_date="2026-11-16"),
        SALE, void("R-0102", 610, 5000, "R-0100", tender_type="check", status="reversed",
                   void_by="")]),
    ("R11", opened().opening(500).opening(520).opening(540).opening(600, dwell_ms=120_000)
        .count(900, "close", 25000), [SALE]),
    ("R12", closed(149999), [posting("R-0101", 600, 129999)]),
    ("R12", opened().opening(600).count(900, "close", 155000).count(903, "recount", 149000),
        [posting("R-0101", 600, 129000)]),  # what was miscounted never lay there
    ("R12", opened().opening(600).count(700, "checkpoint", 120000).count(900, "close", 120000),
        [posting("R-0101", 600, 60000), posting("R-0102", 700.1, 40000)]),  # in the checkpoint
    ("R12", closed(149999), [  # what was posted after the count lay in no drawer
        posting("R-0101", 600, 129999), posting("R-0102", 930, 5000)]),
    ("R13", opened().opening(600).count(700, "drop", 5000, value=5000).count(900, "close", 20000),
        [SALE]),
    ("R14", opened().opening(600).count(900, "close", 20500), [
        posting("R-0101", 600, 500), posting("R-0102", 601, 700, status="void", void_by="ann"),
        posting("R-0103", 602, 0, status="unknown"), posting("R-0104", 603, 0)]),
    ("R15", opened().opening(600).count(1000, "close", 26000), [
        SALE, posting("R-0102", 970, 1000, business_date=MONDAY)]),
    ("R22", closed(), [SALE, posting("R-0100", 600 - 7 * 1440, 1000, fund="",
                                     business_date="2026-11-13")]),
    ("R22", closed(), [SALE, posting("R-0100", 600 - 8 * 1440, 1000, fund="",
                                     business_date="2026-11-12"),
                       void("R-0102", 610, 1000, "R-0100", tender_type="check")]),
    ("R24", opened().opening(600).mark(900, "close").tally(900, 25000, rejects=[(2, 3)])
        .mark(901, "done"), [SALE]),  # unfit, and money all the same
]  # fmt: skip
# What the program itself keeps: no day of records and postings can break it.
INVARIANTS = ("R03", "R05", "R07", "R21")


@pytest.mark.parametrize(
    ("rule", "kind", "words", "tape", "rows"), BROKEN, ids=[f"{r}-{k}" for r, k, *_ in BROKEN]
)
def test_a_day_that_breaks_it(rule, kind, words, tape, rows, tmp_path):
    told = found(tmp_path, tape, rows, rule)

    assert [kind] == [each for each, _ in told]
    assert words in told[0][1]


@pytest.mark.parametrize(("rule", "tape", "rows"), KEPT, ids=[rule for rule, *_ in KEPT])
def test_a_day_that_does_not_break_it(rule, tape, rows, tmp_path):
    assert [] == found(tmp_path, tape, rows, rule)


def test_a_sound_day_breaks_no_rule_and_is_final(tmp_path):
    office = OfficeDay(tmp_path, closed())
    office.post([SALE])
    day = office.day()

    assert ([], [], True) == (day.findings, day.open_points, day.is_balanced)


def test_every_rule_that_is_looked_at_has_such_a_day_and_the_others_say_what_they_wait_for():
    by_days = {rule for rule, *_ in BROKEN} & {rule for rule, *_ in KEPT}

    assert list(TITLES) == list(LOOKED_AT)
    assert {*by_days, *INVARIANTS, "R08", "R17"} == set(REPORTED)
    assert all(LOOKED_AT[rule].startswith("when ") for rule in set(TITLES) - set(REPORTED))
    assert set(REPORTED) >= {each.rule for each in rules_broken(_everything_wrong(), UNDER)}


def _everything_wrong():
    """Facts that only a record could bring which there is none of yet break no rule here."""
    from tests.office.sound_day import BAG, CARD, DAY, RETURNED

    return DAY._replace(
        bags=(BAG, BAG), cards=(CARD._replace(settled_cents=None),),
        returned=(RETURNED._replace(receivable_reopened=False),),
        slips=(DAY.slips[0]._replace(cash_cents=(1, 2, 3)),),
        corrections=(DAY.corrections[0]._replace(cash_cents=500),),
    )  # fmt: skip


# --- what a finding does --------------------------------------------------------------------------


def test_what_blocks_makes_the_day_not_final_and_what_flags_does_not(tmp_path):
    gap = OfficeDay(tmp_path / "gap", opened().opening(600).count(900, "close", 25000))
    gap.post([posting("R-0101", 600, 5000), posting("R-0103", 610, 0)])
    flag = OfficeDay(tmp_path / "flag", opened().opening(600, 121_000).count(900, "close", 25000))
    flag.post([SALE])

    assert [("numbers_missing", "")] == [(p.kind, p.window) for p in gap.day().open_points]
    assert gap.day().open_points[0].text.startswith("R14 cis: 1 receipt number missing: R-0102")
    assert (["R11"], []) == (
        [each.rule for each in flag.day().findings],
        flag.day().open_points,
    )


def test_the_policy_says_what_a_finding_does(tmp_path):
    office = OfficeDay(tmp_path, closed())
    office.post([posting("R-0101", 600, 5000), posting("R-0103", 610, 0)])
    policy = shipped_policy()

    def by(severity):
        day = office.day(policy=replace(policy, R14=replace(policy.R14, severity=severity)))
        return [each.severity for each in day.findings], len(day.open_points)

    assert (["block"], 1) == by("block")
    assert (["note"], 0) == by("note")
    assert ([], 0) == by("off")


def test_many_findings_of_one_rule_in_a_session_are_one_open_point(tmp_path):
    tape = opened().opening(600)
    for minute in (700, 710, 720):
        tape.tally(minute, 1000)
    office = OfficeDay(tmp_path, tape.count(900, "close", 25000))
    office.post([SALE])

    assert ["R13 bills batch 2 of 10.00 outside a count, and 2 more"] == [
        point.text for point in office.day().open_points
    ]


def test_one_matter_stands_in_one_place(tmp_path):
    """No remark says what a rule finds."""
    rows = [posting("R-0101", 470, 5000, cashier_id="9"), void("R-0102", 920, 5000, "R-0101")]
    tape = opened().tally(700, 7000).count(710, "drop", 5000, value=6000)
    office = OfficeDay(tmp_path, tape.count(900, "close", 20000))
    office.post(rows)
    day = office.day()
    remarks = [each.kind for each in day.proofs[0].reconciliation.remarks]

    assert ["arrived_after_close"] == remarks
    assert ["R01", "R02", "R09", "R10", "R13", "R13"] == sorted(each.rule for each in day.findings)


def test_times_are_compared_by_the_windows_clock(tmp_path):
    """The posting system is five minutes ahead: the void follows its drawer opening all the
    same.
    """
    tape = opened()
    for n in range(8):
        tape.opening(500 + 37 * n)
    tape.opening(800)
    office = OfficeDay(tmp_path, tape.count(900, "close", 27000))
    rows = [posting(f"R-{n}", 505 + 37 * n, 1000) for n in range(8)]
    office.post([*rows, void("R-8", 805, 1000, "R-0")])

    assert [] == [each.text for each in office.day().findings if each.rule in ("R10", "R11")]


# --- R08, R17 -------------------------------------------------------------------------------------


def test_what_a_difference_wants_stands_at_its_tender_alone(tmp_path):
    assert [] == found(tmp_path, closed(24000), [SALE], "R08")


def test_the_deposit_has_a_deadline_and_an_alert_before_it(tmp_path):
    office = OfficeDay(tmp_path, closed())
    office.post([SALE])

    def alerts(clock, date=MONDAY):
        from gateway.day.rules import facts_of

        day = office.day()
        facts = facts_of(office.office.ledger.db, day, UNDER)
        return [e.kind for e in rules_broken(facts, UNDER, at(clock, date)) if e.rule == "R17"]

    assert at("10:00", "2026-11-21") == office.day().deadline.due_ms
    assert (["deposit_due"], []) == (alerts("09:00", "2026-11-21"), alerts("18:00", TODAY))
    assert [] == alerts("10:00"), "whether it was made in time is on no record"


def test_a_day_without_money_for_the_bank_has_no_deadline(tmp_path):
    office = OfficeDay(tmp_path, opened().mark(890, "card_total", 5000).count(900, "close", 20000))
    office.post([posting("R-0101", 600, 5000, "card")])

    assert office.day().deadline is None


# --- R14: numbers ---------------------------------------------------------------------------------


def numbers_told(office, date=TODAY, **numbering):
    policy = shipped_policy()
    if numbering:
        receipts = {**policy.receipts, "cis": Numbering(**numbering)}
        policy = replace(policy, receipts=receipts)
    return [
        each.text.partition(";")[0]
        for each in office.day(date, policy=policy).findings
        if each.rule == "R14"
    ]


def numbers(*names, minute=600, **more):
    return [posting(name, minute + n, 0, **more) for n, name in enumerate(names)]


def test_a_number_that_the_evening_file_brings_is_no_gap(tmp_path):
    office = OfficeDay(tmp_path, closed(20000))
    office.post(numbers("R-0101", "R-0103"), "noon.csv")
    at_noon = numbers_told(office)
    office.post(numbers("R-0102", "R-0104"), "evening.csv")

    assert (["cis: 1 receipt number missing: R-0102"], []) == (at_noon, numbers_told(office))


def test_numbers_run_on_from_the_day_before(tmp_path):
    office = OfficeDay(tmp_path, closed(20000))
    office.post(numbers("R-8", "R-9", business_date="2026-11-18", minute=600 - 2880), "a.csv")
    office.post(numbers("R-12", "R-13"), "b.csv")
    before = numbers_told(office)
    office.post(numbers("R-10", "R-11", business_date="2026-11-19", minute=600 - 1440), "c.csv")

    assert ["cis: 2 receipt numbers missing: R-10 to R-11"] == before
    assert [] == numbers_told(office)


def test_the_first_numbers_of_all_have_none_before_them(tmp_path):
    office = OfficeDay(tmp_path, closed(20000))
    office.post(numbers("R-0500", "R-0501", "X7"))

    assert [] == numbers_told(office)


def test_a_number_that_is_dated_the_next_day_is_no_gap_on_either(tmp_path):
    office = OfficeDay(tmp_path, closed(20000))
    office.post(
        [
            *numbers("R-0101", "R-0103"),
            *numbers("R-0102", minute=970, business_date=MONDAY),
            *numbers("R-0104", minute=600 + 3 * 1440, business_date=MONDAY),
        ]
    )

    assert ([], []) == (numbers_told(office), numbers_told(office, MONDAY))


def test_a_gap_that_a_refused_row_fills_is_named_as_that(tmp_path):
    office = OfficeDay(tmp_path, closed(20000))
    good = numbers("R-0101", "R-0103")
    bad = replace(numbers("R-0102", minute=603)[0], window_id="", tender_amount_cents=0)
    office.post([*good, bad])
    day = office.day()

    assert ["cis: 1 receipt number in no sum, refused when imported: R-0102 (posted.csv:4)"] == (
        numbers_told(office)
    )
    assert ["refused"] == [point.kind for point in day.open_points], "said once"


def test_a_file_that_was_refused_as_a_whole_fills_its_numbers_too(tmp_path):
    from tests.day.bench import posted_csv

    office = OfficeDay(tmp_path, closed(20000))
    office.post(numbers("R-0101", "R-0103"))
    office.post(posted_csv(numbers("R-0102")).replace("rows=1", "rows=2"), "cut.csv")

    (told,) = numbers_told(office)
    assert "R-0102 (cut.csv" in told


def test_each_window_may_have_a_row_of_its_own(tmp_path):
    w2 = opened(device="w2", cashier=8).count(900, "close", 20000)
    office = OfficeDay(tmp_path, closed(20000), w2)
    office.post(
        [
            *numbers("W1-1", "W1-2", "W1-3"),
            *numbers("W2-5", "W2-7", window_id="w2", cashier_id="8"),
        ]
    )

    assert ["cis: 1 receipt number missing: W2-6"] == numbers_told(office)


def test_a_declared_row_of_each_window_is_not_filled_by_the_other(tmp_path):
    w2 = opened(device="w2", cashier=8).count(900, "close", 20000)
    office = OfficeDay(tmp_path, closed(20000), w2)
    office.post([*numbers("1", "3"), *numbers("2", "4", window_id="w2", cashier_id="8")])

    assert ([], ["cis at w1: 1 receipt number missing: 2", "cis at w2: 1 receipt number missing: 3"]
            ) == (numbers_told(office), numbers_told(office, scope="window"))  # fmt: skip


def test_a_row_that_begins_again_each_day_misses_its_first_numbers(tmp_path):
    office = OfficeDay(tmp_path, closed(20000))
    office.post(numbers("1", "2", "3", business_date="2026-11-19", minute=600 - 1440), "a.csv")
    office.post(numbers("22", "24"), "b.csv")

    assert ["cis: 22 receipt numbers missing: 1 to 21, 23"] == [
        text.replace("01", "1") for text in numbers_told(office, scope="day")
    ]
    assert ["cis: 19 receipt numbers missing: 04 to 21, 23"] == numbers_told(office)
    assert [] == numbers_told(office, scope="none")


def test_numbers_that_do_not_run_are_said_so_once(tmp_path):
    """An office that sees a part of its source's receipts."""
    office = OfficeDay(tmp_path, closed(20000))
    office.post(numbers(*(f"{n * 37:05d}" for n in range(1, 41))))

    assert [
        "cis: 40 receipt numbers from 00037 to 01480 do not run: nobody can say which are missing"
    ] == numbers_told(office)
    assert [] == numbers_told(office, scope="none")


def test_the_receipt_that_an_audit_found_missing(tmp_path):
    """Missouri State Auditor, Camden County 2017: the numerical sequence was not accounted for."""
    office = OfficeDay(tmp_path, closed(31000))
    office.post([posting("R-1001", 600, 5000), posting("R-1003", 610, 6000)])
    day = office.day()

    assert ["cis: 1 receipt number missing: R-1002"] == numbers_told(office)
    assert (True, ["numbers_missing"]) == (day.is_balanced, [p.kind for p in day.open_points])


@pytest.mark.parametrize("has_zeros", [True, False])
def test_numbers_with_and_without_leading_zeros_are_found_in_other_days(has_zeros, tmp_path):
    def name(number):
        return f"{number:05d}" if has_zeros else str(number)

    office = OfficeDay(tmp_path, closed(20000))
    office.post(
        numbers(*map(name, range(95, 106)), minute=600 - 1440, business_date="2026-11-19"), "a.csv"
    )
    office.post(numbers(*map(name, (90, 108))), "b.csv")

    assert ["cis: 6 receipt numbers missing: "] == [
        text[: len("cis: 6 receipt numbers missing: ")] for text in numbers_told(office)
    ]
