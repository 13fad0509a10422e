"""What the books cost: an export imported, every session of it proved, a day's report.

    ./run bench books [--sessions 50 500 5000] [--postings 200] [--rounds 1]

The office is made from a seed (benchmarks/kit/offices.py): sessions with counts, drawer openings,
a check tape and a card total, each with so many postings, in a ledger that Ingest has built, and
one posted.csv of all of them. Each task runs in a process of its own:

import   posted.csv into the ledger; beside it csv.reader, and a bare INSERT of the same rows
prove    every business day proved, one after the other
report   the last day proved and its report made

Beside them pandas and DuckDB read the same file and sum it by window, tender and fund: that is less
than a proof (no counts, no voids matched, no versions, nothing kept), and shows what the machine
does. All of them have to find the sums that the generator knows. Neither is installed with the
project: uv pip install pandas duckdb
"""

import argparse
import csv
import importlib.util
import sqlite3
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.kit import offices
from benchmarks.kit.big_ledgers import Spent, apart, watched
from benchmarks.kit.figures import Row, median, note, parser_of, show
from benchmarks.kit.offices import Size, Sums
from gateway import config
from gateway.day.prove import Proving, prove_day
from gateway.incoming.posted_file import import_posted
from gateway.reports.day_report import day_report
from gateway.store.ledger import Ledger

SEED = 20261120
IMPORTED_MS = 1_795_233_600_000
POSTED = "posted.csv"
COLUMNS = {
    "postings": ("postings", ",d"),
    "task": ("", "s"),
    "s": ("s", ",.2f"),
    "cpu": ("processor s", ",.2f"),
    "each_us": ("us of it a posting", ",.1f"),
    "peak_mib": ("peak MiB", ",.0f"),
    "to_csv": ("ratio to csv.reader", ",.1f"),
    "to_pandas": ("to pandas", ",.1f"),
    "to_duckdb": ("to DuckDB", ",.1f"),
}
PEERS = {"to_csv": "csv.reader", "to_pandas": "pandas", "to_duckdb": "duckdb"}


def main() -> None:
    options = arguments()
    rows = []
    for sessions in options.sessions:
        size = Size(sessions, options.postings, options.windows)
        with tempfile.TemporaryDirectory(dir=options.folder, prefix="bench-books-") as name:
            rows += compared(options, Path(name), size)
    title = f"{options.windows} windows, sessions of {options.postings} postings"
    show(options, f"{title}; median of {options.rounds} rounds", rows, COLUMNS)


def arguments() -> argparse.Namespace:
    parser = parser_of(__doc__, rounds=1)
    parser.add_argument("--sessions", nargs="+", type=int, default=[50, 500, 5000])
    parser.add_argument("--postings", type=int, default=offices.SESSION_POSTINGS)
    parser.add_argument("--windows", type=int, default=offices.WINDOWS)
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--folder", type=Path, help="where the ledgers are made (and removed)")
    return parser.parse_args()


def compared(options: argparse.Namespace, folder: Path, size: Size) -> list[Row]:
    """The rows of one size."""
    note(f"making {size.rows:,} postings of {size.sessions:,} sessions")
    site = offices.build(folder, options.seed, size)
    truth = offices.write_posted(folder / POSTED, options.seed, size)
    empty = folder / "empty.db"
    with sqlite3.connect(site.ledger) as source, sqlite3.connect(empty) as target:
        source.backup(target)
    found: dict[str, list[tuple[Spent, float]]] = {}
    for number in range(options.rounds):
        with sqlite3.connect(empty) as source, sqlite3.connect(site.ledger) as target:
            source.backup(target)  # the same ledger without its postings
        for name, task, *values in tasks(folder, size):
            (spent, sums), _, peak_mib = apart(task, *values)
            assert sums is None or sums == truth, f"{name}: other sums than the generator's"
            found.setdefault(name, []).append((spent, peak_mib))
        note(f"round {number + 1} of {options.rounds}")
    return rows_of(size, found)


def tasks(folder: Path, size: Size) -> list[tuple[Any, ...]]:
    """(name, function, its values), in their order: what is proved has to be imported."""
    path = folder / POSTED
    peers = {"pandas": by_pandas, "duckdb": by_duckdb}
    there = {name: task for name, task in peers.items() if importlib.util.find_spec(name)}
    for name in peers.keys() - there.keys():
        note(f"{name}: not installed, left out")
    return [
        ("csv.reader", by_csv, path),
        ("bare INSERT", by_insert, path, folder / "plain.db"),
        *((name, task, path) for name, task in there.items()),
        ("import", importing, folder, size),
        ("prove", proving, folder, size),
        ("report", reporting, folder, size),
    ]


