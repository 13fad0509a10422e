"""The auditor's check: what was printed shows any edit, and the check itself touches nothing."""

import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from gateway.audit.offline import audit
from gateway.audit.signed_note import SignerKey, TreeHead
from gateway.audit.tree_head import Scan, make, new_key, signer
from gateway.errors import DataError, TryAgain
from gateway.facts.postings import Posting
from gateway.store.entries import chained
from gateway.store.read_only import opened_read_only
from protocol.messages import fingerprint_of
from tests.audit.bench import EDITS, ENTRIES, SIZES, Site, at
from tests.cli.bench import ROOT, environment, till, without_privilege
from tests.delivery.bench import SITE
from tests.store.bench import bodies


def test_an_untouched_ledger_fits_its_checkpoints(site: Site) -> None:
    report = site.audited(*site.notes, posted=[site.folder / "posted.csv"])

    assert [] == report.findings
    assert (ENTRIES, 20, 2, 1) == (report.n, report.records, report.postings, report.witnesses)
    assert ["note 1", "note 2"] == report.good
    assert site.ledger.head() == (report.n, report.head)


@pytest.mark.must("CP-11")
@pytest.mark.parametrize("edit", EDITS)
def test_an_edit_with_a_rebuilt_chain_is_caught_by_one_printed_checkpoint(
    site: Site, edit: str
) -> None:
    """The insider holds the database: heads, witnesses and the list of tree heads are all made to
    fit.
    """
    site.rebuild(*EDITS[edit])
    site.tamper("DELETE FROM checkpoint")

    assert "rewritten" in site.kinds(site.notes[0])
    assert "rewritten" in site.kinds(site.notes[1])
    assert "ledger" not in {item.kind for item in site.audited().findings if "head" in item.text}


def test_a_ledger_rewritten_whole_shows_only_against_what_was_printed(site: Site) -> None:
    """Chain, records, witness and list rebuilt, and the list even signed by the stolen key: the
    page in the binder shows it.
    """
    key = signer(site.folder, SITE)
    site.rebuild(
        "UPDATE entry SET content = later(content, 60000)",
        "UPDATE segment SET from_ms = from_ms + 60000, until_ms = until_ms + 60000",
    )
    for size in SIZES.values():  # the second covers the entry that vouches for the first
        root = Scan().walk(chained(site.ledger.db), [size]).roots[size]
        note = key.sign(str(TreeHead(f"till/{SITE}", size, root)))
        site.tamper(
            f"UPDATE checkpoint SET root = x'{root.hex()}', note = '{note}' WHERE n = {size}"
        )
        site.vouch_again("checkpoint")

    assert [] == site.audited().findings
    assert ["list", "rewritten"] == site.kinds(site.notes[0])


def cut_after(site: Site, n: int) -> list[str]:
    """What an insider does who takes the end off and makes the rest fit: entries 11 and 17 are
    those of tree heads.
    """
    last = n - (n > 11) - (n > 17)
    mark = fingerprint_of(bodies(site.ledger.db)[last]).hex()
    return [
        f"DELETE FROM segment WHERE n > {n}", f"DELETE FROM entry WHERE n > {n}",
        "DELETE FROM posting", "DELETE FROM posted_file",
        f"UPDATE cursor SET high_water = {last}, records = {last}, fingerprint = x'{mark}'",
    ]  # fmt: skip


@pytest.mark.must("CP-12")
def test_a_ledger_cut_short_is_a_rollback(site: Site) -> None:
    site.rebuild(
        *cut_after(site, 12),
        "DELETE FROM checkpoint WHERE n > 12",
        "UPDATE heartbeat SET ledger_n = 0",
    )

    [rolled_back] = [
        item for item in site.audited(*site.notes).findings if item.kind == "rolled_back"
    ]

    assert ["list", "rolled_back"] == site.kinds(*site.notes)
    assert [] == site.audited(site.notes[0]).findings
    assert "covers 16 entries, the ledger has 12" in rolled_back.text
    assert "incident of a restore" in rolled_back.next


