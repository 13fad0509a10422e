"""What the processor and the bank deliver, in the ledger: each line once, and nothing refused is
forgotten until a later file says it soundly. Each case by its name, on both engines.
"""

import itertools

import pytest

from gateway.errors import DataError, UsageError
from gateway.facts.settlements import BANK, RETURNED_ITEMS, SETTLEMENT
from gateway.incoming.kinds import files_in, kind_of
from gateway.incoming.money_file import import_money
from gateway.store import money
from gateway.store.ledger import Ledger
from simulators.office.bank_files import (
    Booked,
    Returned,
    Settled,
    bai2,
    camt053,
    nacha_returns,
    settlement_csv,
)
from tests.incoming.conftest import NOW_MS

DAY, NEXT = "2026-11-20", "2026-11-23"
DAY_MS = NOW_MS - NOW_MS % 86_400_000
SALES = [Settled("B77", number, "sale", f"OK{number}", 1_000 * number, DAY) for number in (1, 2, 3)]
MOVED = [
    Booked(301, 50_000, "BAG00123"), Booked(301, 50_000), Booked(301, 50_000), Booked(555, -5_000),
]  # fmt: skip
ITEMS = [Returned(1, 5_000, "R01", "A-1", "2026-11-16"), Returned(2, 700, "R09", "A-2", DAY)]
TEXTS = {
    SETTLEMENT: settlement_csv(SALES), BANK: bai2(DAY, MOVED),
    RETURNED_ITEMS: nacha_returns(NEXT, ITEMS),
}  # fmt: skip


@pytest.fixture
def bring(ledger, tmp_path):
    """Import a text as a file; a second later each time."""
    times = itertools.count(NOW_MS, 1_000)

    def bring(text, name="file", said=""):
        path = tmp_path / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return import_money(ledger.db, path, kind_of(path, said), next(times))

    return bring


def lines(ledger, kind):
    return [each.value for each in money.money_lines(ledger.db, kind, "", "9999")]


def refused(ledger, date=DAY):
    found = money.refused_on(ledger.db, date, DAY_MS, DAY_MS + 86_400_000)
    return [(each["kind"], each["file"], each["line"]) for each in found]


def counts(result):
    return result.state, result.added, result.known, result.refused


# --- once -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("kind", "count"), [(SETTLEMENT, 3), (BANK, 4), (RETURNED_ITEMS, 2)])
def test_the_same_file_again_changes_nothing(bring, ledger, kind, count):
    assert ("imported", count, 0, 0) == counts(bring(TEXTS[kind]))
    head = ledger.head()

    assert ("already", 0, count, 0) == counts(bring(TEXTS[kind], "again"))
    assert (head, count, []) == (ledger.head(), len(lines(ledger, kind)), ledger.verify())


@pytest.mark.parametrize("kind", [SETTLEMENT, BANK, RETURNED_ITEMS])
def test_a_line_comes_back_with_the_values_that_it_had(bring, ledger, kind):
    bring(TEXTS[kind])

    sums = {SETTLEMENT: 6_000, BANK: 145_000, RETURNED_ITEMS: 5_700}
    assert sums[kind] == sum(each.amount_cents for each in lines(ledger, kind))


def test_the_same_line_in_another_file_is_known(bring, ledger):
    bring(TEXTS[SETTLEMENT])
    more = settlement_csv([*SALES, Settled("B77", 4, "fee", "", -30, DAY)])

    assert ("imported", 1, 3, 0) == counts(bring(more, "more.csv"))
    assert 4 == len(lines(ledger, SETTLEMENT))


def test_a_row_twice_in_a_settlement_counts_once_and_is_no_refusal(bring, ledger):
    twice = settlement_csv([*SALES, SALES[0]])

    assert ("imported", 3, 1, 0) == counts(bring(twice))
    assert [] == refused(ledger)


def test_two_deposits_alike_on_one_day_are_two_lines_of_the_bank(bring, ledger):
    bring(TEXTS[BANK])

    assert 3 == sum(each.amount_cents == 50_000 for each in lines(ledger, BANK))


def test_a_line_more_on_a_day_that_the_bank_reported_before_is_told(bring):
    bring(TEXTS[BANK])
    result = bring(bai2(DAY, [Booked(301, 777), *MOVED]), "later.bai")

    assert ("imported", 1, 4, 0) == counts(result)
    assert [True] == [note.startswith("1 of its 5 lines are new") for note in result.notes]


