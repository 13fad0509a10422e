"""Field cases about files and days: refused, spoilt, made up, and what a whole day hides."""

import csv
import io
import json

from tests.cli.bench import till
from tests.day.bench import posted_csv
from tests.day.field import R1, R2, case, drawer
from tests.day.site import Site, causes, line_of, money, points
from tests.office.rows import DAY, Tape, posting


@case(
    "03 the second export of a day is refused and nobody reads standard error",
    "github.com/odoo/odoo/issues/71455: orders silently missing",
)
def unposted_file(folder):
    site = Site(folder, drawer(31000))
    site.posted(("a.csv", [R1]))
    spoilt = posted_csv([R2]).replace("tender_cents=6000", "tender_cents=1")
    done = site.post(spoilt, "b.csv")
    code, report = site.day()

    assert (65, 1, False) == (done.returncode, code, report["final"])
    assert ("cash", "refused", "possible") == causes(report)[0]
    shown = [site.report(), site.report("--csv"), site.report("--html"), json.dumps(report)]
    assert all("b.csv" in text and "control total tender_cents" in text for text in shown)
    (cause, *_) = report["sessions"][0]["variances"][0]["causes"]
    assert "60.00 in cash" in cause["evidence"][0]


@case(
    "04 a receipt with a service that is not declared is refused, its money in the drawer",
    "City of Mesa job text: city services; Springbrook CR type codes",
)
def refused_service(folder):
    storm = posting("R2", 601, 2000, service="stormwater", fund="505-storm")
    openings = Tape().mark(480, "sign_on", 7).count(481, "opening_float", 20000)
    openings = openings.opening(600).opening(601.1).count(1002, "close", 27000)
    declared = '[posted]\nservices = ["water", "electric"]'
    (folder / "free").mkdir()
    (folder / "declared").mkdir()
    free = Site(folder / "free", openings)
    free.posted(("posted.csv", [R1, storm]))
    code, report = free.day()

    assert (0, (7000, 27000, 0)) == (code, money(report))

    site = Site(folder / "declared", openings, settings=declared)
    assert 1 == site.post([R1, storm]).returncode
    code, report = site.day()
    first = report["sessions"][0]["variances"][0]["causes"][0]

    assert (1, 2000, "refused") == (code, line_of(report)["over_short_cents"], first["kind"])
    assert first["evidence"][0].startswith("posted.csv:3") and "20.00 in cash" in str(first)
    assert all("strong" != strength for _, _, strength in causes(report))


@case(
    "12 a spreadsheet saves the export without leading zeros and it is imported again",
    "github.com/proompteng/bilig/issues/28; awesomemotive/easy-digital-downloads/issues/3166",
)
def leading_zeros_lost(folder):
    def rows(*numbers):
        return [posting(n, 600, c) for n, c in zip(numbers, (5000, 6000), strict=True)]

    site = Site(folder, drawer(31000))
    site.posted(("posted.csv", rows("000123", "000124")))
    done = site.post(rows("123", "124"), "resaved.csv")
    _, report = site.day()

    assert (1, (11000, 31000, 0)) == (done.returncode, money(report))
    assert "resaved.csv:2" in done.stderr and "leading zero" in done.stderr


@case(
    "13 account and receipt numbers are written as 1.91431E+18",
    "github.com/dfinke/ImportExcel/issues/830",
)
def scientific_notation(folder):
    site = Site(folder, drawer(31000))
    done = site.post(
        [posting("R9", 600, 5000, account_no="1.91431E+18"), posting("1.00124E+11", 600, 6000)]
    )
    code, report = site.day()

    assert (1, 1, 2) == (done.returncode, code, len(report["quarantined_rows"]))
    assert "account_no" in done.stderr and "receipt_no" in done.stderr
    assert "1.91431E+18" not in done.stderr  # it could be somebody's


@case(
    "14 one row has the year 2062",
    "github.com/odoo/odoo/issues/4388; github.com/Dolibarr/dolibarr/issues/39046",
)
def year_2062(folder):
    site = Site(folder, drawer(31000))
    done = site.post([R1, posting("R2", 600, 6000, business_date="2062-11-20")])
    code, report = site.day(None, minute=1020)

    assert (1, 1, DAY) == (done.returncode, code, report["business_date"])
    assert "posted.csv:3: business_date: 13149 days from posted_at" in done.stderr
    assert ("cash", "refused", "possible") == causes(report)[0]
    assert all("strong" != strength for _, _, strength in causes(report))


@case(
    "26 a refused row is corrected and imported",
    "github.com/ministryofjustice/bai2/issues/50: a corrected file",
)
def quarantine_ends(folder):
    site = Site(folder, drawer(27000), settings='[posted]\nservices = ["water"]')
    good = posting("R2", 600, 2000)
    assert 1 == site.post([R1, posting("R2", 600, 2000, service="stormwater")]).returncode
    assert 1 == site.day()[0]
    site.posted(("fixed.csv", [R1, good]))
    code, report = site.day()

    assert (0, [], (7000, 27000, 0)) == (code, report["quarantined_rows"], money(report))


