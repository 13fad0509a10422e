"""A map that cannot be: a ConfigError that names table, key and next step."""

import re
from pathlib import Path

import pytest

from gateway.errors import ConfigError
from gateway.incoming.column_map_file import load_map, map_from_text
from tests.incoming.mapping import HEAD, PLAIN
from tests.incoming.test_column_map_kinds import MASS_PAYMENT, PROOF_LIST, SPLIT

WITHOUT_TIME = PLAIN.replace(
    '[time]\nfields = ["Date"]\nformats = ["%m/%d/%Y %H:%M"]\n', "[time]\n"
)

# (name, map, what is changed into what, what the error says)
BAD = [
    ("not TOML", PLAIN, ("[columns]", "[columns"), "not TOML"),
    ("unknown table", PLAIN, ("[time]", "[times]"), "[times]|times: unknown key; did you mean"),
    ("unknown key", PLAIN, ("fields = [", "field = ["), "[time] field: unknown key; did you mean"),
    ("no title", PLAIN, ('title = "Test"\n', ""), "title: missing"),
    ("no source", PLAIN, ('source = "test"\n', ""), "source: missing"),
    ("column that is not ours", PLAIN, ("window_id", "window"), "'window' is no column of ours"),
    ("receipt missing", PLAIN, ('receipt_no = "Receipt"\n', ""), "[columns] receipt_no: missing"),
    ("window missing", PLAIN, ('window_id = "Window"\n', ""), "origin = \"lockbox\""),
    ("posted_at from a column", PLAIN, ('account_no = "Account"', 'posted_at = "Date"'),
     "[columns] posted_at: not here: [time] says it"),
    ("source_system from a column", PLAIN, ('account_no = "Account"', 'source_system = "X"'),
     "[columns] source_system: not here"),
    ("amount missing", PLAIN, ('allocation_cents = "Amount"\n', ""),
     "[columns] allocation_cents: missing"),
    ("no tender", PLAIN, ('tender_type = "Paid by"\n', ""), "the tender comes from one of"),
    ("two ways of a tender", PLAIN, ("[time]", '[constants]\ntender_type = "cash"\n[time]'),
     "[constants] tender_type: also in [columns]"),
    ("codes missing", PLAIN, ("[codes.status]", "[codes.service]"), "[codes] status: missing"),
    ("code that is no tender", PLAIN, ('"card"', '"credit_card"'),
     "'Visa' = 'credit_card' is not one of cash, check"),
    ("code that is no state", PLAIN, ('"void"\n[time]', '"voided"\n[time]'), "did you mean 'void'"),
    ("codes of nothing", PLAIN, ("[time]", '[codes.fund]\nA = "B"\n[time]'),
     "[codes] fund: [columns] names no field for fund"),
    ("constant receipt", PLAIN, ("[time]", '[constants]\nreceipt_no = "1"\n[time]'),
     "[constants] receipt_no"),
    ("constant amount", PLAIN, ("[time]", '[constants]\nchange_cents = "0"\n[time]'),
     "[constants] change_cents: differs from row to row"),
    ("constant that is no state", PLAIN.replace('status = "State"\n', "").replace(
        '[codes.status]\nOK = "posted"\nVOID = "void"\n', ""), ("leave_out = [\"void\"]\n",
        '[constants]\nstatus = "open"\n'), "[constants] status: not one of posted"),
    ("join missing", PLAIN, ('account_no = "Account"', 'account_no = ["Account", "Window"]'),
     "[join] account_no: missing"),
    ("join of one", PLAIN, ("[time]", '[join]\naccount_no = "-"\n[time]'),
     "[join] account_no: joins nothing"),
    ("amount of two fields", PLAIN, ('"Amount"\naccount', '["Amount", "Tax"]\naccount'),
     "[columns] allocation_cents: wants one field"),
    ("shape of nothing", PLAIN, ("[time]", '[shapes]\nfund = "x"\n[time]'),
     "[shapes] fund: [columns] names no field for it"),
    ("shape that is none", PLAIN, ("[time]", '[shapes]\naccount_no = "("\n[time]'),
     "not a regular expression"),
    ("no time", WITHOUT_TIME, ("[time]", "[time]\n"), "[time] fields: missing"),
    ("format without a year", PLAIN, ("%m/%d/%Y", "%m/%d"), "no year or no month"),
    ("format without a directive", PLAIN, ("%m/%d/%Y %H:%M", "today"), "no directive"),
    ("format of another world", PLAIN, ("%m/%d/%Y %H:%M", "%x"), "%x is not one of %Y"),
    ("format with half a clock", PLAIN, ("%H:%M", "%I:%M"), "%I and %p go together"),
    ("date alone", PLAIN, (" %H:%M", ""), "set time_of_day"),
    ("time of day beside a time", PLAIN, ("[[total]]", 'time_of_day = "12:00"\n[[total]]'),
     "time_of_day is for dates alone"),
    ("zone that is none", PLAIN, ("[[total]]", 'zone = "Chicago"\n[[total]]'), "not a time zone"),
    ("zone in a field without names", PLAIN, ("[[total]]", 'zone = "in field"\n[[total]]'),
     "wants zone_field"),
    ("zone in the text without %z", PLAIN, ("[[total]]", 'zone = "in text"\n[[total]]'),
     "needs %z"),
    ("business date without its format", PLAIN, ('account_no = "Account"',
     'business_date = "Date"'), "[time] business_formats: goes together with"),
    ("cut-off that is no time", PLAIN, ("[[total]]", 'cut_off = "4 pm"\n[[total]]'),
     "not a time of day"),
    ("decimals of another kind", PLAIN, ("[time]", '[amounts]\ndecimals = "dot"\n[time]'),
     "not one of point, comma, cents, dollars"),
    ("thousands like the point", PLAIN, ("[time]", '[amounts]\nthousands = "."\n[time]'),
     "not the sign before the cents"),
    ("minus of another kind", PLAIN, ("[time]", '[amounts]\nnegative = ["red"]\n[time]'),
     "not one of leading, trailing"),
    ("sign of another kind", PLAIN, ("[time]", '[signs]\nnegative = "return"\n[time]'),
     "not one of refused, refund, reversal"),
    ("delimiter of two", PLAIN, ("[time]", '[file]\ndelimiter = "::"\n[time]'),
     "neither one character"),
    ("encoding that nobody reads", PLAIN, ("[time]", '[file]\nencoding = "ebcdic"\n[time]'),
     "not one of utf-8"),
    ("line breaks in a fixed file", MASS_PAYMENT, ("line_length = 50", "line_breaks = true"),
     "line_breaks needs a delimited file"),
    ("header of a fixed file", MASS_PAYMENT, ("header = false", "header = true"),
     "[file] header: a fixed file has its columns from [fields]"),
    ("number in a fixed file", MASS_PAYMENT, ('"16-25"', "16"),
     '[fields] paid: a fixed file wants characters, such as "26-40"'),
    ("positions in a delimited file", PLAIN, ("[time]", '[fields]\nx = "1-2"\n[time]'),
     "[fields] x: a delimited file wants the number of a column"),
    ("positions backwards", MASS_PAYMENT, ('"16-25"', '"25-16"'), "nor characters such as"),
    ("after the line", MASS_PAYMENT, ('receipt = "34-43"', 'receipt = "34-53"'),
     "[fields] receipt: ends after the line, which has 50"),
    ("field that is not there", MASS_PAYMENT, ('allocation_cents = "paid"',
     'allocation_cents = "pay"'), "no field 'pay' in [fields]; did you mean"),
    ("no fields", MASS_PAYMENT, (MASS_PAYMENT[MASS_PAYMENT.index("[fields]"):
     MASS_PAYMENT.index("[rows]")], ""), "fields: missing"),
    ("rows of nothing", MASS_PAYMENT, ('field = "type"\nvalues = ["D"]', ""),
     "says of no line what it is"),
    ("values without a field", MASS_PAYMENT, ('field = "type"\nvalues = ["D"]',
     'values = ["D"]'), "field and values go together"),
    ("total without a place", PLAIN, ('of = "Amount"', 'of = ["Amount", "Tax"]'), "cell: missing"),
    ("total at a line without one", PLAIN, ('at = "last row"', 'at = "line"'),
     'line belongs to at = "line"'),
    ("total at a line of the rows", PLAIN, ('at = "last row"', 'at = "line"\nline = 3'),
     "raise skip_first"),
    ("total that matches nothing", PLAIN, ('at = "last row"', 'at = "match"'),
     'belong to at = "match", which needs them'),
    ("total after each of nothing", PLAIN, ('at = "last row"', 'at = "last row"\neach = true'),
     'each belongs to at = "match"'),
    ("total that leaves out no state", PLAIN, ('["void"]', '["cancelled"]'), "not one of posted"),
    ("total as one table", PLAIN, ("[[total]]", "[total]"), "write it with two brackets"),
    ("wide and an amount", PROOF_LIST, ('allocation_cents = "Total"',
     'tender_amount_cents = "Total"'), "[columns] tender_amount_cents: [tenders] has the amounts"),
    ("wide and the number of a line", PROOF_LIST, ('cashier_id = "Operator"',
     'line_no = "Operator"'), "[columns] line_no: a line has several tenders"),
    ("tenders of another kind", PROOF_LIST, ('"Credit Card" = "card"', '"Credit Card" = "visa"'),
     "'Credit Card': not one of cash, check"),
    ("head of a line of the rows", PLAIN, ("[time]", "[head.day]\nline = 3\ncell = \"1\"\n[time]"),
     "[head] day: line 3 is no line before the rows; raise skip_first"),
    ("head without a place", PLAIN, ("[time]", "[head.day]\nline = 1\n[time]"),
     "cell or after: one of the two"),
    ("total of a tender that is none", PLAIN, ("leave_out", 'tenders = ["gold"]\nleave_out'),
     "not one of cash, check"),
    ("total of a tender beside wide ones", PROOF_LIST, ('of = "Cash"',
     'of = "Cash"\ntenders = ["cash"]'), "name that column in of"),
    ("split without codes", SPLIT, ("[codes.tender_type]", "[codes.service]"), "wants it"),
    ("split in two ways", SPLIT, ('amount_after = " "', 'amount_after = " "\namounts = "P"'),
     "amount_after or amounts"),
    ("origin of another kind", PLAIN, ("[columns]", 'origin = "safe"\n[columns]'),
     "not one of drawer, lockbox, web"),
    ("base that is not shipped", PLAIN, ("[columns]", 'base = "squared"\n[columns]'),
     "base: no map 'squared' comes with the program; did you mean 'square'"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("toml", "change", "told"),
    [row[1:] for row in BAD],
    ids=[row[0].replace(" ", "-") for row in BAD],
)
def test_a_map_that_cannot_be_is_told(toml, change, told):
    assert change[0] in toml
    with pytest.raises(ConfigError) as raised:
        map_from_text(toml.replace(*change, 1), Path("vendor.toml"))

    assert any(part in str(raised.value) for part in told.split("|"))
    assert str(raised.value).startswith("vendor.toml")


def test_every_fault_is_told_at_once_with_its_place():
    toml = PLAIN.replace("receipt_no", "receipt").replace("%m/%d/%Y", "%x")
    with pytest.raises(ConfigError) as raised:
        map_from_text(toml, Path("vendor.toml"))

    places = re.findall(r"^vendor\.toml:(\d+):(\d+): \[?(\w+)", str(raised.value), re.MULTILINE)
    assert ["columns", "time"] == sorted(place[2] for place in places)
    assert "see docs/maps.md" in str(raised.value)


def test_a_map_that_is_not_there_names_those_that_are():
    with pytest.raises(ConfigError, match="no map 'sqare'; did you mean 'square'.*loyverse"):
        load_map("sqare")


@pytest.mark.parametrize("content", [None, b"\xff\xfe\x00", b"x" * 300_000])
def test_a_file_that_is_no_map_is_told(tmp_path, content):
    if content is not None:
        (tmp_path / "map.toml").write_bytes(content)

    with pytest.raises(ConfigError, match="map.toml"):
        load_map("map.toml", tmp_path)


def test_a_sites_own_map_stands_on_a_shipped_one(tmp_path):
    (tmp_path / "our.toml").write_text(
        'base = "square"\nsource_system = "front-desk"\n[codes.window_id]\n"Window 1" = "w1"\n'
        '[tenders]\n"Other Tender" = "check"\n'
    )
    own, shipped = load_map("our.toml", tmp_path), load_map("square")

    assert "front-desk" == own.source_system
    assert {"Window 1": "w1"} == own.codes["window_id"]
    assert {**shipped.tenders, "Other Tender": "check"} == own.tenders
    assert shipped.time == own.time


def test_an_empty_map_says_what_it_needs():
    with pytest.raises(ConfigError) as raised:
        map_from_text(HEAD, Path("vendor.toml"))

    told = str(raised.value)
    for key in ("receipt_no", "window_id", "tender_type", "allocation_cents", "fields", "formats"):
        assert f"] {key}: " in told