def test_the_same_account_and_day_in_another_format_would_count_twice(bring, ledger):
    bring(TEXTS[BANK], "day.bai")
    result = bring(camt053(DAY, MOVED), "day.xml")

    assert ("refused", 4) == (result.state, len(lines(ledger, BANK)))
    assert f"{DAY}: day.bai (BAI2) said this day of the same account before" in result.reason
    assert [(BANK, "day.xml", 0)] == refused(ledger)


def test_a_day_without_movements_is_reported(bring, ledger):
    assert money.reported_until(ledger.db, BANK) is None
    bring(bai2(DAY, []))

    assert DAY == money.reported_until(ledger.db, BANK)


# --- refused, and settled -------------------------------------------------------------------------


def test_a_bad_row_of_a_settlement_is_kept_with_its_line_until_a_later_file_says_it(bring, ledger):
    bad = TEXTS[SETTLEMENT].replace("OK2", "OK-2")

    assert ("imported", 2, 0, 1) == counts(bring(bad, "bad.csv"))
    assert [(SETTLEMENT, "bad.csv", 3)] == refused(ledger)
    bring(TEXTS[SETTLEMENT], "good.csv")
    assert [] == refused(ledger)
    assert (3, []) == (len(lines(ledger, SETTLEMENT)), ledger.verify())


def test_a_settlement_that_was_cut_short_counts_as_nothing_until_its_batch_comes(bring, ledger):
    cut = TEXTS[SETTLEMENT].rpartition("#control")[0]
    other = settlement_csv([Settled("B78", 1, "sale", "OK9", 900, DAY)])

    assert ("refused", 0, 0, 0) == counts(bring(cut, "cut.csv"))
    bring(other, "other.csv")
    assert [(SETTLEMENT, "cut.csv", 0)] == refused(ledger), "another batch settles nothing of it"
    bring(TEXTS[SETTLEMENT], "whole.csv")
    assert [] == refused(ledger)


def test_a_line_that_contradicts_an_earlier_file_is_refused_and_the_first_stands(bring, ledger):
    bring(TEXTS[SETTLEMENT], "first.csv")
    result = bring(TEXTS[SETTLEMENT].replace(",2000,", ",2001,").replace("6000", "6001"), "b.csv")

    assert ("imported", 0, 2, 1) == counts(result)
    assert "first.csv:3 says this line of its batch otherwise" in result.shown[0][1]
    assert 6_000 == sum(each.amount_cents for each in lines(ledger, SETTLEMENT))
    assert [(SETTLEMENT, "b.csv", 3)] == refused(ledger)


@pytest.mark.parametrize(("kind", "date"), [(BANK, DAY), (RETURNED_ITEMS, NEXT)])
def test_a_file_of_the_bank_whose_totals_fail_is_refused_until_that_day_comes(
    bring, ledger, kind, date
):
    text = TEXTS[kind]
    spoiled = text.replace("\n49,3", "\n49,4") if kind == BANK else text.replace("R09", "R00")

    result = bring(spoiled, "spoiled")
    assert ("refused", 0) == (result.state, len(lines(ledger, kind)))
    assert result.reason.startswith("record ")
    assert [(kind, "spoiled", 0)] == refused(ledger, date)
    bring(text, "sound")
    assert [] == refused(ledger, date)


def test_a_refused_file_of_another_account_is_not_settled_by_this_one(bring, ledger):
    bring(bai2(DAY, MOVED, "0999").replace("\n49,3", "\n49,4"), "other.bai")
    bring(TEXTS[BANK])

    assert [(BANK, "other.bai", 0)] == refused(ledger)


def test_a_file_of_which_no_day_can_be_read_is_settled_by_one_of_its_name(bring, ledger):
    bring(b"01,this is no report", "day.bai")
    assert [(BANK, "day.bai", 0)] == refused(ledger)

    bring(TEXTS[BANK], "another.bai")
    assert [(BANK, "day.bai", 0)] == refused(ledger)
    bring(TEXTS[BANK] + "\n", "day.bai")
    assert [] == refused(ledger)


def test_a_settlement_with_a_column_too_many_is_kept_too(bring, ledger):
    result = bring(TEXTS[SETTLEMENT].replace("card_brand", "card_number", 1), "wide.csv")

    assert "refused" == result.state
    assert "line 1: column 8 is 'card_number', expected 'card_brand'" in result.reason
    assert [(SETTLEMENT, "wide.csv", 0)] == refused(ledger)


