"""What the generated days showed."""

from tests.day.bench import OfficeDay
from tests.office.rows import Tape, posting

MONDAY = "2026-11-23"


def lines_of(day):
    """{(window, session): (over_short of the cash's intervals, status of all tenders)}"""
    return {
        (each.session.device, each.session.number): (
            [interval.over_short_cents for interval in each.intervals],
            each.status,
        )
        for each in (proved.reconciliation for proved in day.proofs)
    }


def test_a_late_receipt_of_the_morning_is_not_the_afternoons_of_the_same_cashier(tmp_path):
    tape = Tape().mark(480, "sign_on", 7).count(481, "opening_float", 20000)
    tape.count(720, "close", 25000)
    tape.mark(780, "sign_on", 7).count(781, "opening_float", 20000).count(1000, "close", 23000)
    office = OfficeDay(tmp_path, tape)
    office.post(
        [
            posting("R1", 600, 5000, session_id="am"),
            posting("R2", 800, 3300, session_id="am"),
            *(posting(f"R{n}", 800 + n, 1000, session_id="pm") for n in (3, 4, 5)),
            *(posting(f"A{n}", 500 + n, 0, session_id="am") for n in range(6)),
        ]
    )

    assert lines_of(office.day()) == {
        ("w1", 1): ([0], "balanced"),
        ("w1", 2): ([0], "balanced"),
    }


def test_a_check_that_is_voided_after_the_cut_off_leaves_the_drawer_that_took_it(tmp_path):
    tape = Tape().count(481, "opening_float", 20000).check(990, 3000).count(1000, "close", 20000)
    office = OfficeDay(tmp_path, tape)
    office.post(
        [
            posting("C1", 940, 5000, "check"),
            posting("C2", 945, 3000, "check"),
            posting(
                "V1", 965, 5000, "check", status="void", void_of="C1", void_by="s9",
                business_date=MONDAY,
            ),
        ]
    )  # fmt: skip
    day = office.day()

    assert (3000, {}) == (
        day.proofs[0].reconciliation.line("check").expected_cents,
        day.deposit.returned_cents,
    )
    monday = office.day(MONDAY).deposit
    assert (-5000, {}) == (monday.held_in_cents, monday.returned_cents)


def test_a_money_order_that_was_given_back_after_the_cut_off_wants_no_declaration(tmp_path):
    tape = Tape().count(481, "opening_float", 20000).count(1000, "close", 20000)
    office = OfficeDay(tmp_path, tape)
    office.post(
        [
            posting("M1", 940, 5000, "money_order"),
            posting(
                "V1", 965, 5000, "money_order", status="void", void_of="M1", void_by="s9",
                business_date=MONDAY,
            ),
        ]
    )  # fmt: skip

    assert lines_of(office.day()) == {("w1", 1): ([0], "balanced")}


def test_a_quiet_drawer_is_read_by_the_clock_that_the_busy_ones_show(tmp_path):
    """The system's clock is five minutes ahead; w2 has too few sales to show it."""
    busy = Tape("w1").count(481, "opening_float", 20000)
    for n in range(8):
        busy.opening(500 + 37 * n)
    quiet = Tape("w2").count(481, "opening_float", 20000).opening(717)
    busy.count(1000, "close", 28000)
    quiet.count(720, "checkpoint", 23000).opening(900).count(1000, "close", 24000)
    office = OfficeDay(tmp_path, busy, quiet)
    office.post(
        [
            *(posting(f"R{n}", 505 + 37 * n, 1000) for n in range(8)),
            posting("Q1", 722.5, 3000, window_id="w2", session_id="s2", cashier_id="8"),
            posting("Q2", 905, 1000, window_id="w2", session_id="s2", cashier_id="8"),
            posting("Q3", 901, 0, window_id="w2", session_id="s2", cashier_id="8"),
        ]
    )

    assert lines_of(office.day())[("w2", 1)] == ([0, 0], "balanced")


def test_two_counts_in_a_row_may_each_lack_the_sale_that_was_rung_up_meanwhile(tmp_path):
    tape = Tape().count(481, "opening_float", 20000).count(720, "checkpoint", 25000)
    office = OfficeDay(tmp_path, tape.count(1000, "close", 28000))
    office.post([posting("R1", 720.1, 5000), posting("R2", 1000.1, 3000)])

    assert lines_of(office.day()) == {("w1", 1): ([0, 0], "balanced")}


# --- the same kinds -------------------------------------------------------------------------------


def with_a_busy_drawer(tmp_path, quiet, rows, ahead=5):
    """A busy drawer w1 whose eight sales show the clock, and a quiet one."""
    busy = Tape("w1").count(481, "opening_float", 20000)
    for n in range(8):
        busy.opening(500 + 37 * n)
    office = OfficeDay(tmp_path, busy.count(1000, "close", 28000), quiet)
    office.post([*(posting(f"R{n}", 500 + ahead + 37 * n, 1000) for n in range(8)), *rows])
    return office.day()


