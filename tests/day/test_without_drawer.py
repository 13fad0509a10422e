"""Windows without a drawer: a web page, a lockbox at the bank, a kiosk for cards."""

import json

import pytest

from tests.day.bench import OfficeDay
from tests.day.site import Site, money, points
from tests.office.rows import DAY, Tape, posting

APART = ("web", "lockbox")
SETTINGS = 'without_drawer = ["web", "lockbox"]'


def counted():
    tape = Tape().mark(480, "sign_on", 7).count(481, "opening_float", 20000)
    return tape.count(1002, "close", 25000)


def web(receipt, minute, cents, tender="card", **more):
    return posting(receipt, minute, cents, tender, **{"window_id": "web", "session_id": "", **more})


ROWS = [
    posting("R1", 600, 5000),
    web("W1", 30, 12049),  # at night
    web("W2", 700, 8000, "ach", fund="501-electric"),
    web("W3", 1410, 100),
    web("L1", 720, 9900, "check", window_id="lockbox"),
]


def test_it_is_posted_by_tender_and_fund_and_nothing_of_it_is_counted(tmp_path):
    site = Site(tmp_path, counted(), settings=SETTINGS)
    site.posted(("posted.csv", ROWS))
    code, report = site.day()

    assert (0, True, []) == (code, report["final"], points(report))
    assert ["w1"] == [session["window"] for session in report["sessions"]]
    assert (5000, 5000, {"503-water": 5000}) == (
        report["deposit"]["deposit_cents"],
        report["deposit"]["funds_cents"],
        {each["fund"]: each["cents"] for each in report["deposit"]["funds"]},
    )
    web_, lockbox = report["without_drawer"]
    assert ("web", 3, 20149) == (web_["window"], web_["receipts"], web_["total_cents"])
    assert [{"tender": "card", "cents": 12149}, {"tender": "ach", "cents": 8000}] == web_["tenders"]
    assert [
        {"fund": "501-electric", "cents": 8000}, {"fund": "503-water", "cents": 12149},
    ] == web_["funds"]  # fmt: skip
    assert ("lockbox", 9900) == (lockbox["window"], lockbox["total_cents"])


def test_every_form_of_the_report_shows_it_apart(tmp_path):
    site = Site(tmp_path, counted(), settings=SETTINGS)
    site.posted(("posted.csv", ROWS))

    for form in ("", "--csv", "--html"):
        text = site.report(form)
        assert "without" in text and "lockbox" in text, form
        assert "121.49" in text or "12149" in text, form
    assert "web, without a drawer, apart from the deposit: 201.49 in 3 receipts" in site.report()


def test_nothing_of_it_is_in_a_cashiers_figures(tmp_path):
    """The web page posts under the number and session of cashier 7."""
    office = OfficeDay(tmp_path, counted())
    office.post([*ROWS, web("W9", 610, 7700, "card", cashier_id="7", session_id="s1")])
    (proved,) = office.day(apart=APART).proofs

    assert (5000, 25000) == (
        proved.reconciliation.line("cash").posted_cents,
        proved.reconciliation.line("cash").expected_cents,
    )
    assert 0 == proved.reconciliation.line("card").posted_cents


def test_cash_at_a_window_without_a_drawer_is_told(tmp_path):
    site = Site(tmp_path, counted(), settings=SETTINGS)
    site.posted(("posted.csv", [*ROWS, web("W9", 610, 7700, "cash")]))
    code, report = site.day()

    assert (1, ["cash_without_drawer"]) == (code, points(report))
    assert ["receipt W9 (cash 77.00) says cash at a window without a drawer"] == [
        each["text"] for each in report["without_drawer"][0]["exceptions"]
    ]
    assert (5000, 25000, 0) == money(report)
    assert "web: 77.00 in cash posted at a window without a drawer" in site.report()


def test_cash_back_on_a_card_of_a_kiosk_is_cash(tmp_path):
    office = OfficeDay(tmp_path, counted())
    office.post([posting("R1", 600, 5000), web("W1", 610, 6000, "card", change=2000)])
    day = office.day(apart=APART)

    assert (["cash_without_drawer"], -2000) == (
        [point.kind for point in day.open_points],
        day.without_drawer[0].cash_cents,
    )


