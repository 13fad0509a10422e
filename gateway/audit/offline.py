"""Is this ledger the one that was signed? Reads the file and nothing else: no write beside it, no
network, no key that signs.

Two kinds of evidence: what the file says about itself (chain, records, witnesses, postings), which
whoever holds the file can forge, and tree heads kept elsewhere, which nobody can. Each finding
says what to do next. docs/audit.md is the auditor's page.
"""

from dataclasses import dataclass, field
from itertools import islice

from gateway.audit.posted_files import Exports, compared
from gateway.audit.signed_note import NoteError, TreeHead, UnknownSigner, VerifierKey, open_note
from gateway.audit.tree_head import Scan, SignedTreeHead, stored
from gateway.store import postings
from gateway.store import verify as ledger_verify
from gateway.store.engine import Db, SqliteDb, StorageError, damages
from gateway.store.entries import chained
from gateway.store.read_only import schema_changes
from gateway.store.streams import record_counts, witnesses

FINDINGS_MAX = (
    200  # of one kind of check: past that the ledger is another one, and more lines help nobody
)

NEXT = {
    "damaged": "keep the file as it is, and audit the newest backup",
    "schema": (
        "compare with a ledger of the same program version; protection against edits was taken out"
        " or put back by hand"
    ),
    "ledger": (
        "keep the file, and compare the entry with the newest backup that verifies; the board may"
        " hold the record"
    ),
    "witness": (
        "compare with backups of that day; ask who restored or replaced the ledger, and look for it"
        " among the incidents"
    ),
    "rolled_back": (
        "look for the incident of a restore; without one treat what is missing as taken away, and"
        " count"
    ),
    "rewritten": (
        "the signed entries are no longer these: keep the file, and compare with a backup of the"
        " tree head's day"
    ),
    "other_key": (
        "ask who made a new key and why (incident checkpoint_key); trust the key that you kept"
        " alone"
    ),
    "altered": (
        "the text was changed after it was signed, or was mistyped: compare it with the printed"
        " page"
    ),
    "other_log": (
        "this tree head belongs to another site: take it out, or name that site's key and ledger"
    ),
    "contradiction": (
        "one key signed two different ledgers: treat the key as stolen, and compare the backups of"
        " both days"
    ),
    "list": "the list of tree heads inside the ledger was rewritten; trust the printed ones",
    "posted": (
        "compare with the file that the cashiering system exported (--posted FILE), and ask for it"
        " there"
    ),
    "unexported": (
        "look the receipt up in the cashiering system itself: if it is there, give the export that"
        " has it; if not, ask who imported the file"
    ),
    "refused": "ask for the corrected export, and have it imported: the money is in no sum",
}


@dataclass(frozen=True)
class AuditFinding:
    """`where` names the entry, window, file or business date; `next` says what to do."""

    kind: str
    where: str
    text: str

    @property
    def next(self) -> str:
        """What to do."""
        return NEXT[self.kind]


@dataclass
class Audit:
    """What was looked at, and what was found."""

    n: int = 0
    head: bytes = bytes(32)
    root: bytes = bytes(32)
    good: list[str] = field(default_factory=list)  # printed tree heads that fit, by file
    records: int = 0
    witnesses: int = 0  # boards that remember a head of this ledger
    postings: int = 0
    findings: list[AuditFinding] = field(default_factory=list)

    def add(self, kind: str, where: str, text: str) -> None:
        """Note a finding."""
        self.findings.append(AuditFinding(kind, where, text))


def audit(
    db: SqliteDb,
    keys: list[VerifierKey],
    printed: list[tuple[str, list[str]]],
    posted: Exports | None = None,
) -> Audit:
    """Everything that does not fit. `printed`: (file, notes in it); `posted`: exports of the
    cashiering system to compare the postings with.
    """
    report = Audit()
    try:
        _file(db, report)
        heads = _printed(keys, printed, report)
        listed = stored(db)
        scan = Scan().walk(
            chained(db), {head.size for _, head in heads} | {row.n for row in listed}
        )
        report.n, report.head, report.root = scan.tree.size, scan.head, scan.tree.root()
        check_heads(scan, heads, report)
        _listed(scan, keys, listed, [head for _, head in heads], report)
        for found in islice(ledger_verify.findings(db), FINDINGS_MAX):
            kind = "witness" if found.kind == "witness" else "ledger"
            report.add(
                kind, f"entry {found.entry_n}" if found.entry_n else found.device, found.text
            )
        report.records = sum(record_counts(db).values())
        report.witnesses = len(witnesses(db))
        _postings(db, posted or Exports(), report)
    except (StorageError, ArithmeticError, AttributeError, TypeError, ValueError) as error:
        # The last ones: a table that was made anew without its types, with values in it that the
        # program never writes.
        report.add("damaged", "file", f"it cannot be read to its end ({error})")
    return report


