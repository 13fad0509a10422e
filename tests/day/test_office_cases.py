"""Cases of an office through the ledger that have no other page: what is posted, whose drawer it
is, and what a difference may be. Each test is a line of somebody's complaint.
"""

import pytest

from tests.day.bench import OfficeDay
from tests.day.site import Site, causes, line_of, money, points, said
from tests.office.rows import DAY, Tape, posting

BARE = {"account_no": "", "service": "", "fund": ""}


def counted(cents, *checks, device="w1"):
    tape = Tape(device).mark(480, "sign_on", 7).count(481, "opening_float", 20000)
    if checks:
        tape.check(1000, *checks)
    return tape.count(1002, "close", cents)


def proved(folder, tape, *rows):
    office = OfficeDay(folder, tape)
    office.post(list(rows))
    return office.day()


def cash(day, session=0):
    line = day.proofs[session].reconciliation.line("cash")
    return line.posted_cents, line.expected_cents, line.over_short_cents


# --- what is posted -------------------------------------------------------------------------------


def test_refund_paid_in_paid_out_and_loan_move_the_cash_of_the_drawer(tmp_path):
    day = proved(
        tmp_path,
        counted(20000 + 5000 - 3000 + 2000 - 1500 + 10000 - 4000),
        posting("R1", 600, 5000),
        posting("F1", 610, -3000, kind="refund"),
        posting("I1", 620, 2000, kind="paid_in"),
        posting("O1", 630, -1500, kind="paid_out"),
        posting("L1", 640, 10000, kind="loan", **BARE),
        posting("L2", 650, -4000, kind="loan", **BARE),
    )

    assert (8500, 28500, 0) == cash(day)


def test_what_the_safe_lent_is_in_the_drawer_and_in_no_deposit_and_no_fund(tmp_path):
    loan = posting("L1", 640, 10000, kind="loan", **BARE)
    day = proved(tmp_path, counted(35000), posting("R1", 600, 5000), loan)

    assert (15000, 35000, 0) == cash(day)
    assert (5000, 5000, 5000, {"503-water": 5000}, 10000) == (
        day.deposit.deposit_cents,
        day.deposit.total_tenders_cents,
        day.deposit.total_funds_cents,
        day.deposit.funds_cents,
        day.deposit.loans_cents,
    )


def test_a_loan_that_went_back_to_the_safe_leaves_nothing(tmp_path):
    rows = [posting(f"L{n}", 640 + n, cents, kind="loan", **BARE) for n, cents in ((1, 1), (2, -1))]
    day = proved(tmp_path, counted(25000), posting("R1", 600, 5000), *rows)

    assert (0, 5000, []) == (day.deposit.loans_cents, day.deposit.deposit_cents, day.open_points)


def test_a_loan_that_was_not_given_back_is_told_on_every_form(tmp_path):
    site = Site(tmp_path, counted(35000))
    site.posted(
        ("posted.csv",
         [posting("R1", 600, 5000), posting("L1", 640, 10000, kind="loan", **BARE)])
    )  # fmt: skip

    for form in ("", "--html"):
        assert "lent by the safe and not given back 100.00" in " ".join(site.report(form).split())
    assert ",loans,10000," in site.report("--csv")


def test_cash_back_on_a_card_leaves_the_drawer_and_the_card_stays_whole(tmp_path):
    tape = Tape().count(481, "opening_float", 20000).mark(900, "card_total", 10000)
    day = proved(
        tmp_path, tape.count(1002, "close", 18000), posting("K1", 600, 8000, "card", change=2000)
    )

    assert (-2000, 18000, 0) == cash(day)
    assert 0 == day.proofs[0].reconciliation.line("card").over_short_cents
    assert -2000 == day.deposit.deposit_cents  # it is cash that the drawer lacks for the bank


@pytest.mark.parametrize("tender", ["ach", "gift_card", "credit"])
def test_what_lies_in_no_drawer_is_posted_only_and_blocks_nothing(tmp_path, tender):
    day = proved(
        tmp_path, counted(25000), posting("R1", 600, 5000), posting("E1", 610, 700, tender)
    )

    assert ([], True) == (day.open_points, day.is_balanced)
    assert "posted only" == day.proofs[0].reconciliation.line(tender).status
    assert 5000 == day.deposit.deposit_cents