@case(
    "28 every cell is quoted, header and control line too",
    "github.com/dotCMS/core/issues/36508: a round trip through a spreadsheet",
)
def quote_all(folder):
    out = io.StringIO()
    rows = csv.reader(io.StringIO(posted_csv([R1, R2])))
    csv.writer(out, quoting=csv.QUOTE_ALL, lineterminator="\n").writerows(rows)
    site = Site(folder, drawer(31000))
    done = site.post(out.getvalue())

    assert (0, (11000, 31000, 0)) == (done.returncode, money(site.day()[1]))


@case(
    "29 rows of commas before and after the control line",
    "github.com/microsoft/AzureStorageExplorer/issues/3136; firefly-iii/firefly-iii/issues/691",
)
def blank_rows(folder):
    *rows, control = posted_csv([R1, R2]).splitlines()
    commas = "," * 21
    site = Site(folder, drawer(31000))
    done = site.post("\n".join([*rows, commas, control, commas, ""]))

    assert (0, (11000, 31000, 0)) == (done.returncode, money(site.day()[1]))


@case(
    "30 a spreadsheet saves as UTF-16, with semicolons, or with CR alone",
    "github.com/nicolettas-muggelbude/RechnungsFee/issues/398; getodk/javarosa/issues/687",
)
def other_forms(folder):
    text = posted_csv([R1])
    forms = {
        "utf16.csv": text.encode("utf-16"),
        "semicolon.csv": text.replace(",", ";").encode(),
        "cr.csv": text.replace("\n", "\r").encode(),
    }
    site = Site(folder, drawer(25000))
    codes = [site.post(form, name).returncode for name, form in forms.items()]

    assert [0, 0, 0] == codes
    assert (5000, 25000, 0) == money(site.day()[1])  # three times the same, once posted


@case(
    "31 amounts as vendors write them",
    "secureinstantpayments.com minbill interface: $###,###.##- ($##,###.##) CR",
)
def amount_messages(folder):
    written = {
        "$12.50": "currency", "(12.50)": "parentheses", "12.50-": "minus",
        "1,250.00": "thousands", "\u221212.50": "minus",
    }  # fmt: skip
    header = posted_csv([]).splitlines()[0]
    sound = posted_csv([R1]).splitlines()[1]
    lines = [
        sound.replace("R1,", f"R{n},", 1).replace("5000,0,", f'"{text}",0.00,')
        .replace(",5000,", f',"{text}",')
        for n, text in enumerate(written)
    ]  # fmt: skip
    control = "#control,rows=5,tender_cents=0.00,change_cents=0.00,allocation_cents=0.00"
    site = Site(folder, drawer(20000))
    done = site.post("\n".join([header, *lines, control, ""]))
    told = [line for line in done.stderr.splitlines() if "posted.csv:" in line]

    assert done.returncode in (1, 65)
    for number, word in enumerate(written.values(), 2):
        assert any(f"posted.csv:{number}:" in line and word in line for line in told), done.stderr
    assert 1 == site.day()[0]


@case(
    "34 receipt numbers start again at each window",
    "github.com/odoo/odoo pull 134891, issue 71455, pull 287667",
)
def daily_numbers(folder):
    rows = [posting("R1", 600, 5000), posting("R1", 600, 6000, window_id="w2", session_id="s2")]
    tapes = drawer(25000), drawer(26000, tape=Tape("w2"))
    (folder / "told").mkdir()
    (folder / "set").mkdir()
    told = Site(folder / "told", *tapes)
    done = told.post(rows)
    code, report = told.day()

    assert (1, 1) == (done.returncode, code)
    assert "receipt_scope" in done.stderr
    assert {"refused"} == {kind for _, kind, _ in causes(report)} - {"wrong_change"}

    site = Site(folder / "set", *tapes, settings='[posted]\nreceipt_scope = "window"')
    site.posted(("posted.csv", rows))
    code, report = site.day()

    assert (0, [0, 0]) == (
        code, [line_of(report, session=n)["over_short_cents"] for n in (0, 1)],
    )  # fmt: skip


@case(
    "42 one bad byte in one of three rows",
    "github.com/sepinf-inc/IPED/issues/2430: declared UTF-8, is cp1252",
)
def one_bad_byte(folder):
    rows = [R1, posting("R2", 600, 6000, source_ref="O_Brien"), posting("R3", 600, 1000)]
    site = Site(folder, drawer(32000))
    done = site.post(posted_csv(rows).encode().replace(b"O_Brien", b"O\x92Brien"))
    code, report = site.day()

    assert (1, 1, (6000, 26000, 6000)) == (done.returncode, code, money(report))
    (line,) = report["quarantined_rows"]
    assert (3, True) == (line["line"], "UTF-8" in line["reason"])
    assert "60.00 in cash" in report["sessions"][0]["variances"][0]["causes"][0]["evidence"][0]


