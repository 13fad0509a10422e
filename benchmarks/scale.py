"""What a ledger of years costs: each question that is asked of it, at each size.

    ./run bench scale [--records 10000 1000000 10000000] [--per-message 12 1]

The ledger is built through Ingest in batches of 1,024 messages: 50 windows, up to 300 business
days, records as boards state them (benchmarks/kit/boards.py). Then, in turn and several times:

again    microseconds a record when 10,000 records of the last day come again
commit   one new message, accepted and durable
ready    till serve until it prints ready; beside it with an empty ledger
report   the last day proved for all windows; beside it decoding that day's records once
verify   every byte recomputed and compared; beside it SHA-256 over the file
backup   till backup with its trial restore; beside it a durable copy of the file

10,000,000 records take about 2 GB in the folder for temporary files, and twice as much again during
the backup.
"""

import argparse
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.kit import big_ledgers as big
from benchmarks.kit.big_ledgers import Size, Spent, apart
from benchmarks.kit.boards import WIRES
from benchmarks.kit.figures import Row, median, note, parser_of, percentile, show

ROOT = Path(__file__).resolve().parent.parent
COLUMNS = {
    "question": ("", "s"),
    "value": ("measured", ",.3f"),
    "cpu": ("of it processor", ",.3f"),
    "unit": ("", "s"),
    "floor": ("floor", ",.3f"),
    "floor_is": ("which is", "s"),
    "ratio": ("ratio", ".2f"),
    "must": ("must", "g"),
    "holds": ("", "s"),
}


def main() -> None:
    options = arguments()
    for per_message in options.per_message:
        for wanted in options.records:
            size = Size(wanted, per_message, options.windows, options.wire)
            with tempfile.TemporaryDirectory(dir=options.folder, prefix="bench-scale-") as name:
                rows = asked(options, Path(name), size)
            title = (
                f"\n{size.total:,} records, {per_message} a message, {size.windows} windows,"
                f" {size.days} days; median of {options.rounds} rounds"
            )
            show(options, title, rows, COLUMNS)


def arguments() -> argparse.Namespace:
    parser = parser_of(__doc__)
    parser.add_argument("--records", nargs="+", type=int, default=[10_000, 1_000_000])
    parser.add_argument("--per-message", nargs="+", type=int, default=[12, 1])
    parser.add_argument("--windows", type=int, default=50)
    parser.add_argument("--wire", type=int, choices=WIRES, default=WIRES[-1])
    parser.add_argument("--folder", type=Path, help="where the ledgers are made (and removed)")
    parser.add_argument("--cold", action="store_true",
                        help="let the kernel forget the file before each ready")  # fmt: skip
    return parser.parse_args()


def asked(options: argparse.Namespace, folder: Path, size: Size) -> list[Row]:
    """All rows of one size."""
    big.new_site(folder, size.windows)
    empty = folder / "empty"
    empty.mkdir()
    big.new_site(empty, size.windows)
    note(f"building {size.total:,} records, {size.per_message} a message of version {size.wire}")
    built, spent, peak_mib = apart(big.build, folder, size)
    note(f"built in {spent.s:.0f} s")
    recent = built.pop("recent")
    found: dict[str, list[Any]] = {}
    for number in range(options.rounds):
        one_round(options, folder, empty, size, recent, number, found)
        note(f"round {number + 1} of {options.rounds}")
    return rows_of(size, built, peak_mib, found)


def one_round(options, folder: Path, empty: Path, size: Size, recent, number: int, found) -> None:
    """Every question once, each followed by its floor."""
    ledger = folder / "data" / "ledger.db"
    found.setdefault("file", []).append(ledger.stat().st_size / size.total)
    for name, *task in (
        ("started", big.come_again, folder, recent, False),
        ("again", big.come_again, folder, recent, True),
        ("plain", big.build_plain, folder, recent),
        ("open", big.open_and_check, folder),
        ("report", big.report, folder),
        ("verify", big.verify, folder),
        ("hash", big.hash_file, ledger),
        ("commit", big.commit_one_by_one, folder, size, number),
        ("sync", big.sync_one_by_one, folder),
        ("copy", big.copy_file, ledger),
    ):
        given, _, peak_mib = apart(*task)
        found.setdefault(name, []).append(given)
        found.setdefault(f"{name}_mib", []).append(peak_mib)
    target = folder / "backup.db"
    _, spent, peak_mib = apart(big.till, folder, "backup", str(target))
    target.unlink()
    found.setdefault("backup", []).append(spent)
    found.setdefault("backup_mib", []).append(peak_mib)
    for name, where in (("ready", folder), ("ready_empty", empty)):
        if options.cold:
            big.forget(where / "data" / "ledger.db")
        found.setdefault(name, []).append(ready(where))


