"""Laws of posting: in whatever order, however often and in however many files the statements of a
day come, the same stands, and no cent is lost or made.
"""

from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.facts.postings import RANK, Posting
from gateway.incoming.posted_file import import_posted
from gateway.incoming.posted_row import parse_row
from gateway.store.postings import changes, postings_between, statements, unsettled
from gateway.store.read_only import empty_ledger
from gateway.store.verify import verify
from tests.incoming.bench import control, row, text_of
from tests.incoming.conftest import NOW_MS

DAY, WINDOWS = "2026-11-20", ("w1", "w2")
LAWS = settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))


@st.composite
def days(draw):
    """Statements of a day: of each row one of each rank at most, so that an order is given."""
    rows = []
    for number in range(draw(st.integers(1, 5))):
        window = draw(st.sampled_from(WINDOWS))
        for line in range(1, draw(st.integers(1, 2)) + 1):
            amount = draw(st.integers(1, 99_999))
            for status in draw(
                st.lists(st.sampled_from(["unknown", "posted", "void"]), min_size=1, unique=True)
            ):
                cells = {"window_id": window, "tender_id": f"T{line}", "status": status}
                rows.append(row(f"R{number}", line, amount, **cells))
    return rows


@st.composite
def deliveries(draw):
    """(statements, files of them): each at least once, in any order and any file."""
    rows = draw(days())
    files = [[] for _ in range(draw(st.integers(1, 4)))]
    for cells in rows:
        for index in draw(st.sets(st.integers(0, len(files) - 1), min_size=1)):
            files[index] += [cells] * draw(st.integers(1, 2))
    return rows, [draw(st.permutations(content)) for content in files if content]


def delivered(db, files, folder):
    for number, content in enumerate(files):
        path = Path(folder, f"{number}.csv")
        path.write_text(text_of(content) + "\n" * number)  # no file is the same as another one
        result = import_posted(db, path, NOW_MS + number)
        assert ("posted", 0) == (result.state, result.refused), result
        assert len(content) == result.added + result.known


def standing(db) -> dict[tuple, Posting]:
    found = [item for each in WINDOWS for item in postings_between(db, each, DAY, 0, 0)]
    assert len(found) == len({item.identity for item in found}), "each row once"
    return {item.identity: item for item in found}


@LAWS
@given(deliveries())
def test_the_same_stands_however_it_is_delivered(delivery) -> None:
    rows, files = delivery
    right: dict[tuple, Posting] = {}
    for posting in map(parse_row, rows):
        best = right.setdefault(posting.identity, posting)
        if RANK[posting.status] > RANK[best.status]:
            right[posting.identity] = posting

    with closing(empty_ledger()) as db, TemporaryDirectory() as folder:
        delivered(db, files, folder)

        assert right == standing(db)
        assert [] == list(verify(db))
        kept = [version.posting for key in right
                for version in statements(db, key[0], key[2], key[3], key[1])]  # fmt: skip
        assert sorted(map(repr, map(parse_row, rows))) == sorted(map(repr, kept))
        told = len(changes(db, DAY))
        assert len(rows) - len(right) == told, "every version but the first is a change"


@LAWS
@given(deliveries(), st.data())
def test_what_is_refused_and_corrected_later_leaves_nothing_and_loses_nothing(delivery, data):
    """Some rows are spoilt first: their receipts wait, whole, and are told with their money."""
    rows, files = delivery
    numbers = sorted({cells[0] for cells in rows})
    spoilt = data.draw(st.sets(st.sampled_from(numbers)))
    first = [row(each[0], int(each[1]), int(each[9]), window_id=each[4], tender_id=each[7],
                 status="lost" if each[0] in spoilt else each[15]) for each in rows]  # fmt: skip

    with closing(empty_ledger()) as db, TemporaryDirectory() as folder:
        path = Path(folder, "first.csv")
        path.write_text(text_of(first, last=control(first, every=True)) + "\n" * 9)
        import_posted(db, path, NOW_MS)

        assert spoilt.isdisjoint({posting.receipt_no for posting in standing(db).values()})
        waiting = unsettled(db, DAY, 0, 1)
        assert spoilt == {each.receipt_no for each in waiting}
        assert {(c[0], c[7], int(c[9])) for c in first if c[0] in spoilt} == {
            (each.receipt_no, each.tender_id, each.tendered_cents) for each in waiting
        }
        delivered(db, files, folder)

        assert [] == unsettled(db, DAY, 0, 1)
        assert {parse_row(each).identity for each in rows} == standing(db).keys()
        assert [] == list(verify(db))


@LAWS
@given(days())
def test_no_cent_is_lost_or_made(rows) -> None:
    with closing(empty_ledger()) as db, TemporaryDirectory() as folder:
        delivered(db, [rows], folder)
        kept = [version for key in standing(db)
                for version in statements(db, key[0], key[2], key[3], key[1])]  # fmt: skip

    for column, name in ((9, "tender_amount_cents"), (14, "allocation_cents")):
        assert sum(int(cells[column]) for cells in rows) == sum(
            getattr(version.posting, name) for version in kept
        )