def test_a_split_over_three_tenders_is_in_each_of_them(tmp_path):
    tape = Tape().count(481, "opening_float", 20000).check(990, 3000).mark(995, "card_total", 2000)
    day = proved(
        tmp_path,
        tape.count(1002, "close", 25000),
        posting("R1", 600, 5000),
        posting("R1", 600, 3000, "check", line=2, tender_id="T2"),
        posting("R1", 600, 2000, "card", line=3, tender_id="T3"),
    )

    assert ([], 8000) == (day.open_points, day.deposit.deposit_cents)


# --- an over is as open as a short ----------------------------------------------------------------


@pytest.mark.parametrize(("cents", "status"), [(1, "over"), (-1, "short")])
def test_one_cent_over_is_as_open_as_one_cent_short(tmp_path, cents, status):
    site = Site(tmp_path, counted(25000 + cents))
    site.posted(("posted.csv", [posting("R1", 600, 5000)]))
    code, report = site.day()

    assert (1, ["differs"], status, cents) == (
        code, points(report), line_of(report)["status"], line_of(report)["over_short_cents"],
    )  # fmt: skip


def test_the_difference_stays_whatever_is_imported_again(tmp_path):
    """In another system it was set to 0 once the day had been looked at."""
    site = Site(tmp_path, counted(24000))
    rows = [posting("R1", 600, 5000)]
    site.posted(("posted.csv", rows))
    first = site.day()
    site.posted(("posted.csv", rows), ("again.csv", rows))

    assert first[0] == 1
    assert money(first[1]) == money(site.day()[1]) == (5000, 25000, -1000)
    assert -1000 == site.day()[1]["deposit"]["over_short_cents"]


def test_two_errors_of_two_drawers_are_not_balanced(tmp_path):
    office = OfficeDay(tmp_path, counted(24000), counted(26000, device="w2"))
    office.post([posting("R1", 600, 5000), posting("R2", 600, 5000, window_id="w2")])
    day = office.day()

    assert (False, 0) == (day.is_balanced, day.deposit.total_over_short_cents)
    assert [("differs", "w1"), ("differs", "w2")] == [(p.kind, p.window) for p in day.open_points]


def test_a_lost_slip_is_no_lost_money(tmp_path):
    """Nobody keyed the card total: proof missing, and not short."""
    day = proved(
        tmp_path, counted(25000), posting("R1", 600, 5000), posting("K1", 610, 700, "card")
    )
    line = day.proofs[0].reconciliation.line("card")

    assert ("proof missing", None) == (line.status, line.over_short_cents)
    assert ["proof_missing"] == [point.kind for point in day.open_points]


# --- what a difference may be ---------------------------------------------------------------------


def test_facts_on_record_that_sum_to_the_difference_are_tried(tmp_path):
    """25.00 of unknown status and 33.00 posted after the count lie in the drawer."""
    site = Site(tmp_path, counted(25800))
    site.posted(
        ("posted.csv", [posting("R1", 600, 2500, status="unknown"), posting("R2", 1030, 3300)])
    )
    code, report = site.day()

    assert (1, 5800) == (code, line_of(report)["over_short_cents"])
    assert ("cash", "on_record", "possible") == causes(report)[0]


def test_a_receipt_of_unknown_status_that_was_paid_is_the_first_cause(tmp_path):
    site = Site(tmp_path, counted(22500))
    site.posted(
        ("posted.csv", [posting("R1", 600, 2500, status="unknown"), posting("R2", 1030, 3300)])
    )
    code, report = site.day()

    assert (2500, "not_posted") == (line_of(report)["over_short_cents"], causes(report)[0][1])


# --- refused, corrected, again --------------------------------------------------------------------


