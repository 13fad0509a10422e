"""The auditor's check: what was printed shows any edit, and the check itself touches nothing."""

import json
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from gateway.audit import Audit, audit, opened_read_only
from gateway.backup import back_up
from gateway.checkpoint import MESSAGES, Scan, make, new_key, signer
from gateway.config import Config
from gateway.day import prove_day
from gateway.errors import DataError, TryAgain
from gateway.ledger import Ledger
from gateway.posted_row import Posting
from gateway.postings import import_posted
from gateway.report import day_report, to_csv, to_html, to_json
from gateway.signed_note import SignerKey, TreeHead, VerifierKey
from tests.cli_support import ROOT, environment, till, without_privilege
from tests.ingest_support import SITE, Office
from tests.test_audit_checkpoint import DAY, ZONE, at

NEXT_DAY = "2026-11-21"
POSTED = (
    "receipt_no,line_no,posted_at,business_date,window_id,session_id,cashier_id,tender_id,tender_type,tender_amount_cents,"
    "change_cents,account_no,service,fund,allocation_cents,status,void_of,void_by,auth_code,batch_id,source_system,source_ref\n"
    "R1,1,2026-11-20T10:00:00-06:00,2026-11-20,w1,1,7,T1,cash,5000,0,A1,water,water,5000,posted,,,,,cis,\n"
    "R2,1,2026-11-20T10:05:00-06:00,2026-11-20,w1,1,7,T2,cash,700,0,A2,water,water,700,posted,,,,,cis,\n"
    "#control,rows=2,tender_cents=5700,change_cents=0,allocation_cents=5700\n"
)


def build(folder: Path) -> None:
    """A ledger of twenty messages: ten, a checkpoint, five, a checkpoint, five; a board that
    remembers message 18.
    """
    office = Office(folder)
    device = office.device()
    device.say(20)
    for number in range(1, 21):
        office.clock.now_ms = at(10, number)
        office.take(device.ev(number, number))
        if number in (10, 15):
            made = make(office.ledger, folder, SITE, DAY if number == 10 else NEXT_DAY, at(17))
            (folder / f"note{number}.txt").write_text(made.note)
        if number == 18:
            n, head = office.ledger.head()
            office.take(device.state(acked=18, ledger_n=n, ledger_head=head))
    (folder / "posted.csv").write_text(POSTED)
    import_posted(office.ledger.db, folder / "posted.csv", at(17))
    office.ledger.close()