def test_what_a_board_remembers_shows_a_rollback_without_any_paper(site: Site) -> None:
    site.rebuild(
        *cut_after(site, 19),
    )
    site.tamper("UPDATE heartbeat SET ledger_head = zeroblob(32)")

    assert ["witness"] == site.kinds()


@pytest.mark.must("CP-13")
def test_a_checkpoint_signed_by_another_key_is_no_checkpoint(site: Site) -> None:
    forged = SignerKey.new(f"till/{SITE}").sign(site.notes[0].partition("\n\n")[0] + "\n")

    [finding] = site.audited(forged).findings

    assert "other_key" == finding.kind
    assert site.key.key_id.hex() in finding.text


def test_a_new_key_is_told_and_the_old_one_still_verifies(site: Site) -> None:
    key = new_key(site.folder, SITE, site.ledger, at(18)).verifier
    note = make(site.ledger, site.folder, SITE, "2026-11-22", at(17, day=22)).note

    assert ["other_key"] == site.kinds(note)
    assert [] == site.kinds(note, *site.notes, keys=[site.key, key])


def test_a_changed_or_foreign_text_is_told(site: Site) -> None:
    elsewhere = SignerKey.new(f"till/{SITE}")

    assert ["altered"] == site.kinds(site.notes[0].replace("\n10\n", "\n11\n"))
    assert ["altered"] == sorted(
        {item.kind for item in audit(site.ledger.db, [site.key], [("page", [])]).findings}
    )
    assert "other_log" in site.kinds(
        elsewhere.sign("till/elsewhere\n0\n" + "A" * 43 + "=\n"),
        keys=[site.key, elsewhere.verifier],
    )


def test_one_key_for_two_ledgers_is_a_contradiction(site: Site) -> None:
    other = signer(site.folder, SITE).sign(f"till/{SITE}\n10\n{'A' * 43}=\n")
    alone = signer(site.folder, SITE).sign(f"till/{SITE}\n11\n{'A' * 43}=\n")

    assert "contradiction" in site.kinds(site.notes[0], other)
    assert "contradiction" in site.kinds(site.notes[1], alone)


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        ("UPDATE checkpoint SET n = 9 WHERE n = 10", ["ledger", "list"]),
        ("UPDATE checkpoint SET root = zeroblob(32) WHERE n = 10", ["ledger", "list"]),
        (
            (
                "UPDATE checkpoint SET note = replace(note, char(10) || '10', char(10) || '11')"
                " WHERE n = 10"
            ),
            ["altered", "ledger", "list"],
        ),
        ("DELETE FROM checkpoint WHERE n = 10", ["ledger", "list"]),
        ("UPDATE posting SET allocation_cents = 1 WHERE receipt_no = 'R1'", ["ledger", "posted"]),
        ("DELETE FROM posting WHERE receipt_no = 'R1'", ["ledger", "posted"]),
        ("UPDATE segment SET size = size - 1 WHERE first_seq = 2", ["ledger"]),
        ("DELETE FROM segment WHERE first_seq = 2", ["ledger"]),
        ("DROP TRIGGER entry_no_update", ["schema"]),
        ("CREATE TRIGGER sly AFTER INSERT ON entry BEGIN SELECT 1; END", ["schema"]),
    ],
)
def test_an_edit_elsewhere_is_told_with_what_to_do(
    site: Site, statement: str, expected: list[str]
) -> None:
    if "TRIGGER" in statement:
        site.ledger.db.execute(statement)
    else:
        site.tamper(statement)

    found = site.audited(*site.notes).findings

    assert expected == sorted({item.kind for item in found})
    assert all(item.next for item in found)


def test_postings_rewritten_with_their_hashes_show_against_the_file(site: Site) -> None:
    """Also when the entry that vouches for them is written anew, and the chain after it."""
    db = site.ledger.db
    values = list(db.execute("SELECT * FROM posting WHERE receipt_no = 'R1'").fetchone())
    edited = Posting(*[1 if value == 5000 else value for value in (*values[3:-3], *values[-2:])])
    site.tamper(
        "UPDATE posting SET tender_amount_cents = 1, allocation_cents = 1,"
        f" content = x'{edited.content().hex()}' WHERE receipt_no = 'R1'"
    )

    told = site.kinds()
    site.vouch_again("posting")

    [finding] = site.audited(posted=[site.folder / "posted.csv"]).findings

    assert (["ledger"], []) == (told, site.kinds())
    assert ("posted", "receipt R1 line 1: changed here") == (finding.kind, finding.text)


