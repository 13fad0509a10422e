"""What the card processor and the bank say of a day, in a real ledger: each case by its name. The
day is Friday 2026-11-20; Monday is the 23rd.
"""

import io
from dataclasses import replace

import pytest
from rich.console import Console

from gateway.config import Config
from gateway.office.rule_finding import under
from gateway.reports.day_csv import to_csv
from gateway.reports.day_html import to_html
from gateway.reports.day_report import day_report, to_json
from gateway.reports.day_terminal import print_day
from simulators.office.bank_files import (
    Booked,
    Returned,
    Settled,
    bai2,
    nacha_returns,
    settlement_csv,
)
from tests.day.bench import OfficeDay
from tests.office.rows import DAY, Tape, posting

MONDAY, OLD = "2026-11-23", "2026-11-16"
CONFIG = Config("city-hall", "America/Chicago", ("w1",))
RULES = under(CONFIG)


def office_of(folder, *rows, card=0, check=()):
    """A closed drawer with a float of 200.00 and these rows; the card total is keyed."""
    tape = Tape().mark(479, "sign_on", 7).count(481, "opening_float", 20000)
    cash = sum(row.allocation_cents for row in rows if row.tender_type == "cash")
    if check:
        tape.check(990, *check)
    if card:
        tape.mark(995, "card_total", card)
    office = OfficeDay(folder, tape.count(1000, "close", 20000 + cash))
    office.post(list(rows))
    return office


def card(receipt, cents, code, **more):
    return posting(receipt, 600, cents, "card", auth_code=code, **more)


def sale(number, code, cents, date=DAY, batch="B77", kind="sale"):
    return Settled(batch, number, kind, code, cents, date)


def kinds(day):
    return sorted(each.kind for each in day.money.cards.findings)


def points(day):
    return [point.kind for point in day.open_points]


def line_of(day, tender="card"):
    line = day.proofs[0].reconciliation.line(tender)
    return line.counted_cents, line.over_short_cents, line.declared_cents


# --- cards ----------------------------------------------------------------------------------------


def test_a_settlement_that_was_never_imported_is_said_and_the_declared_total_decides(tmp_path):
    day = office_of(tmp_path, card("R1", 5000, "OK1"), card=5000).day()

    assert day.money.cards is None
    assert (5000, 0, None) == line_of(day)
    assert [] == points(day)
    assert "card settlement: not imported" in shown(day)


def test_payments_that_are_all_settled_are_balanced_whatever_was_declared(tmp_path):
    office = office_of(tmp_path, card("R1", 5000, "OK1"), card("R2", 700, "OK2"), card=5000)
    office.bring(settlement_csv([sale(1, "OK1", 5000), sale(2, "OK2", 700)]), "s.csv")
    day = office.day()

    assert ["matched", "matched"] == kinds(day)
    assert (5700, 0, 5000) == line_of(day)
    assert [] == points(day)


def test_a_payment_that_the_terminal_took_and_the_cashiering_system_lost_blocks_the_day(tmp_path):
    office = office_of(tmp_path, card("R1", 5000, "OK1"), card=10000)
    office.bring(settlement_csv([sale(1, "OK1", 5000), sale(2, "OK2", 5000)]), "s.csv")
    day = office.day()

    assert ["approved_not_posted", "matched"] == kinds(day)
    assert ["cards"] == points(day)
    assert ["card_not_posted"] == [each.kind for each in day.money.rules]
    assert "approved not posted: line acme B77 2, code OK2, settled 50.00" in shown(day)


def test_a_lost_payment_of_a_batch_that_settles_tomorrow_is_on_the_page_of_its_batch(tmp_path):
    office = office_of(tmp_path, card("R1", 5000, "OK1"), card=5000)
    lines = [sale(1, "OK1", 5000, MONDAY), sale(2, "OK2", 900, MONDAY)]
    office.bring(settlement_csv(lines), "s.csv")

    assert ["approved_not_posted", "next_batch"] == kinds(office.day())
    assert [] == kinds(office.day(MONDAY))