def test_refused_then_corrected_then_voided_leaves_what_is_true(tmp_path):
    site = Site(tmp_path, counted(25000), settings='[posted]\nservices = ["water"]')
    r1, storm = posting("R1", 600, 5000), {"service": "stormwater"}
    assert 1 == site.post([r1, posting("R2", 610, 2000, **storm)], "a.csv").returncode
    site.posted(("b.csv", [posting("R2", 610, 2000)]))
    assert (7000, 27000, -2000) == money(site.day()[1])
    site.posted(("c.csv", [posting("R2", 610, 2000, status="void")]))
    code, report = site.day()

    assert (0, (5000, 25000, 0), []) == (code, money(report), report["quarantined_rows"])


def test_one_day_in_three_files_in_any_order_and_twice(tmp_path):
    rows = [posting(f"R{n}", 600 + n, 100 * n) for n in range(1, 10)]
    void = posting("V3", 700, 300, status="void", void_of="R3", void_by="4")
    parts = {"a.csv": rows[:4], "b.csv": [void], "c.csv": rows[4:]}
    reports = []
    for order in (("a.csv", "b.csv", "c.csv"), ("c.csv", "b.csv", "a.csv", "b.csv")):
        folder = tmp_path / order[0][0]
        folder.mkdir()
        site = Site(folder, counted(20000 + 4500 - 300))
        for name in order:
            site.post(parts[name], name)
        reports.append(site.day())

    assert [0, 0] == [code for code, _ in reports]
    assert money(reports[0][1]) == money(reports[1][1]) == (4200, 24200, 0)


def test_a_void_of_a_void_takes_nothing_back(tmp_path):
    """V1 takes R1 back and V2 takes V1 back: what that means nobody can tell, so it is told."""
    site = Site(tmp_path, counted(20000))
    void = {"status": "void", "void_by": "4"}
    site.posted(
        ("posted.csv", [
            posting("R1", 600, 5000), posting("V1", 610, 5000, void_of="R1", **void),
            posting("V2", 620, 5000, void_of="V1", **void),
        ])
    )  # fmt: skip
    _, report = site.day()

    assert (0, 20000, 0) == money(report)
    told = "receipt V2 takes V1 back (cash 50.00): that takes another back itself: it has no effect"
    assert [told] == said(report, "V2", "V1")


@pytest.mark.parametrize("cents", [3000, 2000])
def test_a_receipt_that_is_taken_back_in_two_parts_at_two_times(tmp_path, cents):
    void = {"status": "reversed", "void_of": "R1", "void_by": "4"}
    day = proved(
        tmp_path,
        counted(25000 - 3000 - cents),
        posting("R1", 600, 5000),
        posting("V1", 610, 3000, **void),
        posting("V2", 620, cents, **void),
    )

    assert 0 == cash(day)[2]


def test_a_refund_that_is_voided_comes_back_into_the_drawer(tmp_path):
    """A refund of 30.00 was keyed by mistake; nobody handed anything out."""
    for n, written in enumerate((-3000, 3000)):
        day = proved(
            tmp_path / str(n),
            counted(25000),
            posting("R1", 600, 5000),
            posting("F1", 610, -3000, kind="refund"),
            posting("V1", 620, written, status="void", void_of="F1", void_by="4"),
        )

        assert ((5000, 25000, 0), []) == (cash(day), day.open_points)


def test_a_refund_is_voided_once(tmp_path):
    void = {"status": "void", "void_of": "F1", "void_by": "4"}
    rows = [
        posting("R1", 600, 5000), posting("F1", 610, -3000, kind="refund"),
        posting("V1", 620, 3000, **void), posting("V2", 630, 3000, **void),
    ]  # fmt: skip

    assert (5000, 25000, 0) == cash(proved(tmp_path, counted(25000), *rows))


def test_a_receipt_of_unknown_status_that_is_voided_is_settled(tmp_path):
    """Posted or not, its money went back: no open point, no 50.00 over, nobody named."""
    void = posting("V1", 610, 5000, status="void", void_of="R1", void_by="4")
    day = proved(tmp_path, counted(20000), posting("R1", 600, 5000, status="unknown"), void)

    assert ((0, 20000, 0), []) == (cash(day), day.open_points)


