"""The auditor's comparison with what the cashiering system exported looks both ways: what a file
says and the ledger does not, and what the ledger says and no file.
"""

from pathlib import Path

import pytest

from gateway.audit.posted_files import Exports, compared
from gateway.incoming.column_map_file import map_from_text
from gateway.incoming.posted_file import import_mapped, import_posted
from gateway.incoming.posted_row import Rules
from gateway.store.ledger import Ledger
from tests.cli.bench import init, till
from tests.day.bench import posted_csv
from tests.incoming.mapping import OFFICE, PLAIN, PLAIN_FILE
from tests.office.rows import posting

R1, R2 = posting("R1", 600, 5000), posting("R2", 605, 6000)
V2 = posting("V2", 610, 6000, status="void", void_of="R2", void_by="4")
NOW_MS = 1_795_300_000_000  # 21 November 2026
MAP = map_from_text(PLAIN, Path("plain.toml"))


class Desk:
    """The office's ledger, and the files that the auditor has."""

    def __init__(self, folder, rules=None):
        self.folder, self.rules = folder, rules
        self.ledger = Ledger.open(folder / "ledger.db")

    def file(self, name, rows):
        path = self.folder / name
        text = posted_csv(rows) if isinstance(rows, list) else rows
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        return path

    def post(self, name, rows, column_map=None):
        path = self.file(name, rows)
        if column_map is not None:
            return import_mapped(self.ledger.db, path, column_map, OFFICE, NOW_MS)
        return import_posted(self.ledger.db, path, NOW_MS, self.rules)

    def found(self, *names, maps=()):
        """(kind, where, text) of the audit against these files."""
        paths = [self.folder / name for name in names]
        return list(compared(self.ledger.db, Exports(paths, maps, OFFICE)))


@pytest.fixture
def desk(tmp_path):
    return Desk(tmp_path)


def test_what_was_imported_and_nothing_else_has_no_finding(desk):
    desk.post("noon.csv", [R1])
    desk.post("evening.csv", [R1, R2])

    assert [] == desk.found("noon.csv", "evening.csv")
    assert [] == desk.found("evening.csv")  # it says all that the other one says


def test_the_same_receipts_exported_once_more_have_no_finding(desk):
    """In another order, with other line ends, in one file instead of two."""
    desk.post("noon.csv", [R1])
    desk.post("evening.csv", [R2])
    desk.file("for-the-auditor.csv", posted_csv([R2, R1]).replace("\n", "\r\n"))

    assert [] == desk.found("for-the-auditor.csv")


def test_a_made_up_void_stands_in_none_of_the_files(desk):
    desk.post("posted.csv", [R1, R2])
    desk.post("made-up.csv", [V2])

    assert [
        (
            "unexported",
            "made-up.csv",
            "V2 line 1 of 2026-11-20 is posted here (made-up.csv:2) and in none of the files given",
        )
    ] == desk.found("posted.csv")
    assert [] == desk.found("posted.csv", "made-up.csv")  # who gives it, vouches for it


def test_a_made_up_version_of_a_real_receipt_is_told(desk):
    """The receipt is void in place: no new number shows."""
    desk.post("posted.csv", [R1, R2])
    desk.post("made-up.csv", [posting("R2", 605, 6000, status="void")])

    assert [
        (
            "unexported",
            "made-up.csv",
            "R2 line 1 of 2026-11-20 stands here as void (made-up.csv:2), and none of the files"
            " given says so",
        )
    ] == desk.found("posted.csv")


@pytest.mark.parametrize(
    "hidden",
    [
        {"source_system": "cis2"},
        {"business_date": "2026-11-23"},  # in this drawer, and on the page of another day
        {"window_id": "w9"},
        {"status": "posted", "void_of": "", "tender_amount_cents": -6000, "allocation_cents": -6000,
         "kind": "refund"},
    ],
)  # fmt: skip
def test_a_made_up_row_is_found_wherever_it_hides(desk, hidden):
    desk.post("posted.csv", [R1, R2, posting("R3", 640, 100)])
    row = posting("V2", 610, 6000, **{"status": "void", "void_of": "R2", **hidden})
    assert 1 == desk.post("made-up.csv", posted_csv([row])).added

    assert [("unexported", "made-up.csv")] == [each[:2] for each in desk.found("posted.csv")]


def test_a_status_that_was_settled_later_is_not_asked_of_the_last_export(desk):
    desk.post("noon.csv", [posting("R1", 600, 5000, status="unknown")])
    desk.post("evening.csv", [R1])

    assert [] == desk.found("evening.csv")
    # who has only the first export is told what stands since
    assert ["unexported"] == [kind for kind, *_ in desk.found("noon.csv")]


def test_days_that_no_file_speaks_of_are_not_asked(desk):
    desk.post("thursday.csv", [posting("R0", 600 - 1440, 100, business_date="2026-11-19")])
    desk.post("friday.csv", [R1])

    assert [] == desk.found("friday.csv")