def test_cash_that_was_voided_there_leaves_the_day_final(tmp_path):
    office = OfficeDay(tmp_path, counted())
    void = web("V9", 615, 7700, "cash", status="void", void_of="W9")
    office.post([posting("R1", 600, 5000), web("W9", 610, 7700, "cash"), void])
    day = office.day(apart=APART)

    assert ([], 0) == ([point.kind for point in day.open_points], day.without_drawer[0].cash_cents)


def test_the_business_date_decides_its_day_and_nothing_is_held_over(tmp_path):
    office = OfficeDay(tmp_path, counted())
    office.post(
        [posting("R1", 600, 5000), web("W1", 1000, 4000, "ach", business_date="2026-11-23")]
    )
    friday, monday = office.day(apart=APART), office.day("2026-11-23", apart=APART)

    assert ([], 0) == (friday.without_drawer, friday.deposit.held_over_cents)
    assert (4000, 0, []) == (
        monday.without_drawer[0].total_cents,
        monday.deposit.held_in_cents,
        monday.open_points,
    )


def test_a_returned_payment_of_an_earlier_day_is_apart_by_fund(tmp_path):
    office = OfficeDay(tmp_path, counted())
    office.post([web("W0", 600 - 4 * 1440, 4000, "ach", business_date="2026-11-16")], "old.csv")
    back = web("X0", 700, 4000, "ach", status="reversed", void_of="W0")
    office.post([posting("R1", 600, 5000), web("W1", 610, 100), back])
    (window,) = office.day(apart=APART).without_drawer

    assert (100, {"503-water": -4000}) == (window.total_cents, window.returned_cents)
    assert ["returned_item"] == [remark.kind for remark in window.remarks]


def test_a_status_that_nobody_knows_keeps_the_day_open(tmp_path):
    office = OfficeDay(tmp_path, counted())
    office.post([posting("R1", 600, 5000), web("W1", 610, 100, status="unknown")])
    day = office.day(apart=APART)

    assert [("unknown_posting", "web")] == [(p.kind, p.window) for p in day.open_points]
    assert 0 == day.without_drawer[0].total_cents


def test_a_web_payment_is_no_posted_file_of_the_drawers(tmp_path):
    """The web page's export came by itself; that of the windows was forgotten."""
    office = OfficeDay(tmp_path, counted())
    office.post([web("W1", 610, 100)])
    day = office.day(apart=APART)

    assert ["nothing_posted", "differs"] == [point.kind for point in day.open_points]
    assert ["nothing_posted"] == [c.kind for v in day.proofs[0].variances for c in v.causes]


def test_a_window_in_neither_list_is_told_with_both_settings(tmp_path):
    site = Site(tmp_path, counted())
    site.posted(("posted.csv", [posting("R1", 600, 5000), web("W1", 610, 100)]))
    code, report = site.day()

    assert (1, ["web"]) == (code, report["windows_not_configured"])
    for form in ("", "--csv", "--html"):
        text = " ".join(site.report(form).split())
        assert "name it under windows, or under without_drawer" in text, form


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ('without_drawer = ["w1"]', "window 'w1' stands under windows, too"),
        ('without_drawer = ["web", "web"]', "'web' is named twice"),
        ('without_drawer = "web"', "not a list of at most 500 names"),
        (f'without_drawer = ["{"x" * 41}"]', "not a string of 1 to 40 characters"),
    ],
)
def test_a_wrong_setting_is_told(tmp_path, settings, reason):
    site = Site(tmp_path, Tape(), settings=settings)
    done = site.till("reconcile", "--date", DAY)

    assert 78 == done.returncode
    assert reason in done.stderr


def test_the_forms_say_the_same(tmp_path):
    site = Site(tmp_path, counted(), settings=SETTINGS)
    site.posted(("posted.csv", ROWS))
    rows = [line.split(",") for line in site.report("--csv").splitlines()]
    report = json.loads(site.report("--json"))

    assert [
        (window["window"], each["tender"], each["cents"])
        for window in report["without_drawer"]
        for each in window["tenders"]
    ] == [(row[1], row[3], int(row[4])) for row in rows if row[0] == "without drawer tender"]