def test_a_receipt_of_unknown_status_that_is_voided_in_part_stays_open(tmp_path):
    void = posting("V1", 610, 2000, status="void", void_of="R1", void_by="4")
    day = proved(tmp_path, counted(20000), posting("R1", 600, 5000, status="unknown"), void)

    assert ["unknown_posting"] == [point.kind for point in day.open_points]


# --- whose drawer and which day -------------------------------------------------------------------


def test_cash_that_is_handed_back_at_another_window_leaves_that_drawer(tmp_path):
    site = Site(tmp_path, counted(25000), counted(15000, device="w2"))
    back = {"status": "void", "void_of": "R1", "void_by": "4", "window_id": "w2"}
    site.posted(("posted.csv", [posting("R1", 600, 5000), posting("V1", 610, 5000, **back)]))
    _, report = site.day()

    assert ([5000, -5000], [0, 0]) == (
        [money(report, session=n)[0] for n in (0, 1)],
        [money(report, session=n)[2] for n in (0, 1)],
    )
    assert 0 == report["deposit"]["deposit_cents"]


def lines(day, tender="check"):
    return [
        (line.expected_cents, line.over_short_cents)
        for line in (each.reconciliation.line(tender) for each in day.proofs)
    ]


@pytest.mark.parametrize("tender", ["check", "money_order"])
def test_a_check_that_the_morning_took_is_not_short_in_the_afternoon(tmp_path, tender):
    """Its drawer is closed when the next cashier voids it: no check of it lies in hers."""
    tape = Tape().mark(480, "sign_on", 7).count(481, "opening_float", 20000)
    tape = tape.check(700, 5000) if tender == "check" else tape.mark(700, tender, 5000)
    tape.count(720, "close", 20000).mark(725, "sign_on", 8).count(726, "opening_float", 20000)
    tape.check(900, 1000)
    back = {"status": "void", "void_of": "C1", "void_by": "4", "cashier_id": "8"}
    day = proved(
        tmp_path, tape.count(1002, "close", 20000),
        posting("C1", 600, 5000, tender), posting("C2", 850, 1000, "check", cashier_id="8"),
        posting("V1", 800, 5000, tender, session_id="s2", **back),
    )  # fmt: skip

    assert [(5000, 0), (1000 if tender == "check" else 0, 0)] == lines(day, tender)
    assert ([], 1000) == (day.open_points, day.deposit.deposit_cents)
    kinds = [remark.kind for remark in day.proofs[1].reconciliation.remarks]
    assert ("void_of_other_drawer" in kinds, ["V1"]) == (
        True,
        [each.receipt_no for each in day.held_in],
    )


def test_cash_that_the_morning_took_is_handed_back_out_of_the_drawer_at_hand(tmp_path):
    tape = Tape().mark(480, "sign_on", 7).count(481, "opening_float", 20000)
    tape.count(720, "close", 25000).mark(725, "sign_on", 8).count(726, "opening_float", 20000)
    back = {"status": "void", "void_of": "R1", "void_by": "4", "cashier_id": "8"}
    day = proved(
        tmp_path, tape.count(1002, "close", 15000),
        posting("R1", 600, 5000), posting("V1", 800, 5000, session_id="s2", **back),
    )  # fmt: skip

    assert [0, 0] == [cash(day, n)[2] for n in (0, 1)]


def test_a_check_is_handed_back_out_of_the_drawer_that_has_it(tmp_path):
    """The void was keyed at another window; both tapes are right."""
    office = OfficeDay(tmp_path, counted(20000, 1000), counted(20000, 2000, device="w2"))
    other = {"window_id": "w2", "cashier_id": "7", "session_id": "s2"}
    office.post(
        [
            posting("C1", 600, 5000, "check"), posting("C2", 610, 1000, "check"),
            posting("C3", 620, 2000, "check", **other),
            posting("V1", 800, 5000, "check", status="void", void_of="C1", void_by="4", **other),
        ]
    )  # fmt: skip
    day = office.day()

    assert [(1000, 0), (2000, 0)] == lines(day)
    assert ([], 3000) == (day.open_points, day.deposit.deposit_cents)