def test_a_missing_settlement_blocks_while_it_may_come_and_is_told_with_its_age(tmp_path):
    office = office_of(tmp_path, card("R1", 5000, "OK1"), card("R2", 700, "OK2"), card=5700)
    office.bring(settlement_csv([sale(1, "OK1", 5000)]), "s.csv")
    fresh, old = office.day(), office.day(today="2026-12-20")

    assert (5000, -700, 5700) == line_of(fresh)
    assert "cards" in points(fresh)
    assert [] == points(old), "nobody waits for ever"
    assert "posted not settled: receipt R2, code OK2, posted 7.00, 30 days old" in shown(old)


def test_a_payment_in_the_next_batch_is_final(tmp_path):
    office = office_of(tmp_path, card("R1", 5000, "OK1"), card=5000)
    office.bring(settlement_csv([sale(1, "OK1", 5000, MONDAY)]), "s.csv")

    assert ["next_batch"] == kinds(office.day())
    assert [] == points(office.day())


@pytest.mark.parametrize(
    ("lines", "found"),
    [
        ([sale(1, "OK1", 5001)], ["amount_differs"]),
        ([sale(1, "OK1", 5000), sale(2, "OK1", 5000)], ["matched", "settled_twice"]),
        ([sale(1, "OK1", 5000), sale(2, "ZZ9", -300, kind="refund")], ["matched", "orphan"]),
    ],
)
def test_amounts_doubles_and_orphans_are_told_each_by_itself(tmp_path, lines, found):
    office = office_of(tmp_path, card("R1", 5000, "OK1"), card=5000)
    office.bring(settlement_csv(lines), "s.csv")

    assert found == kinds(office.day())
    assert "cards" in points(office.day())


def test_cash_back_on_a_card_is_settled_with_what_was_tendered(tmp_path):
    office = office_of(
        tmp_path, card("R1", 5000, "OK1", change_cents=2000, tender_amount_cents=7000)
    )
    office.bring(settlement_csv([sale(1, "OK1", 7000)]), "s.csv")

    assert ["matched"] == kinds(office.day())


def test_a_refused_line_makes_the_day_incomplete_until_it_is_settled(tmp_path):
    office = office_of(tmp_path, card("R1", 5000, "OK1"), card=5000)
    good = settlement_csv([sale(1, "OK1", 5000)])
    office.bring(good.replace("sale", "sole"), "s.csv")

    assert ["money_refused", "cards"] == points(office.day())[:2]
    assert "s.csv:2: kind: not one of sale" in shown(office.day())
    office.bring(good, "s.csv")
    assert [] == points(office.day())


# --- returned items -------------------------------------------------------------------------------


