"""till checkpoint and till audit verify: the day's signed tree head, and the check that needs
nothing of the gateway's.
"""

from __future__ import annotations

import html
import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gateway.cli.app import CONFIG, FINDING, ConfigOption, JsonOption, app
from gateway.cli.shared import opened
from gateway.clock import clock_from_env
from gateway.errors import ConfigError, DataError, PermissionDenied, TryAgain, UsageError
from gateway.terminal import printable

if TYPE_CHECKING:
    from gateway.audit.offline import Audit
    from gateway.audit.posted_files import Exports
    from gateway.audit.signed_note import VerifierKey
    from gateway.config import Site

FILE_BYTES_MAX = 10_000_000  # of a report with a tree head in it
audit_app = typer.Typer(help="The auditor's check of a ledger.", no_args_is_help=True)
app.add_typer(audit_app, name="audit")


@app.command()
def checkpoint(
    config: ConfigOption = CONFIG,
    date: Annotated[
        str | None,
        typer.Option("--date", help="Business date, YYYY-MM-DD; default: the one that ended last."),
    ] = None,
    new_key: Annotated[
        bool,
        typer.Option(
            "--new-key", help="Begin a new series: the key is lost, or a backup was restored."
        ),
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Print the signed tree head of the business day that ended last (or of --date); it is made
    first when it is due.
    """
    from gateway import config as configuration
    from gateway.audit import keeper, tree_head

    site = configuration.load(config)
    now_ms = clock_from_env().utc_ms()
    with opened(site) as ledger:
        if new_key:
            tree_head.new_key(site.data, site.config.site, ledger, now_ms)
        if date is not None:
            there = tree_head.stored(ledger.db, date)
            if not there:
                raise UsageError(
                    f"date {date}: no tree head was made for it; till checkpoint makes that of the"
                    " day that ended last"
                )
            made = there[0]
        else:
            wanted = keeper.due(ledger.db, now_ms, site.zone, site.config.cut_off, quiet_ms=0)
            if wanted is not None:
                made = tree_head.make(ledger, site.data, site.config.site, wanted, now_ms)
            elif there := tree_head.stored(ledger.db):
                made = there[-1]
            else:
                until = site.config.cut_off.isoformat("minutes")
                raise TryAgain(
                    "tree head: nothing to sign yet; records of a business day are signed after"
                    f" its cut-off, {until}"
                )
    print(
        json.dumps(made.told(), indent=2) if as_json else made.note,
        end="\n" if as_json else "",
        flush=True,
    )


@audit_app.command()
def verify(
    files: Annotated[
        list[Path] | None,
        typer.Argument(
            readable=False, help="Checkpoints: notes, or day reports as HTML, JSON, CSV or text."
        ),
    ] = None,
    config: ConfigOption = CONFIG,
    ledger: Annotated[
        Path | None,
        typer.Option("--ledger", readable=False, help="A ledger or a copy; default: the site's."),
    ] = None,
    vkey: Annotated[
        list[Path] | None,
        typer.Option(
            "--vkey", readable=False, help="The verifier key that you kept; may be repeated."
        ),
    ] = None,
    posted: Annotated[
        list[Path] | None,
        typer.Option(
            "--posted",
            readable=False,
            help="An export of the cashiering system to compare with; may be repeated.",
        ),
    ] = None,
    maps: Annotated[
        list[str] | None,
        typer.Option(
            "--map", help="A column map for exports that are no posted.csv; may be repeated."
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Verify a ledger against what was printed: read-only and offline. Exit code 1 when something
    does not fit.
    """
    from gateway import config as configuration
    from gateway.audit.offline import audit
    from gateway.store.read_only import opened_read_only

    path = ledger or _file_of(configuration.load(config))
    keys, own = _keys(vkey, path)
    printed = [(str(name), _notes(name)) for name in files or []]
    with opened_read_only(path) as db:
        report = audit(db, keys, printed, _exports(posted or [], maps or [], config))
    if as_json:
        found = [{**vars(item), "next": item.next} for item in report.findings]
        told = {
            **vars(report),
            "head": report.head.hex(),
            "root": report.root.hex(),
            "findings": found,
            "key_beside_ledger": own,
        }
        print(json.dumps({"ledger": str(path), **told}, indent=2))
    else:
        _print(report, path, bool(printed), own)
    if report.findings:
        raise typer.Exit(FINDING)


def _exports(posted: list[Path], maps: list[str], config: Path) -> Exports:
    """The files at hand and what they are read with."""
    from gateway.audit.posted_files import Exports

    if not maps:
        return Exports(posted)
    from gateway.cli.maps import office_of
    from gateway.incoming.column_map_file import load_map

    if not posted:
        raise UsageError("audit verify: --map is for --posted FILE; name the exports to compare")
    office, site = office_of(config)
    if site is None:
        raise UsageError(
            f"{config}: not there, and a column map wants the office's clock and cut-off; name the"
            " site's till.toml with --config"
        )
    return Exports(posted, [load_map(name) for name in maps], office)


def _file_of(site: Site) -> Path:
    """The site's ledger as an auditor reads it: a file."""
    if not isinstance(site.ledger, Path):
        raise UsageError(
            f"ledger {site.ledger}: is on a server; copy it with till backup FILE and name the copy"
            " with --ledger, and your key with --vkey"
        )
    return site.ledger


def _print(report: Audit, path: Path, is_printed: bool, own: bool) -> None:
    print(
        f"ledger {path}: {report.n} entries, {report.records} records, {report.postings} postings,"
        f" head {report.head.hex()}"
    )
    for name in report.good:
        print(printable(f"\N{CHECK MARK} {name}: signed, and its entries are the ones here"))
    for item in report.findings:
        print(printable(f"\N{BALLOT X} {item.where}: {item.text}"))
        print(f"  next: {item.next}")
    print(
        f"{len(report.findings)} findings; {report.witnesses} boards remember a head of this ledger"
    )
    if not is_printed:
        print(
            "no printed tree head was given: a ledger that was rewritten as a whole would not show"
        )
    if own:
        print(
            "the verifier key is the one beside the ledger: name the one that you kept with --vkey"
        )


def _keys(files: list[Path] | None, ledger: Path) -> tuple[list[VerifierKey], bool]:
    """The verifier keys, and whether they are only those that lie beside the ledger."""
    from gateway.audit.signed_note import NoteError, VerifierKey

    paths = files or [*ledger.parent.glob("checkpoint*.vkey")]
    if not paths:
        raise ConfigError(
            f"ledger {ledger}: no checkpoint.vkey beside it; name the verifier key that you kept"
            " with --vkey"
        )
    keys = []
    for path in paths:
        try:
            keys += [VerifierKey.parse(line) for line in _text(path).splitlines() if line.strip()]
        except NoteError as error:
            raise DataError(
                f"{path}: {error}; name the file that till init wrote as checkpoint.vkey"
            ) from error
    return keys, not files


def _notes(path: Path) -> list[str]:
    """Every tree head in a file: a note, or a report in any of its forms."""
    from gateway.audit.signed_note import find_notes

    text = _text(path)
    try:
        return find_notes("\n".join(_strings(json.loads(text))))
    except (ValueError, RecursionError):
        return find_notes(
            html.unescape(re.sub(r"<[^>]*>|\"", "\n" if "<" not in text else "", text))
        )


def _strings(value: Any) -> list[str]:
    """Every text in a JSON document."""
    if isinstance(value, str):
        return [value]
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [text for item in inner for text in _strings(item)]


def _text(path: Path) -> str:
    try:
        if path.stat().st_size > FILE_BYTES_MAX:
            raise DataError(
                f"{path}: {path.stat().st_size} bytes, limit {FILE_BYTES_MAX}; name a tree head or"
                " a day report"
            )
        return path.read_text("utf-8-sig")
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError) as error:
        raise UsageError(
            f"{path}: no such file; name a tree head, a day report or a key"
        ) from error
    except PermissionError as error:
        raise PermissionDenied(f"{path}: not readable; give yourself access") from error
    except UnicodeDecodeError as error:
        raise DataError(
            f"{path}: byte {error.start} is not UTF-8; name a tree head or a day report"
        ) from error