def test_a_check_of_the_lockbox_that_a_window_voids_is_lost_nowhere(tmp_path):
    office = OfficeDay(tmp_path, counted(20000))
    office.post(
        [
            posting("L1", 600, 5000, "check", window_id="lockbox"),
            posting("V1", 800, 5000, "check", status="void", void_of="L1", void_by="4"),
        ]
    )
    day = office.day(apart=["lockbox"])

    assert -5000 == day.proofs[0].reconciliation.line("check").posted_cents
    assert 5000 == day.without_drawer[0].total_cents


@pytest.mark.parametrize(
    ("clock", "date", "held_over"),
    [(959.99, DAY, 0), (960, "2026-11-23", 5000), (961, "2026-11-23", 5000)],
)
def test_a_receipt_at_the_cut_off_is_in_todays_drawer_whatever_its_deposit(
    tmp_path, clock, date, held_over
):
    """16:00:00 is after the cut-off, 15:59:59 is not; the cashiering system says the date."""
    day = proved(tmp_path, counted(25000), posting("R1", clock, 5000, business_date=date))

    assert (0, held_over, 5000 - held_over) == (
        cash(day)[2], day.deposit.held_over_cents, day.deposit.deposit_cents,
    )  # fmt: skip


def test_a_drawer_whose_float_nobody_counted_has_its_receipts_on_its_day(tmp_path):
    """They were posted before the closing count; nobody may say that they came after it."""
    tape = Tape().mark(480, "sign_on", 7).count(1002, "close", 25000)
    day = proved(tmp_path, tape, posting("R1", 600, 5000), posting("R2", 1020, 700))

    assert (5000, None, None) == cash(day)
    assert ({"503-water": 5000}, 700) == (day.deposit.funds_cents, day.deposit.after_close_cents)
    assert ["R2"] == [each.receipt_no for each in day.proofs[0].reconciliation.after_close]


def test_a_day_of_which_all_belongs_to_the_next_one_lacks_no_file(tmp_path):
    day = proved(tmp_path, counted(25000), posting("R1", 970, 5000, business_date="2026-11-23"))

    assert ([], 5000, 0) == (
        day.open_points, day.deposit.held_over_cents, day.deposit.deposit_cents,
    )  # fmt: skip
    short = proved(
        tmp_path / "short", counted(29000), posting("R1", 970, 5000, business_date="2026-11-23")
    )
    assert "nothing_posted" in [point.kind for point in short.open_points]


def test_two_cashiers_with_a_hand_over_have_two_drawers(tmp_path):
    tape = Tape().mark(480, "sign_on", 7).count(481, "opening_float", 20000)
    tape.count(720, "close", 25000).mark(725, "sign_on", 8).count(726, "opening_float", 20000)
    day = proved(
        tmp_path, tape.count(1002, "close", 23000),
        posting("R1", 600, 5000), posting("R2", 800, 3000, cashier_id="8", session_id="s2"),
    )  # fmt: skip

    assert [0, 0] == [cash(day, n)[2] for n in (0, 1)]
    assert 8000 == day.deposit.deposit_cents


def test_a_session_over_the_hour_that_comes_twice_is_one_session(tmp_path):
    """Clocks go back at 02:00 on 1 November 2026: a night shift has 01:30 two times."""
    start = -(19 * 1440)  # 1 November, 00:00 standard time is an hour later than the local one
    tape = Tape().mark(start - 120, "sign_on", 7).count(start - 119, "opening_float", 20000)
    tape.count(start + 240, "close", 28000)
    office = OfficeDay(tmp_path, tape)
    date = "2026-10-31"
    office.post(
        [
            posting("R1", start + 30, 5000, business_date=date),
            posting("R2", start + 90, 3000, business_date=date),
        ]
    )
    day = office.day(date)

    assert [(8000, 28000, 0)] == [cash(day, n) for n in range(len(day.proofs))]
    assert [] == office.day("2026-11-01").proofs