# --- it touches nothing


def listing(folder: Path) -> dict[str, tuple[bytes, int]]:
    return {
        path.name: (path.read_bytes(), path.stat().st_mtime_ns)
        for path in folder.iterdir()
        if path.is_file()
    }


GUARD = """
import os, sys
def guard(event, arguments):
    if event.startswith("socket."):
        raise SystemExit("network: " + event)
    if event != "open" or str(arguments[0]).startswith("/dev/"):
        return
    if arguments[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
        raise SystemExit(f"write: {arguments[0]}")
sys.addaudithook(guard)
from gateway.cli import main
main()
"""


def test_it_runs_without_network_and_leaves_a_read_only_folder_as_it_is(
    site: Site, tmp_path: Path
) -> None:
    site.ledger.close()
    binder = tmp_path / "binder"
    binder.mkdir()
    for name in ("ledger.db", "checkpoint.vkey"):
        shutil.move(tmp_path / name, binder / name)
        (binder / name).chmod(0o400)
    (binder / "note.txt").write_text(site.notes[0])
    binder.chmod(0o500)
    before = listing(binder), binder.stat().st_mtime_ns
    arguments = [
        "audit",
        "verify",
        "--ledger",
        binder / "ledger.db",
        "--vkey",
        binder / "checkpoint.vkey",
        binder / "note.txt",
    ]

    done = subprocess.run(
        [sys.executable, "-B", "-c", GUARD, *map(str, arguments)],
        env=environment(), cwd=ROOT, capture_output=True, text=True, timeout=180,
        preexec_fn=without_privilege,
    )  # fmt: skip

    after = listing(binder), binder.stat().st_mtime_ns
    binder.chmod(0o700)
    assert (0, "") == (done.returncode, done.stderr), done.stdout
    assert "0 findings; 1 boards remember" in done.stdout
    assert before == after


def test_a_ledger_in_use_is_read_with_its_newest_part_and_left_as_it_is(site: Site) -> None:
    site.ledger.incident("note", "", "a page in the log", at(18))
    assert 0 < (site.folder / "ledger.db-wal").stat().st_size
    before = listing(site.folder)

    with opened_read_only(site.folder / "ledger.db") as db:
        report = audit(db, [site.key], [("note", [site.notes[1]])])

    assert ([], ENTRIES + 1) == (report.findings, report.n)
    assert before == listing(site.folder)


def test_a_write_meanwhile_is_noticed(site: Site) -> None:
    path = site.folder / "ledger.db"
    site.ledger.close()

    with pytest.raises(TryAgain, match="till backup"), opened_read_only(path):
        os.utime(path, ns=(1, 1))


def foreign(path: Path) -> None:
    path.unlink()
    sqlite3.connect(path).execute("CREATE TABLE other (x)")


@pytest.mark.parametrize(
    "damage",
    [foreign, lambda path: path.write_bytes(os.urandom(9000)), lambda path: path.write_bytes(b"")],
)
def test_what_is_no_ledger_is_refused(site: Site, damage: Callable[[Path], object]) -> None:
    site.ledger.close()
    damage(site.folder / "ledger.db")

    with pytest.raises(DataError), opened_read_only(site.folder / "ledger.db"):
        pytest.fail("opened")


def test_a_damaged_page_is_a_finding_and_no_traceback(site: Site) -> None:
    site.ledger.close()
    path = site.folder / "ledger.db"
    with path.open("r+b") as file:
        file.seek(4096 * 3)
        file.write(b"\xff" * 4096 * 4)
    (site.folder / "note.txt").write_text(site.notes[0])

    done = till("audit", "verify", "--ledger", path, site.folder / "note.txt")

    assert 1 == done.returncode
    assert "audit the newest backup" in done.stdout
