"""posted.csv: every row once, whatever way the files come; bad rows and bad files told apart."""

import random
from pathlib import Path

import pytest

from gateway.errors import DataError, UsageError
from gateway.facts.postings import COLUMNS
from gateway.incoming import posted_file as postings
from gateway.incoming.posted_file import import_posted
from gateway.incoming.posted_row import RowError, holds_card_number, parse_row
from gateway.store.engine import StorageError
from gateway.store.ledger import Ledger
from gateway.store.move import TABLES
from gateway.store.postings import postings_between, quarantined
from tests.incoming.bench import control, row, text_of
from tests.incoming.conftest import NOW_MS

CARD = "4111111111111111"  # the test number that every card scheme's documentation prints


def posted(ledger):
    return [
        (item.receipt_no, item.line_no, item.allocation_cents)
        for item in postings_between(ledger.db, "w1", "2026-11-20", 0, 0)
    ]


def test_a_good_file_is_posted_once_however_often_it_comes(ledger, post):
    content = text_of([row("R1"), row("R2", amount=6000, change=1000)])

    assert post(content).state == "posted"
    assert post(content, "copy.csv").state == "already"
    assert posted(ledger) == [("R1", 1, 5000), ("R2", 1, 5000)]


def test_shuffled_repeated_and_split_files_post_the_same(tmp_path):
    rows = [row(f"R{n // 2}", 1 + n % 2, amount=2 * n + 2, allocation=n + 1) for n in range(40)]
    results = []
    for seed in range(6):
        chance = random.Random(seed)
        files = [list(rows)] if seed == 0 else [[] for _ in range(3)]
        for cells in rows if seed else []:
            for index in chance.sample(range(3), chance.randint(1, 3)):
                files[index] += [cells] * chance.randint(1, 2)
        with Ledger(tmp_path / f"{seed}.db") as ledger:
            for index, content in enumerate(files):
                chance.shuffle(content)
                path = tmp_path / f"{seed}-{index}.csv"
                path.write_text(text_of(content))
                assert import_posted(ledger.db, path, NOW_MS).state == "posted"
            results.append(posted(ledger))

    assert [results[0]] * 6 == results
    assert len(results[0]) == len(rows)


def test_bom_crlf_and_quotes_are_read(ledger, post):
    content = b"\xef\xbb\xbf" + text_of([row("R1", account_no='"A,1"')], end="\r\n").encode()

    assert post(content).state == "posted"
    assert posted(ledger) == [("R1", 1, 5000)]


def test_a_file_that_fails_its_control_total_posts_nothing(ledger, post):
    rows = [row("R1"), row("R2")]

    assert "control total rows" in post(text_of(rows, last=control(rows[:1]))).reason
    assert (
        "control total tender_cents"
        in post(text_of(rows, last=control([row("R1"), row("R2", amount=5001)]))).reason
    )
    assert posted(ledger) == []


@pytest.mark.parametrize(
    "last",
    ["", "#control,rows=2", "#control,rows=x,tender_cents=1,change_cents=0,allocation_cents=1"],
)
def test_a_file_without_a_control_line_posts_nothing(ledger, post, last):
    result = post(text_of([row("R1"), row("R2")], last=last))

    assert result.state == "unposted"
    assert "control line" in result.reason
    assert posted(ledger) == []


def test_rows_after_the_control_line_stop_the_file(ledger, post):
    result = post(text_of([row("R1")]) + ",".join(row("R2")) + "\n")

    assert (result.state, posted(ledger)) == ("unposted", [])


def test_a_bad_row_waits_in_quarantine_and_the_good_ones_are_posted(ledger, post):
    result = post(text_of([row("R1"), row("R2", status="lost"), row("R3")]))

    assert (result.state, result.added, result.refused) == ("posted", 2, 1)
    assert [(line, reason[:17]) for line, reason in result.shown] == [(3, "status: 'lost' is")]
    assert [(item["line"], item["file"]) for item in quarantined(ledger.db)] == [(3, "posted.csv")]
    assert posted(ledger) == [("R1", 1, 5000), ("R3", 1, 5000)]


BAD_CELLS = [
    ("line_no", "0"), ("line_no", "one"), ("receipt_no", ""), ("posted_at", "2026-11-20T10:00:00"),
    ("posted_at", "yesterday"), ("business_date", "20.11.2026"), ("business_date", "2026-02-30"),
    ("tender_type", "gold"), ("status", "ok"), ("tender_amount_cents", "1.005"),
    ("tender_amount_cents", "1.5"), ("tender_amount_cents", "NaN"), ("tender_amount_cents", "1e3"),
    ("tender_amount_cents", ""), ("tender_amount_cents", "-5"), ("change_cents", "5001"),
    ("void_of", "R0"), ("service", ""), ("account_no", "x" * 41), ("account_no", "a\tb"),
    ("source_ref", CARD),
]  # fmt: skip


