"""The day's signed tree head: how many entries the ledger has and their Merkle root, in a text
that leaves the machine.

Whoever holds the database can rewrite it, chain and all. What nobody can rewrite is a tree head
that was printed: it fixes every entry up to its size. One is made a business day, and none that
contradicts an earlier one: that is an incident and no signature. The signing key is
`<data>/checkpoint.key`; the auditor keeps `<data>/checkpoint.vkey` elsewhere (docs/audit.md).
"""

import datetime
import hashlib
import logging
import stat
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gateway.audit.merkle import Tree
from gateway.audit.signed_note import (
    NoteError,
    SignerKey,
    TreeHead,
    UnknownSigner,
    open_note,
    split_note,
)
from gateway.errors import ConfigError, DataError, PermissionDenied
from gateway.facts.chain import GENESIS
from gateway.files import rename, write_private, write_public
from gateway.store.engine import Db, snapshot
from gateway.store.entries import chained
from gateway.store.ledger import Ledger
from gateway.store.tree_heads import add_tree_head, tree_heads

log = logging.getLogger("till.checkpoint")

_EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
_MS = datetime.timedelta(milliseconds=1)


@dataclass(frozen=True)
class SignedTreeHead:
    """A row of the table: `n` entries, their root, and the note as it was printed."""

    business_date: str
    n: int
    root: bytes
    made_ms: int
    note: str

    def told(self) -> dict[str, Any]:
        """As reports and --json say it."""
        return {**vars(self), "root": self.root.hex()}


@dataclass
class Scan:
    """What one walk over the entries gives: tree and chain head at its end, roots at the sizes
    asked for.
    """

    tree: Tree = field(default_factory=Tree)
    head: bytes = GENESIS
    roots: dict[int, bytes] = field(default_factory=dict)
    broken_at: int = (
        0  # first entry that does not follow or whose head the chain does not lead to; 0: none
    )

    def walk(self, rows: Iterable[tuple[int, bytes, bytes]], sizes: Collection[int]) -> "Scan":
        """Go on from where this one is, over rows of store/entries.py: chained. `sizes` are those
        whose roots are wanted.
        """
        sha256, wanted, tree, head = hashlib.sha256, set(sizes), self.tree, self.head
        if tree.size in wanted:
            self.roots[tree.size] = tree.root()
        for n, leaf, stored in rows:
            tree.append(leaf)
            head = sha256(head + leaf).digest()
            if (head != stored or n != tree.size) and not self.broken_at:
                self.broken_at = n
            if tree.size in wanted:
                self.roots[tree.size] = tree.root()
        self.head = head
        return self


def origin_of(site: str) -> str:
    """The log's name in its tree heads, also the name of its key."""
    return f"till/{site}"


def signed_size(data: Path) -> int:
    """How many entries the newest tree head of a data folder covers, as its text says; 0 when
    there is none.
    """
    try:
        return TreeHead.parse(split_note((data / "checkpoint.txt").read_text("utf-8"))[0]).size
    except (OSError, NoteError, UnicodeError):
        return 0


def stored(db: Db, business_date: str | None = None) -> list[SignedTreeHead]:
    """Those of the ledger's own table, oldest first; of one business day (none or one) when it is
    named.
    """
    return [SignedTreeHead(**row) for row in tree_heads(db, business_date)]


# --- when -----------------------------------------------------------------------------------------


# --- making one -----------------------------------------------------------------------------------


def make(ledger: Ledger, data: Path, site: str, business_date: str, now_ms: int) -> SignedTreeHead:
    """Sign what the ledger holds now as the tree head of `business_date`; one that is there
    already is given back.

    Raises DataError, after raising an incident, when the ledger no longer extends what was signed
    before or its chain is broken; ConfigError, DataError or PermissionDenied when the key is not
    fit for use.
    """
    if there := stored(ledger.db, business_date):
        return there[0]
    key = signer(data, site, ledger)
    earlier = stored(ledger.db)
    latest = _latest(data, key)
    sizes = {signed.n for signed in earlier} | ({latest.size} if latest else set())
    with snapshot(ledger.db) as db:
        scan = Scan().walk(chained(db), sizes)
    reason = _against(scan, earlier, latest, key)
    if reason:
        ledger.incident("checkpoint_refused", "", reason, now_ms)
        raise DataError(
            f"ledger {ledger.path}: not signed: {reason}; keep the file as it is and call the"
            " auditor (docs/audit.md)"
        )
    head = TreeHead(origin_of(site), scan.tree.size, scan.tree.root())
    with ledger.transaction() as db:
        if there := stored(db, business_date):  # another process was faster
            return there[0]
        made = SignedTreeHead(business_date, head.size, head.root, now_ms, key.sign(str(head)))
        # first: what is signed is never forgotten
        write_public(data / "checkpoint.txt", made.note.encode())
        add_tree_head(db, **vars(made))
    return made