# --- the file -------------------------------------------------------------------------------------


def _file(db: SqliteDb, report: Audit) -> None:
    """Pages whole, tables and triggers those of the program: who edits rows has to take the
    triggers out first.
    """
    for text in damages(db, FINDINGS_MAX):
        report.add("damaged", "file", text)
    for kind, name, state in schema_changes(db):
        report.add("schema", name, f"{kind} {name} is {state}")


# --- tree heads ----------------------------------------------------------------------------------


def _printed(
    keys: list[VerifierKey], printed: list[tuple[str, list[str]]], report: Audit
) -> list[tuple[str, TreeHead]]:
    """(file, head) of every note whose signature is good."""
    heads = []
    for name, notes in printed:
        if not notes:
            report.add(
                "altered",
                name,
                "holds no tree head: an origin, a size, a root, an empty line, a signature line",
            )
        for note in notes:
            head = _opened(note, keys, name, report)
            if head is not None:
                heads.append((name, head))
    return heads


def _opened(note: str, keys: list[VerifierKey], where: str, report: Audit) -> TreeHead | None:
    unknown = ""
    for key in keys:
        try:
            head = TreeHead.parse(open_note(note, key))
        except UnknownSigner as error:
            unknown = unknown or str(error)
            continue
        except NoteError as error:
            report.add("altered", where, str(error))
            return None
        if head.origin != key.name:
            report.add("other_log", where, f"a tree head of {head.origin}, the key is {key.name}'s")
            return None
        return head
    report.add("other_key", where, unknown)
    return None


def check_heads(scan: Scan, heads: list[tuple[str, TreeHead]], report: Audit) -> None:
    """Each printed tree head against the ledger, and against each other."""
    size = scan.tree.size
    fitting = [head.size for _, head in heads if scan.roots.get(head.size) == head.root]
    seen: dict[int, tuple[str, bytes]] = {}
    for name, head in sorted(heads, key=lambda item: item[1].size):
        other, root = seen.setdefault(head.size, (name, head.root))
        if root != head.root:
            report.add(
                "contradiction", name, f"signs another root over {head.size} entries than {other}"
            )
        if head.size > size:
            report.add(
                "rolled_back",
                name,
                f"covers {head.size} entries, the ledger has {size}: its end is gone",
            )
        elif scan.roots[head.size] != head.root:
            later = next((fits for fits in fitting if fits > head.size), 0)
            text = f"the first {head.size} entries are not those that were signed"
            report.add("rewritten", name, text)
            if later:
                report.add(
                    "contradiction", name, f"{text}, yet a tree head over {later} entries fits"
                )
        else:
            report.good.append(name)


def _listed(
    scan: Scan,
    keys: list[VerifierKey],
    listed: list[SignedTreeHead],
    heads: list[TreeHead],
    report: Audit,
) -> None:
    """The ledger's own list: it must fit the ledger, carry our signatures, and hold the printed
    ones.
    """
    stated = set()
    for row in listed:
        head = _opened(row.note, keys, f"list, {row.business_date}", report)
        if head is None:
            continue
        stated.add((head.size, head.root))
        if (head.size, head.root) != (row.n, row.root):
            report.add("list", row.business_date, "size or root are not those of its signed text")
        if scan.roots.get(row.n) != row.root:
            report.add(
                "list",
                row.business_date,
                f"its root over {row.n} entries is not that of the ledger",
            )
    for head in heads:
        if (head.size, head.root) not in stated:
            report.add(
                "list", f"{head.size} entries", "a printed tree head is not in the ledger's list"
            )


# --- postings -------------------------------------------------------------------------------------


def _postings(db: Db, exports: Exports, report: Audit) -> None:
    """Each posting is what its hash says, each file has the rows it says; the cashiering system's
    own exports at hand are read again and compared.
    """
    broken = 0
    for posting, content, file_line, name in postings.hashed_postings(db):
        report.postings += 1
        if posting.content() != content and (broken := broken + 1) <= FINDINGS_MAX:
            report.add(
                "posted",
                f"{name}:{file_line}",
                "its values are not those that were hashed when it was posted",
            )
    for name, added, found in postings.miscounted_files(db):
        report.add("posted", name, f"{added} rows were posted from it, {found} are here")
    for kind, where, text in compared(db, exports):
        report.add(kind, where, text)