class Site:
    """That ledger in a folder, and the hands of an insider."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.ledger = Ledger.open(folder / "ledger.db")
        self.notes = [(folder / f"note{number}.txt").read_text() for number in (10, 15)]
        self.key = VerifierKey.parse((folder / "checkpoint.vkey").read_text())

    def tamper(self, *statements: str) -> None:
        """With the triggers gone for the moment, as an insider would."""
        db = self.ledger.db
        triggers = db.execute(
            "SELECT name, sql FROM sqlite_master WHERE type = 'trigger'"
        ).fetchall()
        for name, _ in triggers:
            db.execute(f"DROP TRIGGER {name}")
        db.execute("PRAGMA foreign_keys = OFF")
        for statement in statements:
            db.execute(statement)
        for _, sql in triggers:
            db.execute(sql)

    def rebuild(self, *statements: str) -> None:
        """An edit, then every head computed anew; what the boards and the list of checkpoints say
        is made to fit, too.
        """
        self.tamper(*statements)
        heads, scan = {}, Scan()
        for row in self.ledger.db.execute(MESSAGES).fetchall():
            heads[row[0]] = scan.walk([row], (10, 15)).head
        self.tamper(
            *(
                f"UPDATE message SET head = x'{head.hex()}' WHERE n = {n}"
                for n, head in heads.items()
            )
        )
        self.tamper(
            "UPDATE heartbeat SET ledger_head = ifnull((SELECT head FROM message WHERE n ="
            " ledger_n), ledger_head)"
        )

    def kinds(
        self, *notes: str, keys: list[VerifierKey] | None = None, posted: list[Path] | None = None
    ) -> list[str]:
        return sorted(
            {item.kind for item in self.audited(*notes, keys=keys, posted=posted).findings}
        )

    def audited(
        self, *notes: str, keys: list[VerifierKey] | None = None, posted: list[Path] | None = None
    ) -> Audit:
        printed = [(f"note {number}", [note]) for number, note in enumerate(notes, 1)]
        return audit(self.ledger.db, keys or [self.key], printed, posted)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("built")
    build(folder)
    return folder


@pytest.fixture
def site(built: Path, tmp_path: Path) -> Site:
    shutil.copytree(built, tmp_path, dirs_exist_ok=True)
    return Site(tmp_path)


def test_an_untouched_ledger_fits_its_checkpoints(site: Site) -> None:
    report = site.audited(*site.notes, posted=[site.folder / "posted.csv"])

    assert [] == report.findings
    assert (20, 20, 2, 1) == (report.n, report.records, report.postings, report.witnesses)
    assert ["note 1", "note 2"] == report.good
    assert site.ledger.head() == (report.n, report.head)


def swap(first: int, second: int) -> list[str]:
    return [
        f"UPDATE message SET n = 999 WHERE n = {first}",
        f"UPDATE message SET n = {first} WHERE n = {second}",
        f"UPDATE message SET n = {second} WHERE n = 999",
        (
            f"UPDATE record SET message_n = {first} + {second} - message_n WHERE message_n IN"
            f" ({first}, {second})"
        ),
    ]


EDITS = {
    "time": ["UPDATE message SET received_ms = received_ms + 1 WHERE n = 3"],
    "time before 1970": ["UPDATE message SET received_ms = -1 WHERE n = 3"],
    "topic": ["UPDATE message SET topic = 'till/1/city/w2/ev' WHERE n = 3"],
    "long topic": ["UPDATE message SET topic = printf('%.70000c', 'x') WHERE n = 3"],
    "bytes": ["UPDATE message SET sealed = CAST(substr(sealed, 1, 70) || x'00' || substr(sealed,"
              " 72) AS BLOB) WHERE n = 3"],
    "deleted": [
        "DELETE FROM record WHERE message_n = 3", "DELETE FROM message WHERE n = 3",
        "UPDATE message SET n = n - 1 WHERE n > 3",
        "UPDATE record SET message_n = message_n - 1 WHERE message_n > 3",
    ],
    "inserted": [
        "UPDATE message SET n = n + 1000 WHERE n > 3",
        "UPDATE message SET n = n - 999 WHERE n > 1000",
        "UPDATE record SET message_n = message_n + 1 WHERE message_n > 3",
        "INSERT INTO message SELECT 4, device, topic, received_ms, sealed, head FROM message WHERE"
        " n = 3",
    ],
    "swapped": swap(3, 4),
}  # fmt: skip


@pytest.mark.must("CP-11")
@pytest.mark.parametrize("edit", EDITS)
def test_an_edit_with_a_rebuilt_chain_is_caught_by_one_printed_checkpoint(
    site: Site, edit: str
) -> None:
    """The insider holds the database: heads, witnesses and the list of checkpoints are all made to
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
        "UPDATE message SET received_ms = received_ms + 60000",
        "UPDATE record SET occurred_ms = occurred_ms + 60000",
    )
    scan = Scan().walk(site.ledger.db.execute(MESSAGES), (10, 15))
    for size, root in scan.roots.items():
        note = key.sign(str(TreeHead(f"till/{SITE}", size, root)))
        site.tamper(
            f"UPDATE checkpoint SET root = x'{root.hex()}', note = '{note}' WHERE n = {size}"
        )

    assert [] == [item for item in site.audited().findings if "time is not" not in item.text]
    assert ["list", "rewritten"] == [kind for kind in site.kinds(site.notes[0]) if kind != "ledger"]


@pytest.mark.must("CP-12")
def test_a_ledger_cut_short_is_a_rollback(site: Site) -> None:
    site.rebuild(
        "DELETE FROM record WHERE message_n > 12",
        "DELETE FROM message WHERE n > 12",
        "UPDATE cursor SET high_water = 12",
    )
    site.tamper("DELETE FROM checkpoint WHERE n > 12", "UPDATE heartbeat SET ledger_n = 0")

    [rolled_back] = [
        item for item in site.audited(*site.notes).findings if item.kind == "rolled_back"
    ]

    assert ["list", "rolled_back"] == site.kinds(*site.notes)
    assert [] == site.audited(site.notes[0]).findings
    assert "covers 15 messages, the ledger has 12" in rolled_back.text
    assert "incident of a restore" in rolled_back.next


