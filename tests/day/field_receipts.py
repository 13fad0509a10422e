"""Field cases about receipts and tenders: what was paid, taken back, handed out, and by whom."""

import json

from gateway.store.ledger import Ledger
from gateway.store.postings import statements
from tests.day.field import R1, R2, case, drawer
from tests.day.site import Site, causes, line_of, money, points, said
from tests.office.rows import Tape, posting


@case(
    "01 a pending payment is unknown at noon and posted in the evening",
    "tylernow.atlassian.net KA 881000510; github.com/wcpos/woocommerce-pos/issues/1754",
)
def unknown_then_posted(folder):
    site = Site(folder, drawer(31000))
    site.posted(("noon.csv", [posting("R1", 600, 5000, status="unknown")]))
    noon_code, noon = site.day()
    site.posted(("evening.csv", [R1, R2]))
    code, evening = site.day()

    assert (1, True) == (noon_code, "unknown_posting" in points(noon))
    assert (0, (11000, 31000, 0), []) == (code, money(evening), evening["quarantined_rows"])
    with Ledger(folder / "ledger.db") as ledger:
        said_of_it = statements(ledger.db, "cis", "R1", 1)
    assert [("noon.csv", "unknown"), ("evening.csv", "posted")] == [
        (each.file, each.posting.status) for each in said_of_it
    ]


@case(
    "02 a receipt is posted at noon and void in the evening, its cash handed back",
    "help.loyverse.com receipts-list-pos: the Status column turns to Cancelled",
)
def posted_then_void(folder):
    site = Site(folder, drawer(26000))
    site.posted(("noon.csv", [R1]))
    site.posted(("evening.csv", [posting("R1", 600, 5000, status="void"), R2]))
    code, report = site.day()

    assert (0, (6000, 26000, 0)) == (code, money(report))


@case(
    "07 a check of 100.00 pays a bill of 80.00 and 20.00 go back in cash",
    "vindy.com 2001/jun/08 special audit; github.com/CORE-POS/IS4C/issues/60",
)
def change_from_a_check(folder):
    site = Site(folder, drawer(24000, 10000))
    site.posted(("posted.csv", [posting("R1", 600, 8000, "check", change=2000), R2]))
    code, report = site.day()

    assert (0, 14000) == (code, report["deposit"]["funds_cents"])
    assert ((4000, 24000, 0), (10000, 10000, 0)) == (money(report), money(report, "check"))


@case(
    "07b the same, posted in other ways: as a leg of its own, as a negative one, as a reversal",
    "vindy.com 2001/jun/08 special audit; github.com/be-BOP-io-SA/be-BOP/pull/2332",
)
def change_from_a_check_as_such(folder):
    site = Site(folder, drawer(18000, 10000, 10000, 10000))
    check = {"tender": "check", "tender_amount_cents": 10000}
    cash = {"tender_id": "T2", "line": 2}
    done = site.post(
        [
            posting("R3", 600, 8000, **check),
            posting("R3", 600, 0, change=2000, tender_amount_cents=0, **cash),
            posting("R4", 605, 10000, **check),
            posting("R4", 605, -2000, **cash),
            posting("R5", 610, 10000, **check),
            posting("R5", 610, 2000, status="reversed", **cash),
        ]
    )
    code, report = site.day()

    # What nobody can mean is refused whole, with its reason, and on the page of the day.
    assert (1, 1) == (done.returncode, code)
    assert "refused" in points(report)
    assert all("strong" != strength for _, _, strength in causes(report))


@case(
    "09 80.00 in cash pay 100.00 of water less a credit of 20.00 on electric",
    "tylernow.atlassian.net wiki BAHPMg: credit on one charge code, due on others",
)
def negative_allocation(folder):
    site = Site(folder, drawer(28000))
    parts = {"tender_amount_cents": 8000, "account_no": "A-R1"}
    site.posted(
        (
            "posted.csv",
            [
                posting("R1", 600, 10000, **parts),
                posting("R1", 600, -2000, line=2, service="electric", fund="501-electric", **parts),
            ],
        )
    )
    code, report = site.day()

    assert (0, (8000, 28000, 0)) == (code, money(report))
    assert {"501-electric": -2000, "503-water": 10000} == funds(report)
    assert report["deposit"]["funds_agree"]


