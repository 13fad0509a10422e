"""`till import` of what the processor and the bank deliver: told by the beginning, each once."""

import json

from simulators.office.bank_files import Booked, Settled, bai2, nacha_returns, settlement_csv
from simulators.office.bank_files import Returned as Item
from tests.cli.bench import init, till
from tests.incoming.bench import row, text_of

DAY = "2026-11-20"


def test_a_folder_of_all_kinds_is_imported_and_the_day_says_what_is_missing(tmp_path):
    init(tmp_path / "site")
    folder = tmp_path / "site" / "in"
    folder.mkdir()
    lines = [Settled("B1", 1, "sale", "OK1", 5000, DAY), Settled("B1", 2, "sale", "OK2", 900, DAY)]
    posted = text_of([row(tender_type="card", auth_code="OK1")])
    files = {
        "a.csv": posted, "b.csv": settlement_csv(lines), "c.bai": bai2(DAY, [Booked(301, 77)]),
        "d.ach": nacha_returns(DAY, [Item(1, 4000, "R01", "100-1", "2026-11-16")]),
    }  # fmt: skip
    for name, text in files.items():
        (folder / name).write_text(text)

    done = till("import", "in", "--json", cwd=tmp_path / "site")
    assert 0 == done.returncode
    assert [
        ("a.csv", "posted", "posted", 1), ("b.csv", "settlement", "imported", 2),
        ("c.bai", "bank", "imported", 1), ("d.ach", "returned", "imported", 1),
    ] == [(each["name"], each["kind"], each["state"], each["added"])
          for each in json.loads(done.stdout)]  # fmt: skip

    told = till("reconcile", "--date", DAY, cwd=tmp_path / "site")
    assert 1 == told.returncode
    assert "card payments: 1 approved not posted; settle or carry each" in told.stdout
    assert "unknown credit: 2026-11-20 +0.77" in told.stdout
    assert "no receipt" in told.stdout

    again = till("import", "in/b.csv", cwd=tmp_path / "site")
    assert "b.csv: taken as settlement, settlement.csv: its header" in again.stdout
    assert "b.csv: already imported: 0 lines new, 2 known, 0 refused" in again.stdout
    wrong = till("import", "--as", "bank", "in/b.csv", cwd=tmp_path / "site")
    assert (65, True) == (wrong.returncode, "it is settlement.csv" in wrong.stderr)
    (folder / "b.csv").write_text(files["b.csv"].rpartition("#")[0] + "#")
    (folder / "e.ofx").write_text("OFXHEADER:100")
    cut = till("import", "in", cwd=tmp_path / "site")
    assert 65 == cut.returncode
    assert "b.csv: nothing imported: no control line at the end" in cut.stderr
    assert "e.ofx: it is OFX" in cut.stderr