def test_what_a_board_remembers_shows_a_rollback_without_any_paper(site: Site) -> None:
    site.rebuild(
        "DELETE FROM record WHERE message_n > 16",
        "DELETE FROM message WHERE n > 16",
        "UPDATE cursor SET high_water = 16",
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
        ("UPDATE checkpoint SET n = 9 WHERE n = 10", ["list"]),
        ("UPDATE checkpoint SET root = zeroblob(32) WHERE n = 10", ["list"]),
        (
            (
                "UPDATE checkpoint SET note = replace(note, char(10) || '10', char(10) || '11')"
                " WHERE n = 10"
            ),
            ["altered", "list"],
        ),
        ("DELETE FROM checkpoint WHERE n = 10", ["list"]),
        ("UPDATE posting SET allocation_cents = 1 WHERE receipt_no = 'R1'", ["posted"]),
        ("DELETE FROM posting WHERE receipt_no = 'R1'", ["posted"]),
        ("UPDATE record SET body = x'00' WHERE seq = 2", ["ledger"]),
        ("DELETE FROM record WHERE seq = 2", ["ledger"]),
        ("DROP TRIGGER message_no_update", ["schema"]),
        ("CREATE TRIGGER sly AFTER INSERT ON record BEGIN SELECT 1; END", ["schema"]),
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
    db = site.ledger.db
    values = list(db.execute("SELECT * FROM posting WHERE receipt_no = 'R1'").fetchone())
    edited = Posting(*[1 if value == 5000 else value for value in values[3:-1]])
    site.tamper(
        "UPDATE posting SET tender_amount_cents = 1, allocation_cents = 1,"
        f" content = x'{edited.content().hex()}' WHERE receipt_no = 'R1'"
    )

    [finding] = site.audited(posted=[site.folder / "posted.csv"]).findings

    assert [] == site.kinds()
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
    if event == "open" and arguments[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT) and not str(arguments[0]).startswith("/dev/"):
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

    assert ([], 20) == (report.findings, report.n)
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


# --- the command


def test_every_form_of_the_report_serves_as_the_printed_checkpoint(
    site: Site, tmp_path: Path
) -> None:
    report = day_report(
        prove_day(site.ledger, ["w1"], DAY, ZONE),
        Config(site=SITE, zone="America/Chicago", windows=["w1"]),
    )
    forms = {
        "page.html": to_html(report),
        "day.json": to_json(report),
        "day.csv": to_csv(report),
        "note.txt": site.notes[0],
    }
    for name, text in forms.items():
        (tmp_path / name).write_text(text, newline="")
    site.ledger.close()
    paths = [tmp_path / name for name in forms]

    done = till("audit", "verify", "--ledger", tmp_path / "ledger.db", *paths)
    told = json.loads(
        till("audit", "verify", "--json", "--ledger", tmp_path / "ledger.db", *paths).stdout
    )

    assert 0 == done.returncode, done.stdout + done.stderr
    assert [
        f"✓ {path}: signed, and its messages are the ones here" for path in paths
    ] == done.stdout.splitlines()[1:5]
    assert "name the one that you kept with --vkey" in done.stdout
    assert ([str(path) for path in paths], [], True) == (
        told["good"],
        told["findings"],
        told["key_beside_ledger"],
    )


def test_a_finding_is_told_with_its_next_step_and_exit_code_1(site: Site, tmp_path: Path) -> None:
    (tmp_path / "note.txt").write_text(site.notes[0])
    site.rebuild(*EDITS["topic"])
    site.ledger.close()

    done = till(
        "audit",
        "verify",
        "--ledger",
        tmp_path / "ledger.db",
        "--vkey",
        tmp_path / "checkpoint.vkey",
        tmp_path / "note.txt",
    )

    assert (1, "") == (done.returncode, done.stderr)
    assert (
        f"✗ {tmp_path / 'note.txt'}: the first 10 messages are not those that were signed"
        in done.stdout
    )
    assert "next: the signed messages are no longer these" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["--ledger", "nowhere.db"], 78), (["nowhere.txt"], 2), (["--vkey", "nowhere.vkey"], 2),
        (["--vkey", "posted.csv"], 65),
        (["ledger.db"], 65),
    ],
)  # fmt: skip
def test_a_wrong_file_is_said(site: Site, arguments: list[str], code: int) -> None:
    site.ledger.close()
    paths = [
        argument if argument.startswith("-") else str(site.folder / argument)
        for argument in arguments
    ]
    ledger = [] if "--ledger" in paths else ["--ledger", str(site.folder / "ledger.db")]

    done = till("audit", "verify", *ledger, *paths)

    assert (code, "", 1) == (
        done.returncode,
        done.stdout,
        len(done.stderr.splitlines()),
    ), done.stderr


def test_a_backup_is_audited_like_the_ledger(site: Site, tmp_path: Path) -> None:
    back_up(site.ledger, tmp_path / "copy.db", drill=False)

    with opened_read_only(tmp_path / "copy.db") as db:
        assert [] == audit(db, [site.key], [("note", site.notes)]).findings