@case(
    "10 a money order and a check, both on the adding machine's tape",
    "current.helpscoutdocs.com 158-cash-and-check-registers; Missouri State Auditor's reports",
)
def money_order(folder):
    rows = [posting("R1", 600, 5000, "money_order"), posting("R2", 600, 10000, "check")]
    taped, declared = folder / "taped", folder / "declared"
    taped.mkdir()
    declared.mkdir()
    as_found = Site(taped, drawer(20000, 10000, 5000))
    as_found.posted(("posted.csv", rows))
    code, report = as_found.day()

    assert (1, [("check", "money_order_on_tape", "possible")]) == (code, causes(report))

    tape = Tape().mark(470, "sign_on", 7).count(481, "opening_float", 20000)
    tape.check(1000, 10000).mark(1001, "money_order", 5000)
    site = Site(declared, tape.count(1002, "close", 20000))
    site.posted(("posted.csv", rows))
    code, report = site.day()

    assert (0, True, 15000) == (code, report["balanced"], report["deposit"]["deposit_cents"])


@case(
    "15 one receipt is taken back twice, its cash handed back once",
    "github.com/odoo/odoo/issues/152259: duplicates after a lost answer",
)
def double_void(folder):
    site = Site(folder, drawer(26000))
    void = {"status": "void", "void_of": "R1"}
    rows = [R1, R2, posting("V1", 610, 5000, **void), posting("V2", 611, 5000, **void)]
    site.posted(("posted.csv", rows))
    _, report = site.day()

    assert (6000, 26000, 0) == money(report)
    assert 1 == len(said(report, "V2", "R1", "50.00", "taken back before"))


@case(
    "18 a cash receipt is voided by its cashier after the closing count that lacks it",
    "Washington SAO 1023357 Wapato; Missouri SAO 2010-54 Clever",
)
def void_after_close(folder):
    tape = Tape().mark(480, "sign_on", 7).count(481, "opening_float", 20000)
    site = Site(folder, tape.opening(600).opening(605).count(1002, "close", 25000))
    void = posting("V2", 1010, 6000, status="void", void_of="R2", void_by="7")
    site.posted(("posted.csv", [R1, posting("R2", 605, 6000), void]))
    code, report = site.day()

    assert (1, -6000) == (code, line_of(report)["over_short_cents"])
    # told with its receipt, its amount, and who did it
    assert said(report, "V2", "R2", "60.00", "7", "after")


@case(
    "19 half of the receipts of a drawer are those of another cashier",
    "City of Cape Canaveral document 126934: share your batch; Berkeley cash receipts audit 2003",
)
def two_cashiers(folder):
    site = Site(folder, drawer(31000))
    other = posting("R2", 600, 6000, cashier_id="9", session_id="s9")
    site.posted(("posted.csv", [R1, other]))
    _, report = site.day()

    assert (11000, 31000, 0) == money(report)
    assert 1 == len(said(report, "cashier 9", "cashier 7", "1", "60.00"))


@case(
    "20 a receipt number is missing in the series of a window",
    "Missouri SAO Camden County 2017: numerical sequence not accounted for",
)
def receipt_gap(folder):
    site = Site(folder, drawer(31000))
    site.posted(("posted.csv", [posting("R-1001", 600, 5000), posting("R-1003", 601, 6000)]))
    _, report = site.day()

    assert "R-1002" in json.dumps(report)


@case(
    "24 a refund is written as reversed and names no receipt",
    "Loyverse receipts CSV: a refund has its own number; github.com/frappe/erpnext/issues/25638",
)
def refund_without_origin(folder):
    site = Site(folder, drawer(22000))
    refund = posting("F1", 605, 3000, status="reversed")
    site.posted(("posted.csv", [R1, refund]))
    code, report = site.day()

    assert (1, (5000, 25000, -3000)) == (code, money(report))
    (line,) = report["quarantined_rows"]
    assert ("posted.csv", 3) == (line["file"], line["line"])
    assert "F1 is reversed, names no receipt" in line["reason"]
    assert ("cash", "refused", "possible") == causes(report)[0]


@case(
    "06 a check of four days ago comes back and its receipt is reversed",
    "caselle.com: NSF check and returned check fee; cysolutions.com FAQ 20: a batch of its own",
)
def returned_check(folder):
    site = Site(folder, drawer(20000, 10000))
    old = posting("R0", 600 - 4 * 1440, 5000, "check", business_date="2026-11-16")
    back = posting("N1", 600, 5000, "check", status="reversed", void_of="R0", source_ref="NSF")
    site.posted(("old.csv", [old]), ("posted.csv", [posting("R1", 600, 10000, "check"), back]))
    code, report = site.day()

    assert (0, (10000, 10000, 0)) == (code, money(report, "check"))
    assert 10000 == report["deposit"]["deposit_cents"]
    assert [{"fund": "503-water", "cents": -5000}] == report["deposit"]["returned"]


def funds(report):
    return {line["fund"]: line["cents"] for line in report["deposit"]["funds"]}