def _against(
    scan: Scan, earlier: list[SignedTreeHead], latest: TreeHead | None, key: SignerKey
) -> str:
    """Why nothing may be signed; empty when nothing speaks against it."""
    if scan.broken_at:
        return (
            f"the chain is broken at entry {scan.broken_at}: an earlier entry was edited, taken"
            " out or put in"
        )
    for signed in earlier:
        if scan.roots.get(signed.n) != signed.root or _stated(signed, key) != (
            signed.n,
            signed.root,
        ):
            return (
                f"the tree head of {signed.business_date} over {signed.n} entries does"
                " not fit any more"
            )
    if latest and scan.roots.get(latest.size) != latest.root:
        return (
            f"signed.txt was signed over {latest.size} entries, the ledger does not extend"
            " them: restored or rewritten?"
        )
    return ""


def _stated(signed: SignedTreeHead, key: SignerKey) -> tuple[int, bytes] | None:
    """(n, root) of a stored note; None when its signature under our key is wrong. One of a retired
    key is read as it is.
    """
    try:
        try:
            text = open_note(signed.note, key.verifier)
        except UnknownSigner:
            text = split_note(signed.note)[0]
        head = TreeHead.parse(text)
    except NoteError:
        return None
    return head.size, head.root


def _latest(data: Path, key: SignerKey) -> TreeHead | None:
    try:
        return TreeHead.parse(open_note((data / "checkpoint.txt").read_text("utf-8"), key.verifier))
    except FileNotFoundError:
        return None
    except (NoteError, UnicodeError) as error:
        raise DataError(
            f"{data / 'checkpoint.txt'}: {error}; put the newest printed tree head there"
        ) from error


# --- the key --------------------------------------------------------------------------------------


def signer(data: Path, site: str, ledger: Ledger | None = None) -> SignerKey:
    """The signing key of a data folder, made at first use together with checkpoint.vkey.

    Raises ConfigError when it is gone although something was signed with it, PermissionDenied when
    others can read it.
    """
    path = data / "checkpoint.key"
    try:
        if stat.S_IMODE(path.stat().st_mode) & 0o077:
            raise PermissionDenied(f"key {path}: readable by others; chmod 600 it")
        key = SignerKey.parse(path.read_text("utf-8"))
    except FileNotFoundError:
        if (data / "checkpoint.txt").exists() or (ledger is not None and stored(ledger.db)):
            raise ConfigError(
                f"key {path}: gone; put it back from where the keys are kept, or begin anew: till"
                " checkpoint --new-key"
            ) from None
        return _new_key(data, site)
    except (NoteError, UnicodeError) as error:  # the text of the error holds no part of the key
        raise DataError(
            f"key {path}: not a signing key; put it back from where the keys are kept"
        ) from error
    if key.name != origin_of(site):
        raise ConfigError(
            f"key {path}: belongs to {key.name}, this site is {origin_of(site)}; put the right key"
            " there"
        )
    return key


def new_key(data: Path, site: str, ledger: Ledger, now_ms: int) -> SignerKey:
    """Begin a new series: after a lost key, or a ledger restored to before what was signed. The old
    public files stay.

    That somebody did so is an incident, and every auditor sees the new key's name: whoever holds
    the old one asks why.
    """
    old = "unknown"
    for name in ("checkpoint.vkey", "checkpoint.txt"):
        path = data / name
        if path.exists():
            old = path.read_text("utf-8").split("+")[1] if name.endswith(".vkey") else old
            rename(path, path.with_name(f"checkpoint-{old}{path.suffix}"))
    (data / "checkpoint.key").unlink(missing_ok=True)
    key = _new_key(data, site)
    ledger.incident(
        "checkpoint_key",
        "",
        f"tree heads are signed with key {key.verifier.key_id.hex()}, before: {old}",
        now_ms,
    )
    return key


def _new_key(data: Path, site: str) -> SignerKey:
    key = SignerKey.new(origin_of(site))
    write_public(data / "checkpoint.vkey", f"{key.verifier}\n".encode())
    write_private(data / "checkpoint.key", f"{key.secret_text()}\n".encode())
    return key