def old_check(cents=5000, receipt="R0"):
    """Of Monday: 2/3 electricity, 1/3 water."""
    parts = [(1, cents - cents // 3, "501-electric"), (2, cents // 3, "503-water")]
    return [
        posting(receipt, 600 - 4 * 1440, part, "check", line=number, fund=fund, account_no="A-1",
                tender_amount_cents=cents, business_date=OLD)
        for number, part, fund in parts
    ]  # fmt: skip


def test_a_returned_check_reverses_its_receipts_own_funds_and_is_in_no_drawer(tmp_path):
    office = office_of(tmp_path, *old_check(), posting("R1", 600, 1000, "check"), check=(1000,))
    item = Returned(1, 5000, "R01", "A-1", OLD)
    office.bring(nacha_returns(DAY, [item]), "r.ach")
    day = office.day()
    [entry] = day.money.returned.entries

    assert ("R0", "", "account") == (entry.original.receipt_no, entry.why, entry.basis)
    assert (("501-electric", -3334), ("503-water", -1666)) == entry.funds
    assert (1000, 0, None) == line_of(day, "check")
    assert (
        "receipt R0 of 2026-11-16; 501-electric \N{MINUS SIGN}33.34; 503-water \N{MINUS SIGN}16.66"
        in shown(day)
    )


def test_a_return_that_the_bank_and_the_cashiering_system_tell_counts_once(tmp_path):
    office = office_of(tmp_path, *old_check(), *(
        row._replace(receipt_no="V0", posted_ms=row.posted_ms + 4 * 86_400_000, business_date=DAY,
                status="reversed", void_of="R0") for row in old_check()
    ))  # fmt: skip
    office.bring(bai2(DAY, [Booked(555, -5000)]), "b.bai")
    entries = office.day().money.returned.entries

    assert [("posted", ""), ("bank", "confirms")] == [(e.event.source, e.why) for e in entries]


def test_the_fee_of_the_policy_is_added_and_three_returns_are_cash_only(tmp_path):
    r20 = replace(CONFIG.policy.R20, fee_cents=3000)
    strict = replace(CONFIG.policy, R20=r20)
    checks = [row for n in (1, 2, 3) for row in old_check(3000 + 3 * n, f"R{n}")]
    office = office_of(tmp_path, *checks)
    items = [Returned(n, 3000 + 3 * n, "R01", "A-1", OLD) for n in (1, 2, 3)]
    office.bring(nacha_returns(DAY, items), "r.ach")
    day = office.day(policy=strict)

    assert [3000] * 3 == [entry.fee_cents for entry in day.money.returned.entries]
    assert {"A-1": (DAY,) * 3} == day.money.returned.cash_only
    assert "account A-1 pays in cash only" in shown(day)


def test_what_comes_back_on_a_weekend_is_on_mondays_page(tmp_path):
    office = office_of(tmp_path, *old_check())
    office.bring(nacha_returns("2026-11-21", [Returned(1, 5000, "R01", "A-1", OLD)]), "r.ach")

    assert () == office.day().money.returned.entries
    assert 1 == len(office.day(MONDAY).money.returned.entries)


# --- the bank -------------------------------------------------------------------------------------


def deposited(tmp_path, *files):
    office = office_of(tmp_path, posting("R1", 600, 8000))
    for number, (date, lines) in enumerate(files):
        office.bring(bai2(date, lines), f"{number}.bai")
    return office.day()


@pytest.mark.parametrize(
    ("files", "kind", "difference"),
    [
        ([(MONDAY, [Booked(301, 8000)])], "credited", 0),
        ([(MONDAY, [])], "waiting", -8000),
        ([("2026-11-25", [])], "missing", -8000),
        ([(MONDAY, [Booked(301, 7900, DAY)])], "part", -100),
        ([(MONDAY, [Booked(301, 5000), Booked(301, 3000)])], "one_in_several_credits", 0),
    ],
)
def test_the_deposit_of_the_day_is_looked_for_at_the_bank(tmp_path, files, kind, difference):
    day = deposited(tmp_path, *files)
    [found] = day.money.bank.findings

    assert (kind, difference) == (found.kind, found.difference_cents)


def test_a_deposit_that_differs_is_named_by_its_rule(tmp_path):
    day = deposited(tmp_path, (MONDAY, [Booked(301, 7900, DAY)]))

    assert [("R18", "bag_credit_differs")] == [(r.rule, r.kind) for r in day.money.rules]
    assert (
        "part: deposit 2026-11-20 80.00; 2026-11-23 +79.00 BOOKED; differs by \N{MINUS SIGN}1.00"
        in shown(day)
    )


def test_no_credit_in_two_business_days_is_named_by_its_rule(tmp_path):
    day = deposited(tmp_path, ("2026-11-25", []))

    assert ["bag_not_credited"] == [each.kind for each in day.money.rules]


def test_a_credit_that_nobody_sent_is_told_on_its_day(tmp_path):
    day = deposited(tmp_path, (DAY, [Booked(301, 555)]))

    assert ["unknown_credit", "waiting"] == sorted(each.kind for each in day.money.bank.findings)


def test_a_bank_that_was_never_imported_is_said(tmp_path):
    day = deposited(tmp_path)

    assert day.money.bank is None
    assert "bank: not imported" in shown(day)


# --- the forms ------------------------------------------------------------------------------------


def shown(day):
    out = io.StringIO()
    print_day(day_report(day, CONFIG), Console(file=out, width=200))
    return out.getvalue()


def test_every_form_tells_the_same_findings(tmp_path):
    office = office_of(tmp_path, card("R1", 5000, "OK1"), *old_check(), card=5000)
    office.bring(settlement_csv([sale(1, "OK1", 5000), sale(2, "OK2", 900)]), "s.csv")
    office.bring(nacha_returns(DAY, [Returned(1, 5000, "R01", "A-1", OLD)]), "r.ach")
    office.bring(bai2(DAY, [Booked(301, 777)]), "b.bai")
    report = day_report(office.day(), CONFIG)

    for form in (to_json(report), to_csv(report), to_html(report), shown(office.day())):
        for words in ("R0", "B77 2"):
            assert words in form
        assert "approved_not_posted" in form or "approved not posted" in form
        assert "unknown_credit" in form or "unknown credit" in form