@case(
    "35 cash of 60.00 is taken and a check without a receipt put in its place",
    "Missouri SAO 2010-54 Clever, 2004-98 Kimberling City; College Station 09-02",
)
def check_for_cash(folder):
    tape = Tape().mark(480, "sign_on", 7).count(481, "opening_float", 20000).opening(600)
    site = Site(folder, tape.check(1000, 10000, 6000).count(1002, "close", 20000))
    site.posted(("posted.csv", [posting("R1", 600, 6000), posting("R2", 600, 10000, "check")]))
    code, report = site.day()
    found = causes(report)

    assert (1, -6000, 6000) == (code, money(report)[2], money(report, "check")[2])
    assert ("cash", "wrong_tender", "possible") in found
    assert ("check", "not_posted", "possible") in found
    assert sum(strength == "strong" for _, _, strength in found) <= 1


@case(
    "37 today's export is refused as a whole and yesterday balanced",
    "tylernow.atlassian.net KA 850559284: a batch that was not closed, and nobody was told",
)
def refused_today(folder):
    tape = Tape().mark(-960, "sign_on", 7).count(-959, "opening_float", 20000)
    site = Site(folder, drawer(31000, tape=tape.count(-438, "close", 25000)))
    thursday = posting("R0", 600 - 1440, 5000, business_date="2026-11-19")
    site.posted(("thursday.csv", [thursday]))
    done = site.post(posted_csv([R1, R2]).replace("rows=2", "rows=3"), "friday.csv", minute=1010)
    code, report = site.day(None, minute=1020)

    assert (65, 1, DAY) == (done.returncode, code, report["business_date"])
    assert {"nothing_posted", "refused"} <= set(points(report))
    assert {"friday.csv"} == {line["file"] for line in report["quarantined_rows"]}
    assert 0 == site.day("2026-11-19")[0]


@case(
    "39 cash without pennies: exact amounts posted, change in nickels",
    "beachcomberdestin.com p=2315; klc.org News 13144; wsls.com 2026/03/12",
)
def no_pennies(folder):
    bills = (7684, 5827, 6003, 4109, 3331, 4598)
    rows = [
        posting(f"R{n}", 600 + 10 * n, cents, change=10000 - cents)
        for n, cents in enumerate(bills)
    ]  # fmt: skip
    (folder / "exact").mkdir()
    (folder / "nickel").mkdir()
    exact = Site(folder / "exact", drawer(51555))
    exact.posted(("posted.csv", rows))
    nickel = Site(
        folder / "nickel",
        drawer(51555),
        policy='[rounding]\ncash = "nickel"\naccount = "101-rounding"\n',
    )
    nickel.posted(("posted.csv", rows))
    code, report = nickel.day()

    assert (1, 3) == (exact.day()[0], line_of(exact.day()[1])["over_short_cents"])
    assert (0, 0, 3) == (
        code,
        line_of(report)["over_short_cents"],
        report["deposit"]["rounding_cents"],
    )
    # a bill of 20.02 that is paid with 20.00 wants no negative allocation
    (folder / "one").mkdir()
    one = Site(
        folder / "one",
        drawer(22000),
        policy='[rounding]\ncash = "nickel"\naccount = "101-rounding"\n',
    )
    one.posted(("posted.csv", [posting("R1", 600, 2002)]))
    code, report = one.day()
    assert (0, -2) == (code, report["deposit"]["rounding_cents"])


@case(
    "40 a made-up file hides that 60.00 are gone, and the auditor has the real export",
    "Washington SAO 1023357 Wapato; Missouri SAO 2010-54 Clever: records made to fit",
)
def made_up_file(folder):
    site = Site(folder, drawer(25000))
    real = [posting("R1", 600, 5000), posting("R2", 605, 6000)]
    site.posted(("posted.csv", real))
    # after the fact, with a void that the cashiering system never made
    site.posted(
        ("made-up.csv", [posting("V2", 610, 6000, status="void", void_of="R2", void_by="4")])
    )
    till("checkpoint", "--config", folder / "till.toml")
    done = till(
        "audit", "verify", "--posted", folder / "posted.csv", "--config", folder / "till.toml"
    )

    assert 0 == line_of(site.day()[1])["over_short_cents"]  # what it was made for
    assert 1 == done.returncode, done.stderr
    assert (
        "V2 line 1 of 2026-11-20 is posted here (made-up.csv:2) and in none of the files given"
        in done.stdout
    )