@pytest.mark.parametrize(("name", "value"), BAD_CELLS)
def test_bad_cells_are_refused_by_name(name, value):
    with pytest.raises(RowError, match=f"^{name}: "):
        parse_row(row(**{name: value}))


@pytest.mark.parametrize("tender", ["ach", "credit"])
def test_nothing_is_handed_back_on_a_tender_that_is_not_handed_over(tender):
    with pytest.raises(RowError, match="nothing is handed back"):
        parse_row(row(amount=5000, change=100, tender_type=tender))


def test_card_numbers_are_refused_and_never_repeated(ledger, post):
    for text in (CARD, "4111 1111 1111 1111", f"ref {CARD}.", "3782-822463-10005"):
        assert holds_card_number(text)
    for text in ("4111111111111112", "12345", "41111111111111111111", "2026-11-20"):
        assert not holds_card_number(text)

    result = post(text_of([row("R1"), row("R2", tender_id=CARD), row(CARD)]))

    assert result.refused == 2
    stored = [list(ledger.db.execute(f"SELECT * FROM {table}")) for table in TABLES]
    assert CARD not in repr(stored) + repr(result)


def test_two_contents_for_one_row_in_one_file_post_neither(ledger, post):
    rows = [row("R1", amount=5000), row("R1", amount=5000, account_no="100-2"), row("R2")]
    result = post(text_of(rows))

    assert (result.state, result.added, result.refused) == ("posted", 1, 2)
    assert posted(ledger) == [("R2", 1, 5000)]


def test_amounts_with_a_point_are_units_and_never_mixed_with_cents(ledger, post):
    pointed = row("R1", tender_amount_cents="50.00", change_cents="0.00", allocation_cents="50.00")
    good = text_of([pointed], last=control([row("R1")]))
    mixed = text_of([row("R2", tender_amount_cents="50.00")], last=control([row("R2")]))

    assert post(good).state == "posted"
    assert posted(ledger) == [("R1", 1, 5000)]
    assert "two ways" in post(mixed, "mixed.csv").reason


def test_long_rows_broken_text_and_nul_bytes_cost_one_row_each(ledger, post):
    good = ",".join(row("R1")).encode()
    lines = [
        ",".join(COLUMNS).encode(),
        good,
        b"x" * 9000,
        b"\xff\xfe",
        b"a\0b",
        b'"open',
        good.replace(b"R1", b"R2"),
    ]
    lines.append(b"#control,rows=6,tender_cents=10000,change_cents=0,allocation_cents=10000\n")
    result = post(b"\n".join(lines))

    assert (result.state, result.added, result.refused) == ("posted", 2, 4)
    assert [line for line, _ in result.shown] == [3, 4, 5, 6]


def test_too_many_bad_rows_are_not_a_posted_csv(ledger, post, monkeypatch):
    monkeypatch.setattr(postings, "REFUSED_ROWS_MAX", 2)
    result = post(text_of([row("R1"), *(row(f"B{n}", status="lost") for n in range(3))]))

    assert (result.state, posted(ledger)) == ("unposted", [])


@pytest.mark.parametrize(
    "content", ["", "a,b\n", ",".join(COLUMNS[:-1]) + "\n", ",".join([*COLUMNS, "more"]) + "\n"]
)
def test_another_header_is_another_file(post, content):
    with pytest.raises(DataError, match=r"posted.csv:1: "):
        post(content)


def test_files_over_the_limit_and_missing_files_are_refused(ledger, post, tmp_path, monkeypatch):
    with pytest.raises(UsageError):
        import_posted(ledger.db, tmp_path / "none.csv", NOW_MS)
    monkeypatch.setattr(postings, "FILE_BYTES_MAX", 10)
    with pytest.raises(DataError, match="limit 10"):
        post(text_of([row()]))


def test_postings_are_append_only(ledger, post):
    post(text_of([row("R1"), row("R2", status="lost")]))
    for table in ("posting", "posted_file", "posting_quarantine"):
        for edit in (f"UPDATE {table} SET id = id + 9", f"DELETE FROM {table}"):
            with pytest.raises(StorageError, match="append-only"):
                ledger.db.execute(edit)


def test_the_example_in_the_documentation_is_posted_whole(ledger):
    result = import_posted(ledger.db, Path(__file__).parents[2] / "examples" / "posted.csv", NOW_MS)

    assert (result.state, result.added, result.refused) == ("posted", 4, 0)
