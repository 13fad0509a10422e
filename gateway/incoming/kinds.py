"""What kind of file it is that somebody wants to import, told by its beginning."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from gateway.errors import DataError, PermissionDenied, UsageError
from gateway.facts import postings, settlements
from gateway.facts.settlements import BANK, RETURNED_ITEMS, SETTLEMENT

POSTED = "posted"
KINDS = (POSTED, SETTLEMENT, BANK, RETURNED_ITEMS)
POSTED_CSV, SETTLEMENT_CSV = "posted.csv", "settlement.csv"
BAI2, CAMT, NACHA = "BAI2", "camt.053", "NACHA"
_LOOK_BYTES = 4_096

_NACHA_HEADER = re.compile(rb"101[ \d]{10}[ \d].{9}\d{6}", re.DOTALL)
_NAMES = re.compile(r"[a-z_]+", re.ASCII)
# Files of a bank that are none of ours, by their beginning, and what to ask for.
_OTHERS = (
    (re.compile(rb"\s*(OFXHEADER|<\?OFX|<OFX)", re.I), "OFX"),
    (re.compile(rb"\s*(\{1:F01|:20:)"), "MT940"),
    (re.compile(rb"%PDF-"), "PDF"),
    (re.compile(rb"PK\x03\x04"), "a spreadsheet or an archive"),
)


@dataclass(frozen=True)
class Took:
    """What a file was taken for, and why. `form`: the format within its kind."""

    kind: str
    form: str
    why: str


def files_in(paths: Iterable[Path]) -> Iterator[Path]:
    """The files that somebody named; of a folder those that stand in it, by name. Raises UsageError
    for a folder without any.
    """
    for path in paths:
        if not path.is_dir():
            yield path
            continue
        found = sorted(each for each in path.iterdir() if _is_meant(each))
        if not found:
            raise UsageError(f"{path}: no file is in this folder; name the one with the exports")
        yield from found


def _is_meant(path: Path) -> bool:
    return path.is_file() and not path.name.startswith(".")


def kind_of(path: Path, said: str = "") -> Took:
    """What a file is, or what `said` says it is.

    Raises UsageError for a kind that there is not and for a file that is not there,
    PermissionDenied for one that cannot be read, DataError where it is plainly of another kind than
    `said`, or of one that nobody reads here.
    """
    if said and said not in KINDS:
        raise UsageError(f"import: --as {said} is none of {', '.join(KINDS)}")
    beginning = _beginning(path)
    for form, name in _OTHERS:
        if form.match(beginning):
            raise DataError(
                f"{path}: it is {name}, which is not read here; ask the bank for BAI2, camt.053 or"
                " its NACHA return file, or export it as text"
            )
    found = _recognised(beginning)
    if found is None:
        return _by_hand(said) if said else Took(POSTED, POSTED_CSV, "it is none of the other kinds")
    if said and said != found.kind:
        raise DataError(
            f"{path}: --as {said}, and it is {found.form}: {found.why}; leave --as out, or name the"
            " right file"
        )
    return found


def _beginning(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(_LOOK_BYTES).removeprefix(b"\xef\xbb\xbf")
    except (FileNotFoundError, IsADirectoryError) as error:
        raise UsageError(f"{path}: no such file; name the file to import") from error
    except PermissionError as error:
        raise PermissionDenied(f"{path}: not readable; give the gateway's user access") from error


def _recognised(beginning: bytes) -> Took | None:
    text = beginning.lstrip()
    if text.startswith((b"01,", b"01/")):
        return Took(BANK, BAI2, "its first record begins with 01,")
    if text.startswith(b"<"):
        return Took(BANK, CAMT, "it is XML")
    if _NACHA_HEADER.match(text):
        return Took(RETURNED_ITEMS, NACHA, "its first record begins with 101, in fixed columns")
    header = text.splitlines()[0].decode("utf-8", "replace") if text else ""
    names = {*_NAMES.findall(header)}
    own = len(names & {*settlements.COLUMNS})
    posted = len(names & {*postings.COLUMNS})
    if 2 * own > len(settlements.COLUMNS) and own > posted:
        return Took(SETTLEMENT, SETTLEMENT_CSV, "its header has the columns of settlement.csv")
    if 2 * posted > len(postings.COLUMNS):
        return Took(POSTED, POSTED_CSV, "its header has the columns of posted.csv")
    return None


def _by_hand(said: str) -> Took:
    """Somebody says what a damaged file is; its reader then says what is wrong with it."""
    forms = {POSTED: POSTED_CSV, SETTLEMENT: SETTLEMENT_CSV, BANK: BAI2, RETURNED_ITEMS: NACHA}
    return Took(said, forms[said], f"--as {said}")
