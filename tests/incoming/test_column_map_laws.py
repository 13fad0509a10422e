"""Laws of column maps: an export written in any way that a map can say gives back its rows; bytes
of any kind end in rows and refusals, never in an exception; a digit changed in an amount is seen.
"""

import csv
import datetime
import io
import json
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.errors import DataError
from gateway.incoming.column_map_amounts import AmountError, Amounts
from gateway.incoming.column_map_file import load_map, map_from_text, map_names
from gateway.incoming.column_map_numbers import LineNumbers
from tests.incoming.mapping import HEAD, OFFICE, Read, sample

CODES = {"C": "cash", "K": "check", "V": "card"}
STATES = {"": "posted", "X": "void"}
FIELDS = ("number", "place", "when", "how", "money", "state", "who")
WIDTHS = (10, 6, 24, 2, 20, 2, 14)
NAMES = st.text("abcXYZ019 -.", min_size=0, max_size=12).map(str.strip)


@st.composite
def receipts(draw):
    """(number, window, local time, tender code, cents, state, account)"""
    times = st.datetimes(datetime.datetime(2024, 1, 1), datetime.datetime(2030, 12, 31))
    return [
        (
            str(draw(st.integers(1, 99_999))),
            draw(st.sampled_from(["w1", "w2"])),
            draw(times).replace(microsecond=0, hour=draw(st.integers(4, 23))),
            draw(st.sampled_from(sorted(CODES))),
            draw(st.integers(0, 10**8)),
            draw(st.sampled_from(sorted(STATES))),
            draw(NAMES),
        )
        for _ in range(draw(st.integers(1, 8)))
    ]


@st.composite
def writings(draw):
    """How an export is written; the map says all of it."""
    decimals = draw(st.sampled_from(["point", "comma", "cents", "dollars"]))
    return {
        "fixed": draw(st.booleans()),
        "decimals": decimals,
        "thousands": draw(st.sampled_from(["", "," if decimals != "comma" else "."])),
        "symbol": draw(st.sampled_from(["", "$"])),
        "format": draw(st.sampled_from([
            "%Y-%m-%d %H:%M:%S", "%m/%d/%Y %I:%M:%S %p", "%d.%m.%y %H:%M:%S", "%Y%m%d%H%M%S",
            "%d-%b-%Y %H:%M:%S",
        ])),
        "delimiter": draw(st.sampled_from([",", ";", "\t", "|"])),
        "encoding": draw(st.sampled_from(["utf-8", "cp1252", "utf-16"])),
        "end": draw(st.sampled_from(["\n", "\r\n", "\r"])),
        "total": draw(st.sampled_from(["none", "first row", "last row", "match"])),
        "all_quoted": draw(st.booleans()),
    }  # fmt: skip


def money(cents, how):
    if how["decimals"] == "cents":
        text = f"{cents:,}".replace(",", how["thousands"])
    else:
        mark = "," if how["decimals"] == "comma" else "."
        text = f"{cents // 100:,}".replace(",", how["thousands"]) + f"{mark}{cents % 100:02d}"
        if how["decimals"] == "dollars":
            text = text.removesuffix(".00")
    return how["symbol"] + text


def lines_of(rows, how):
    total = sum(row[4] for row in rows if row[5] != "X")
    body = [
        [number, place, at.strftime(how["format"]), code, money(cents, how), state, who]
        for number, place, at, code, cents, state, who in rows
    ]
    sum_row = ["Total", "", "", "", money(total, how), "", ""]
    if how["total"] == "first row":
        body.insert(0, sum_row)
    elif how["total"] != "none":
        body.append(sum_row)
    return body


def written(rows, how):
    """The export as bytes."""
    body = lines_of(rows, how)
    if how["fixed"]:
        text = how["end"].join(
            "".join(cell.ljust(width) for cell, width in zip(cells, WIDTHS, strict=True))
            for cells in body
        )
        return (text + how["end"]).encode(how["encoding"])
    out = io.StringIO()
    quoting = csv.QUOTE_ALL if how["all_quoted"] else csv.QUOTE_MINIMAL
    writer = csv.writer(out, delimiter=how["delimiter"], quoting=quoting, lineterminator=how["end"])
    writer.writerow(FIELDS)
    writer.writerows(body)
    return out.getvalue().encode(how["encoding"])