def test_a_refused_file_twice_is_on_record_once(bring, ledger):
    cut = TEXTS[BANK].rpartition("99,")[0]
    bring(cut, "cut.bai")
    head = ledger.head()
    bring(cut, "cut.bai")

    assert head == ledger.head()


def test_the_order_of_two_good_files_changes_nothing(place, tmp_path, monkeypatch):
    texts = {"a": TEXTS[SETTLEMENT], "b": settlement_csv(SALES[1:]), "c": TEXTS[BANK]}
    found = set()
    with Ledger(place) as ledger:
        for order in itertools.permutations(texts):
            for name in order:
                (tmp_path / name).write_text(texts[name])
                import_money(ledger.db, tmp_path / name, kind_of(tmp_path / name), NOW_MS)
            found.add((len(lines(ledger, SETTLEMENT)), len(lines(ledger, BANK))))

    assert {(3, 4)} == found


# --- what kind it is ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "kind", "form"),
    [
        (TEXTS[SETTLEMENT], SETTLEMENT, "settlement.csv"),
        ("\ufeff" + TEXTS[SETTLEMENT], SETTLEMENT, "settlement.csv"),
        ('"' + TEXTS[SETTLEMENT].replace(",", '",', 1), SETTLEMENT, "settlement.csv"),
        (TEXTS[BANK], BANK, "BAI2"),
        (camt053(DAY, MOVED), BANK, "camt.053"),
        (TEXTS[RETURNED_ITEMS], RETURNED_ITEMS, "NACHA"),
        (TEXTS[RETURNED_ITEMS].replace("\n", ""), RETURNED_ITEMS, "NACHA"),
        ("receipt_no,line_no,posted_at,business_date,window_id,session_id,cashier_id,tender_id,"
         "tender_type,tender_amount_cents,change_cents,account_no\n", "posted", "posted.csv"),
        ("Receipt;Amount\n", "posted", "posted.csv"),
    ],
)  # fmt: skip
def test_a_file_is_told_by_its_beginning(tmp_path, text, kind, form):
    (tmp_path / "file").write_text(text)
    took = kind_of(tmp_path / "file")

    assert (kind, form) == (took.kind, took.form)
    assert took.why


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"OFXHEADER:100\n", "it is OFX"),
        (b":20:STATEMENT\n:25:1\n", "it is MT940"),
        (b"%PDF-1.7", "it is PDF"),
        (b"PK\x03\x04", "it is a spreadsheet"),
    ],
)
def test_a_file_that_nobody_reads_here_is_refused_by_name_with_what_to_ask_for(
    tmp_path, content, told
):
    (tmp_path / "file").write_bytes(content)

    with pytest.raises(DataError, match=f"{told}.*ask the bank for BAI2"):
        kind_of(tmp_path / "file")


def test_a_kind_that_is_said_by_hand_and_is_plainly_another_is_refused(tmp_path):
    (tmp_path / "file").write_text(TEXTS[SETTLEMENT])

    with pytest.raises(DataError, match="--as bank, and it is settlement.csv"):
        kind_of(tmp_path / "file", BANK)
    with pytest.raises(UsageError, match="--as nothing is none of posted, settlement"):
        kind_of(tmp_path / "file", "nothing")


def test_a_damaged_file_is_read_as_what_somebody_says_it_is(bring, ledger):
    result = bring("procesor,batch\n", "x.csv", said=SETTLEMENT)

    assert ("refused", SETTLEMENT) == (result.state, result.kind)
    assert [(SETTLEMENT, "x.csv", 0)] == refused(ledger)


def test_a_folder_stands_for_the_files_in_it(tmp_path):
    for name in ("b.csv", "a.bai", ".hidden"):
        (tmp_path / name).write_text("x")
    (tmp_path / "folder").mkdir()

    assert ["a.bai", "b.csv"] == [path.name for path in files_in([tmp_path])]
    with pytest.raises(UsageError, match="no file is in this folder"):
        list(files_in([tmp_path / "folder"]))


def test_a_refusal_shows_no_text_of_the_file(bring):
    text = settlement_csv([Settled("B1", 1, "sale", "4111111111111111", 100, DAY)])
    result = bring(text)

    assert "looks like a card number" in result.shown[0][1]
    assert "4111" not in str(vars(result))