def at_w2(receipt, minute, cents, **more):
    return posting(receipt, minute, cents, window_id="w2", session_id="s2", cashier_id="8", **more)


def test_a_clock_that_is_behind_is_shown_to_the_quiet_drawers_too(tmp_path):
    quiet = Tape("w2").count(481, "opening_float", 20000).opening(725)
    quiet.count(722, "checkpoint", 20000).count(1000, "close", 23000)
    day = with_a_busy_drawer(tmp_path, quiet, [at_w2("Q1", 719, 3000)], ahead=-6)

    assert lines_of(day)[("w2", 1)] == ([0, 0], "balanced")


def test_a_quiet_drawer_whose_own_receipts_fit_their_openings_keeps_its_clock(tmp_path):
    quiet = Tape("w2").count(481, "opening_float", 20000).opening(600).opening(722.5)
    quiet.count(720, "checkpoint", 21000).count(1000, "close", 24000)
    rows = [at_w2("Q1", 600, 1000), at_w2("Q2", 722.5, 3000)]
    day = with_a_busy_drawer(tmp_path, quiet, rows)

    assert lines_of(day)[("w2", 1)] == ([0, 0], "balanced")
    assert [300_000, 0] == [proof.reconciliation.clock_offset_ms for proof in day.proofs]


def test_the_clock_of_one_system_says_nothing_of_another_ones(tmp_path):
    quiet = Tape("w2").count(481, "opening_float", 20000)
    quiet.count(720, "checkpoint", 20000).count(1000, "close", 23000)
    rows = [at_w2("Q1", 722.5, 3000, source_system="permits")]
    day = with_a_busy_drawer(tmp_path, quiet, rows)

    assert lines_of(day)[("w2", 1)] == ([0, 0], "balanced")
    assert [300_000, 0] == [proof.reconciliation.clock_offset_ms for proof in day.proofs]


def test_the_remark_says_whose_receipts_show_the_clock(tmp_path):
    quiet = Tape("w2").count(481, "opening_float", 20000).count(1000, "close", 23000)
    day = with_a_busy_drawer(tmp_path, quiet, [at_w2("Q1", 722.5, 3000)])
    told = [
        remark.text
        for proof in day.proofs
        for remark in proof.reconciliation.remarks
        if remark.kind == "clock_offset"
    ]

    assert 2 == len(told)
    assert "8 of 8 cash receipts follow a drawer opening" in told[0]
    assert "8 of 9 cash receipts of all drawers of the day follow" in told[1]


def test_three_counts_in_a_row_may_each_lack_a_sale(tmp_path):
    tape = Tape().count(481, "opening_float", 20000).count(720, "checkpoint", 25000)
    tape.count(800, "checkpoint", 27000).count(1000, "close", 28500)
    office = OfficeDay(tmp_path, tape)
    office.post(
        [posting("R1", 720.1, 5000), posting("R2", 800.1, 2000), posting("R3", 1000.1, 1500)]
    )

    assert lines_of(office.day()) == {("w1", 1): ([0, 0, 0], "balanced")}


def test_sales_that_came_too_early_by_their_clock_go_the_other_way_in_a_row(tmp_path):
    tape = Tape().count(481, "opening_float", 20000).count(720, "checkpoint", 20000)
    tape.count(800, "checkpoint", 25000).count(1000, "close", 27000)
    office = OfficeDay(tmp_path, tape)
    office.post([posting("R1", 719.9, 5000), posting("R2", 799.9, 2000)])

    assert lines_of(office.day()) == {("w1", 1): ([0, 0, 0], "balanced")}


def test_a_row_of_counts_that_does_not_come_out_moves_nothing(tmp_path):
    tape = Tape().count(481, "opening_float", 20000).count(720, "checkpoint", 25000)
    office = OfficeDay(tmp_path, tape.count(1000, "close", 28000))
    office.post([posting("R1", 720.1, 5000), posting("R2", 1000.1, 2900)])

    assert lines_of(office.day())[("w1", 1)] == ([5000, -2000], "over and short")


def test_a_sale_in_nickels_goes_over_a_count_by_what_it_brought(tmp_path):
    tape = Tape().count(481, "opening_float", 20000).count(720, "checkpoint", 25005)
    office = OfficeDay(tmp_path, tape.count(1000, "close", 25005))
    office.post([posting("R1", 720.1, 5004)])

    assert lines_of(office.day(cash="nickel"))[("w1", 1)] == ([0, 0], "balanced")