def test_what_the_ledger_lacks_is_told(desk):
    desk.post("posted.csv", [R1])
    desk.file("real.csv", [R1, R2])

    assert [
        ("posted", "real.csv", "this very file was never imported here"),
        ("posted", "real.csv", "receipt R2 line 1: missing here"),
    ] == desk.found("real.csv")


def test_a_file_that_was_refused_as_a_whole_is_told_until_it_is_settled(desk):
    spoilt = posted_csv([R1, R2]).replace("rows=2", "rows=3")
    desk.post("posted.csv", spoilt)

    (finding,) = desk.found("posted.csv")
    assert ("refused", "posted.csv") == finding[:2]
    assert finding[2].startswith("this file was refused here and is not settled: control total")

    desk.post("again.csv", [R1, R2])
    assert [] == desk.found("posted.csv", "again.csv")


def test_a_row_that_was_refused_is_told_until_it_is_settled(tmp_path):
    desk = Desk(tmp_path, Rules(services=("water",)))
    storm = posting("R2", 605, 6000, service="stormwater")
    desk.post("posted.csv", [R1, storm])

    (finding,) = desk.found("posted.csv")
    assert ("refused", "posted.csv") == finding[:2]
    assert finding[2].startswith("line 3 was refused here and is not settled: service:")
    desk.file("real.csv", [R1, storm])
    real = desk.found("real.csv")  # the same file under another name is the same file
    assert [("refused", "real.csv")] == [each[:2] for each in real]
    desk.file("real.csv", [storm, R1])
    assert "posted.csv:3 was refused: service:" in desk.found("real.csv")[1][2]

    desk.post("fixed.csv", [R1, R2])
    assert [] == desk.found("posted.csv", "fixed.csv")
    # the corrected receipt is in no file of the cashiering system that the auditor has
    assert ["unexported"] == [kind for kind, *_ in desk.found("posted.csv")]


def test_a_file_that_does_not_add_up_compares_nothing(desk):
    desk.post("posted.csv", [R1])
    desk.file("real.csv", posted_csv([R1]).replace("rows=1", "rows=2"))

    (finding,) = [each for each in desk.found("real.csv") if each[1] == "real.csv"]
    assert "nothing of it can be compared: control total rows" in finding[2]


def test_many_rows_of_one_file_are_counted(desk):
    desk.post("w1.csv", [R1])
    others = [posting(f"Q{n}", 700, 100, window_id="w2") for n in range(30)]
    desk.post("w2.csv", others)
    found = desk.found("w1.csv")

    assert (21, {"w2.csv"}) == (len(found), {where for _, where, _ in found})
    assert found[-1][2].startswith("10 more rows of it are posted here")


def test_a_vendors_export_is_compared_through_its_map(desk):
    desk.post("export.csv", PLAIN_FILE, MAP)
    assert [] == desk.found("export.csv", maps=[MAP])

    desk.post("made-up.csv", [posting("V9", 610, 5000, status="void", void_of="1001")])
    assert [("unexported", "made-up.csv")] == [
        each[:2] for each in desk.found("export.csv", maps=[MAP])
    ]
    without = desk.found("export.csv")
    assert ["posted"] == [kind for kind, *_ in without]


def test_a_posted_file_and_a_vendors_export_are_compared_together(desk):
    desk.post("export.csv", PLAIN_FILE, MAP)
    desk.post("posted.csv", [R1, R2])

    assert [] == desk.found("posted.csv", "export.csv", maps=[MAP])
    assert "unexported" in [kind for kind, *_ in desk.found("export.csv", maps=[MAP])]


def test_the_command_reads_vendors_exports_through_a_map(tmp_path):
    folder = tmp_path / "site"
    init(folder, "--windows", 1)
    config = ("--config", folder / "till.toml")
    (tmp_path / "plain.toml").write_text(PLAIN)
    (tmp_path / "export.csv").write_text(PLAIN_FILE)
    (tmp_path / "made-up.csv").write_text(posted_csv([V2]))
    map_ = ("--map", tmp_path / "plain.toml")
    assert 0 == till("import", tmp_path / "export.csv", *map_, *config).returncode

    command = ("audit", "verify", "--posted", tmp_path / "export.csv", *config)
    clean = till(*command, *map_)
    assert (0, "") == (clean.returncode, clean.stderr), clean.stdout

    assert 0 == till("import", tmp_path / "made-up.csv", *config).returncode
    done = till(*command, *map_)
    assert 1 == done.returncode
    assert "made-up.csv: V2 line 1 of 2026-11-20 is posted here" in done.stdout
    assert "next: look the receipt up in the cashiering system itself" in done.stdout

    alone = till("audit", "verify", *map_, *config)
    assert (2, 1) == (alone.returncode, len(alone.stderr.splitlines()))