def ready(folder: Path) -> Spent:
    """Until `till serve` prints ready."""
    command = [sys.executable, "-m", "gateway", "serve", "--config", str(folder / "till.toml")]
    start = time.monotonic()
    with subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    ) as serving:  # fmt: skip
        line = serving.stdout.readline()
        seconds = time.monotonic() - start
        times = Path(f"/proc/{serving.pid}/stat").read_text().rpartition(")")[2].split()
        serving.send_signal(signal.SIGTERM)
    assert line.startswith("ready "), f"till serve is ready: {line!r}"
    return Spent(seconds, (int(times[11]) + int(times[12])) / os.sysconf("SC_CLK_TCK"))


def rows_of(size: Size, built: dict[str, Spent], build_mib: float, found: dict) -> list[Row]:
    """What is printed; musts are the project's own."""
    spent = {name: middle(found[name]) for name in found if isinstance(found[name][0], Spent)}
    peak = {name[:-4]: median(found[name]) for name in found if name.endswith("_mib")}
    proving, decoding = (middle(each) for each in zip(*found["report"], strict=True))
    commits, syncs = (
        {part: middle([at_percent(each, part) for each in found[name]]) for part in (50, 99)}
        for name in ("commit", "sync")
    )
    ingest = built["all"]
    return [
        _row("ingest", ingest, "us/record", 1e6, spent["plain"], "one INSERT, no seal"),
        _row("ingest, last tenth", built["last"], "us/record", 1e6, built["first"], "first tenth"),
        _peak("ingest", build_mib),
        _row("again", spent["again"], "us/record", 1e6, ingest, "ingest", 3),
        _row("again, just started", spent["started"], "us/record", 1e6, ingest, "ingest"),
        _row("commit p50", commits[50], "ms", 1e3, syncs[50], "a page and fsync"),
        _row("commit p99", commits[99], "ms", 1e3, syncs[99], "a page and fsync", 3),
        _row("open and check", spent["open"], "s", 1),
        _row("ready", spent["ready"], "s", 1, spent["ready_empty"], "an empty ledger", 1),
        _row("report", proving, "s", 1, decoding, "decoding the day once", 1),
        _peak("report", peak["report"]),
        _row("verify", spent["verify"], "s", 1, spent["hash"], "SHA-256 of the file", 60),
        _peak("verify", peak["verify"]),
        _row("backup", spent["backup"], "s", 1, spent["copy"], "a durable copy", 60),
        _peak("backup", peak["backup"], 100),
        _plain("file", found["file"][0], "bytes/record", 80 if size.per_message >= 12 else None),
    ]


def middle(spent: list[Spent]) -> Spent:
    """The medians."""
    return Spent(median(each.s for each in spent), median(each.cpu_s for each in spent))


def at_percent(spent: list[Spent], part: int) -> Spent:
    """The percentiles."""
    return Spent(
        percentile([each.s for each in spent], part),
        percentile([each.cpu_s for each in spent], part),
    )


def _row(
    question: str, spent: Spent, unit: str, scale: float, floor: Spent | None = None,
    floor_is: str = "", must: float | None = None,
) -> Row:  # fmt: skip
    row = _plain(question, spent.s * scale, unit, must)
    row["cpu"] = spent.cpu_s * scale
    if floor is not None:
        row |= {"floor": floor.s * scale, "floor_is": floor_is, "ratio": spent.s / floor.s}
    return row


def _peak(question: str, mib: float, must: float | None = None) -> Row:
    return _plain(f"{question}, peak", mib, "MiB", must)


def _plain(question: str, value: float, unit: str, must: float | None = None) -> Row:
    holds = "" if must is None else "holds" if value <= must else "MISSED"
    return {"question": question, "value": value, "unit": unit, "must": must, "holds": holds}


if __name__ == "__main__":
    main()
