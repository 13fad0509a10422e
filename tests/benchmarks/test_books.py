"""The office of the books' benchmark is one that the books find right, to the cent."""

from collections import Counter
from pathlib import Path

from benchmarks import books
from benchmarks.kit import offices
from benchmarks.kit.offices import Size
from gateway.day.prove import prove_day
from gateway.incoming.posted_file import import_posted
from gateway.store.ledger import Ledger

SIZE = Size(sessions=6, postings=40, windows=3)


def test_books_bench_measures_ours_and_finds_the_sums_that_the_generator_knows(
    tmp_path: Path,
) -> None:
    site = offices.build(tmp_path, 7, SIZE)
    truth = offices.write_posted(tmp_path / books.POSTED, 7, SIZE)

    assert 240 == SIZE.rows == len((tmp_path / books.POSTED).read_text().splitlines()) - 2
    for name, task, *values in books.tasks(tmp_path, SIZE):
        spent, sums = task(*values)
        assert spent.cpu_s >= 0
        assert sums is None or truth == sums, name
    assert site.ledger.exists()


def test_drawers_of_the_books_bench_are_short_where_the_generator_says(tmp_path: Path) -> None:
    size = Size(sessions=40, postings=20, windows=20)
    site = offices.build(tmp_path, 1, size)
    offices.write_posted(tmp_path / books.POSTED, 1, size)
    expected = Counter(
        session.short_cents
        for number, day in enumerate(size.days, 1)
        for session in offices.sessions_of(1, size, day, number)
    )
    with Ledger(site.ledger) as ledger:
        import_posted(ledger.db, tmp_path / books.POSTED, books.IMPORTED_MS)
        found = Counter(
            -(proof.reconciliation.line("cash").over_short_cents or 0)
            for day in size.days
            for proof in prove_day(ledger, site.config, day.isoformat()).proofs
        )

    assert {0, offices.NOTE_CENTS} == expected.keys()
    assert expected == found