def rows_of(size: Size, found: dict[str, list[tuple[Spent, float]]]) -> list[Row]:
    """What is printed: medians, and the ratios of processor time."""
    cpu = {name: median(spent.cpu_s for spent, _ in each) for name, each in found.items()}
    rows: list[Row] = []
    for name, each in found.items():
        count = size.postings * size.windows if name == "report" else size.rows
        row = {
            "postings": count,
            "task": name,
            "s": median(spent.s for spent, _ in each),
            "cpu": cpu[name],
            "each_us": cpu[name] * 1e6 / count,
            "peak_mib": median(peak_mib for _, peak_mib in each),
        }
        for column, peer in PEERS.items():
            is_of_all = name != "report" and cpu.get(peer)
            row[column] = cpu[name] / cpu[peer] if is_of_all else None
        rows.append(row)
    return rows


# --- ours -----------------------------------------------------------------------------------------


def importing(folder: Path, size: Size) -> tuple[Spent, None]:
    """posted.csv into the ledger."""
    site = config.load(folder / "till.toml")
    with Ledger(site.ledger) as ledger, watched() as spent:
        result = import_posted(ledger.db, folder / POSTED, IMPORTED_MS)
    assert ("posted", size.rows, 0) == (result.state, result.added, result.refused), result
    return spent(), None


def proving(folder: Path, size: Size) -> tuple[Spent, Sums]:
    """Every day, one after the other; by window, tender and fund what the proofs say."""
    site, sums, sessions = config.load(folder / "till.toml"), Counter(), 0
    total = Spent(0, 0)
    with Ledger(site.ledger) as ledger:
        for date in size.days:
            with watched() as spent:
                day = Proving(ledger, site.config).day(date.isoformat())
            total = Spent(total.s + spent().s, total.cpu_s + spent().cpu_s)
            sessions += len(day.proofs)
            for proof in day.proofs:
                window = proof.reconciliation.session.device
                for tender in proof.reconciliation.tenders:
                    for fund, cents in tender.funds:
                        sums[window, tender.tender_type, fund] += cents
    assert sessions == len(size.days) * size.windows, "every session was proved"
    return total, sums


def reporting(folder: Path, size: Size) -> tuple[Spent, None]:
    """The last day."""
    site = config.load(folder / "till.toml")
    with Ledger(site.ledger) as ledger, watched() as spent:
        day = prove_day(ledger, site.config, size.days[-1].isoformat())
        report = day_report(day, site.config)
    assert len(report["sessions"]) == size.windows
    return spent(), None


# --- beside them ----------------------------------------------------------------------------------


def by_csv(path: Path) -> tuple[Spent, None]:
    """The rows as texts, and nothing else."""
    with path.open(newline="") as file, watched() as spent:
        for _ in csv.reader(file):
            pass
    return spent(), None


def by_insert(path: Path, target: Path) -> tuple[Spent, None]:
    """The same texts into one table without an index, in one durable transaction."""
    db = sqlite3.connect(target, isolation_level=None)
    db.execute("PRAGMA journal_mode = WAL")
    db.execute("PRAGMA synchronous = FULL")
    with path.open(newline="") as file, watched() as spent:
        reader = csv.reader(file)
        names = next(reader)
        db.execute(f"CREATE TABLE posting ({', '.join(names)})")
        db.execute("BEGIN IMMEDIATE")
        marks = ", ".join("?" * len(names))
        db.executemany(
            f"INSERT INTO posting VALUES ({marks})",
            (row for row in reader if len(row) == len(names)),
        )
        db.execute("COMMIT")
    db.close()
    target.unlink()
    return spent(), None


def by_pandas(path: Path) -> tuple[Spent, Sums]:
    """pandas: read, sign, group, sum."""
    import pandas

    with watched() as spent:
        rows = pandas.read_csv(path, comment="#", dtype={"account_no": str})
        rows.loc[rows["status"] == "reversed", "allocation_cents"] *= -1
        sums = rows.groupby(["window_id", "tender_type", "fund"])["allocation_cents"].sum()
    return spent(), Counter({key: int(cents) for key, cents in sums.items()})


def by_duckdb(path: Path) -> tuple[Spent, Sums]:
    """DuckDB: the same in one query."""
    import duckdb

    with watched() as spent:
        found = duckdb.sql(
            "SELECT window_id, tender_type, fund, sum(CASE status WHEN 'reversed' THEN"
            f" -allocation_cents ELSE allocation_cents END) FROM read_csv('{path}', comment='#')"
            " GROUP BY ALL"
        ).fetchall()
    return spent(), Counter({tuple(key): int(cents) for *key, cents in found})


if __name__ == "__main__":
    main()
