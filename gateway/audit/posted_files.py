"""Do the postings say what the cashiering system exported? Looked at from both sides: what its
files have and the ledger has not, and what the ledger has and none of the files.

The second side is what finds a made-up file: a void that hides a theft stands in no export. Only
what the files can speak of is asked: their business dates, and the time from their first receipt to
their last.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path

from gateway.errors import DataError, GatewayError
from gateway.facts.postings import Posting
from gateway.incoming.column_map import ColumnMap
from gateway.incoming.column_map_read import Office
from gateway.incoming.posted_file import ImportResult, import_mapped, import_posted
from gateway.incoming.posted_row import Rules
from gateway.store import postings
from gateway.store.engine import FIRST, LAST, Db
from gateway.store.read_only import empty_ledger

# A file is read with the widest rules: which of its rows the site refused, the ledger says.
ANY_SITE = Rules(receipt_scope="window-day", long_accounts=True, days_apart_max=100 * 365)
TOLD_MAX = 200  # findings of one file: past that it is another file, and more lines help nobody
UNEXPORTED_TOLD_MAX = 20  # rows that one imported file has and none of those given

Finding = tuple[str, str, str]  # kind, where, text: see gateway/audit/offline.py: NEXT
Key = tuple[str, str, int]  # source in lower case, receipt, line


@dataclass(frozen=True)
class Exports:
    """Files of the cashiering system; those that are no posted.csv are read through the first of
    the column maps that fits. `office`: the site's clock and cut-off, for the maps.
    """

    paths: Sequence[Path] = ()
    maps: Sequence[ColumnMap] = ()
    office: Office = Office()


@dataclass
class _Given:
    """What the files say together."""

    said: dict[Key, set[bytes]] = field(default_factory=dict)
    dates: set[str] = field(default_factory=set)
    first_ms: int = LAST
    last_ms: int = FIRST
    told: set[Key] = field(default_factory=set)  # rows of which a finding speaks already

    def take(self, fresh: Db) -> None:
        for key, contents in postings.statements_by_key(fresh).items():
            self.said.setdefault(key, set()).update(contents)
        for posting, *_ in postings.standing_of(fresh, (), FIRST, LAST):
            self.dates.add(posting.business_date)
            self.first_ms = min(self.first_ms, posting.posted_ms)
            self.last_ms = max(self.last_ms, posting.posted_ms)


def compared(db: Db, exports: Exports) -> Iterator[Finding]:
    """What differs, file by file, then what stands here and in none of the files."""
    if not exports.paths:
        return
    given = _Given()
    here = postings.statements_by_key(db)
    refusals = postings.unsettled_refusals(db)
    for path in exports.paths:
        with closing(empty_ledger()) as fresh:
            try:
                result = _read(fresh, path, exports)
            except GatewayError as error:
                yield "posted", path.name, str(error)
                continue
            given.take(fresh)
            found = [*_refused(db, fresh, refusals), *_lacking(db, fresh, here, refusals, given)]
            if result.state != "posted" and not _file_ids(db, fresh):
                found = [("posted", f"nothing of it can be compared: {result.reason}")]
        yield from ((kind, path.name, text) for kind, text in found[:TOLD_MAX])
    yield from _unexported(db, given)


def _read(fresh: Db, path: Path, exports: Exports) -> ImportResult:
    """A file into a ledger in memory. Raises GatewayError when nothing reads it."""
    try:
        return import_posted(fresh, path, 0, ANY_SITE)
    except DataError as error:
        refused: GatewayError = error
    for column_map in exports.maps:
        try:
            result = import_mapped(fresh, path, column_map, exports.office, 0, ANY_SITE)
        except DataError as error:
            refused = error
            continue
        if result.state == "posted" and result.added:
            return result
        refused = DataError(f"{path}: {result.reason or 'every row is refused'}")
    raise refused


def _refused(db: Db, fresh: Db, refusals: Sequence[dict[str, object]]) -> Iterator[tuple[str, str]]:
    """What of this very file was refused here and is not settled."""
    for file_id in _file_ids(db, fresh):
        of_file = [each for each in refusals if each["file_id"] == file_id]
        whole = [each for each in of_file if not each["line"]]
        for each in whole[:1]:
            yield "refused", f"this file was refused here and is not settled: {each['reason']}"
        for each in of_file:
            if each["line"] and each["reason"]:
                line, reason = each["line"], each["reason"]
                yield "refused", f"line {line} was refused here and is not settled: {reason}"


def _file_ids(db: Db, fresh: Db) -> list[int]:
    """The ledger's ids of a file that was read into `fresh`."""
    known = [postings.known_file(db, digest) for digest in postings.file_hashes(fresh)]
    return [file["id"] for file in known if file is not None]


def _lacking(
    db: Db,
    fresh: Db,
    here: dict[Key, set[bytes]],
    refusals: Iterable[dict[str, object]],
    given: _Given,
) -> list[tuple[str, str]]:
    """What the file says and the ledger does not, and what the ledger says that this very file
    said.
    """
    ours = postings.statements_by_key(fresh)
    files = _file_ids(db, fresh)
    known = {receipt for file_id in files for receipt in postings.refused_receipts(db, file_id)}
    elsewhere = {str(each["receipt_no"]): each for each in refusals if each["receipt_no"]}
    found = []
    for key, contents in ours.items():
        if contents <= here.get(key, set()) or key[1] in known:
            continue
        text = f"receipt {key[1]} line {key[2]}: {'changed' if key in here else 'missing'} here"
        if key not in here and (refusal := elsewhere.get(key[1])):
            text += f"; {refusal['file']}:{refusal['line']} was refused: {refusal['reason']}"
        given.told.add(key)
        found.append(("posted", text))
    for file_id in files:
        for key in postings.statements_by_key(db, file_id).keys() - ours.keys():
            given.told.add(key)
            found.append(("posted", f"receipt {key[1]} line {key[2]}: is not in the file"))
    if found and not files:
        found.insert(0, ("posted", "this very file was never imported here"))
    return found


def _unexported(db: Db, given: _Given) -> Iterator[Finding]:
    """What stands here, of the days of the files, and in none of them."""
    standing = postings.standing_of(db, given.dates, given.first_ms, given.last_ms)
    made_up = [
        (file, line, posting, key)
        for posting, file, line in standing
        if (key := _key(posting)) not in given.told
        and _content(posting) not in given.said.get(key, ())
    ]
    made_up.sort(key=lambda each: each[:2])
    for file, group in groupby(made_up, key=lambda each: each[0]):
        lines = list(group)
        for _, line, posting, key in lines[:UNEXPORTED_TOLD_MAX]:
            what = f"{posting.receipt_no} line {posting.line_no} of {posting.business_date}"
            if key in given.said:
                text = (
                    f"{what} stands here as {posting.status} ({file}:{line}), and none of the files"
                    " given says so"
                )
            else:
                text = f"{what} is posted here ({file}:{line}) and in none of the files given"
            yield "unexported", file, text
        more = len(lines) - UNEXPORTED_TOLD_MAX
        if more > 0:
            text = f"{more} more rows of it are posted here and in none of the files given"
            yield "unexported", file, text


def _key(posting: Posting) -> Key:
    return posting.source_system.casefold(), posting.receipt_no, posting.line_no


def _content(posting: Posting) -> bytes:
    """As postings.statements_by_key has it."""
    source = posting.source_system.casefold()
    return posting._replace(source_system=source, scope="").content()