def map_of(how):
    fields, at = "", 1
    for name, width in zip(FIELDS, WIDTHS, strict=True):
        fields += f'{name} = "{at}-{at + width - 1}"\n'
        at += width
    layout = f"header = false\n[fields]\n{fields}" if how["fixed"] else ""
    total = ""
    if how["total"] != "none":
        starts = 'starts = "Total"\n' if how["total"] == "match" else ""
        if how["total"] == "match" and how["all_quoted"] and not how["fixed"]:
            starts = 'field = "number"\nvalues = ["Total"]\n'
        total = f'[[total]]\nat = "{how["total"]}"\nof = "money"\nleave_out = ["void"]\n{starts}'
    return f"""{HEAD}
[file]
format = "{"fixed" if how["fixed"] else "delimited"}"
delimiter = {json.dumps(how["delimiter"])}
encoding = "{how["encoding"]}"
{layout}
[columns]
receipt_no = "number"
window_id = "place"
tender_type = "how"
allocation_cents = "money"
status = "state"
account_no = "who"
[codes]
tender_type = {{ C = "cash", K = "check", V = "card" }}
status = {{ "" = "posted", X = "void" }}
[amounts]
decimals = "{how["decimals"]}"
thousands = "{how["thousands"]}"
symbol = "{how["symbol"]}"
[time]
fields = ["when"]
formats = ["{how["format"]}"]
repeated_hour = "first"
{total}
"""


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(receipts(), writings())
def test_a_map_applied_to_a_rendered_file_gives_back_the_rows(rows, how):
    found = Read(map_from_text(map_of(how), Path("law.toml")), written(rows, how))

    assert [] == found.told
    assert "" == found.fault
    assert [
        (number, place, CODES[code], str(cents), STATES[state], " ".join([who]))
        for number, place, _, code, cents, state, who in rows
    ] == found.of(
        "receipt_no", "window_id", "tender_type", "allocation_cents", "status", "account_no"
    )
    assert [at.replace(tzinfo=OFFICE.zone).isoformat() for _, _, at, *_ in rows] == [
        at for (at,) in found.of("posted_at")
    ]
    assert (how["total"] != "none") == bool(found.file.controls)


@settings(max_examples=100, deadline=None)
@given(receipts(), writings(), st.data())
def test_a_lost_or_doubled_row_with_money_is_seen_by_the_total(rows, how, data):
    how["total"] = data.draw(st.sampled_from(["first row", "last row", "match"]))
    at = data.draw(st.integers(0, len(rows) - 1))
    counts = rows[at][4] and rows[at][5] != "X"
    body = written(rows, how).decode(how["encoding"]).split(how["end"])
    first = (0 if how["fixed"] else 1) + (how["total"] == "first row")
    changed = list(body)
    if data.draw(st.booleans()):
        changed.insert(first + at, changed[first + at])
    else:
        del changed[first + at]
    found = Read(
        map_from_text(map_of(how), Path("law.toml")),
        how["end"].join(changed).encode(how["encoding"]),
    )

    assert bool(counts) == bool(found.fault) or (len(rows) == 1 and len(changed) < len(body))


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(map_names()), st.data())
def test_bytes_of_any_kind_end_in_rows_and_refusals(name, data):
    body = bytearray(sample(name))
    for _ in range(data.draw(st.integers(1, 6))):
        at = data.draw(st.integers(0, len(body) - 1))
        cut = data.draw(st.sampled_from([0, 1, 5]))
        body[at : at + cut] = data.draw(st.binary(max_size=4))
        if not body:
            break
    try:
        found = Read(load_map(name), bytes(body))
    except DataError:
        return

    for row in found.rows:
        assert 22 == len(row.texts)
        tendered, change, allocated = (int(row.texts[place]) for place in (9, 10, 14))
        assert tendered - change == allocated


@given(
    st.integers(-(10**11), 10**11),
    st.sampled_from(["point", "comma", "cents", "dollars"]),
    st.sampled_from(["leading", "trailing", "parentheses", "CR", "DR"]),
    st.booleans(),
)
def test_an_amount_written_and_read_is_the_amount(cents, decimals, minus, grouped):
    thousands = ("." if decimals == "comma" else ",") if grouped else ""
    how = {"decimals": decimals, "thousands": thousands, "symbol": "$"}
    text = money(abs(cents), how)
    if cents < 0:
        text = {
            "leading": f"-{text}", "trailing": f"{text}-", "parentheses": f"({text})",
            "CR": f"{text} CR", "DR": f"{text}DR",
        }[minus]  # fmt: skip

    assert cents == Amounts(decimals, thousands, "$", (minus,)).cents(text)


@given(st.text(max_size=12), st.sampled_from(["point", "comma", "cents", "dollars"]))
def test_an_amount_is_read_to_the_cent_or_refused_without_its_text(text, decimals):
    try:
        cents = Amounts(decimals, ",", "$", ("leading",)).cents(text)
    except AmountError as error:
        words = {word for word in text.split() if len(word) > 3 and word.isalpha()}
        assert not words & set(str(error).split())
        return

    digits = "".join(char for char in text if char.isdecimal())
    assert abs(cents) in (int(digits), int(digits) * 100)


@given(st.lists(st.tuples(st.sampled_from("abcdefgh"), st.sampled_from(["w1", "w2"]))))
def test_lines_of_a_receipt_are_numbered_as_they_come(receipts_seen):
    numbers, counts = LineNumbers(), {}
    for receipt in receipts_seen:
        counts[receipt] = counts.get(receipt, 0) + 1

        assert counts[receipt] == numbers.following(receipt)


def test_lines_of_many_receipts_are_numbered_after_the_table_has_grown():
    numbers = LineNumbers()
    for turn in (1, 2, 3):
        assert {turn} == {numbers.following((str(number),)) for number in range(20_000)}
