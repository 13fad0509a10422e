"""till instrument learn: the grammar of a machine that nobody described, from a capture of its
reports.
"""

from __future__ import annotations

import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gateway.cli.app import FINDING, JsonOption, instrument_app
from gateway.cli.shared import tell
from gateway.clock import clock_from_env
from gateway.errors import GatewayError, PermissionDenied, Unavailable, UsageError

if TYPE_CHECKING:
    from gateway.instruments.learn.learning import Learned
    from gateway.instruments.learn.read import Told

_ROLES = ("total", "subtotal", "pieces_total", "row", "batch", "ignore", "columns", "denominations")
_SILENCE_S = 20  # a recording ends so long after the last byte


@instrument_app.command("learn")
def learn(
    capture: Annotated[
        Path, typer.Argument(readable=False, help="Recorded bytes of two reports or more.")
    ],
    name: Annotated[
        str, typer.Option(help="Title of the machine, as screens and reports show it.")
    ] = "Counter learned from a capture",
    out: Annotated[
        Path | None,
        typer.Option(readable=False, help="Where the profile goes; default: it is only shown."),
    ] = None,
    yes: Annotated[
        bool, typer.Option("--yes", help="Accept the proposal without a question.")
    ] = False,
    port: Annotated[
        str | None, typer.Option(help="Record the reports from this serial port to CAPTURE first.")
    ] = None,
    baud: Annotated[
        int, typer.Option(min=50, max=1_000_000, help="Speed of the machine's line.")
    ] = 9600,
    counted: Annotated[
        list[str] | None, typer.Option(help="What was counted, once a report: 20.00x5,5.00x3")
    ] = None,
    set_: Annotated[
        list[str] | None, typer.Option("--set", help="A correction, such as total='GRAND TOTAL'.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Learn how a machine prints from two of its reports. Refuses what can be read in two ways, and
    says which.
    """
    from gateway.instruments.capture import read_bursts
    from gateway.instruments.learn.learning import profile_text
    from gateway.instruments.learn.lines import heard

    if port:
        _record(port, baud, capture)
    wire = {"baud": baud, "bits": 8, "parity": "none", "stop": 1}
    data, gaps = heard(read_bursts(_read(capture), wire))
    may_ask = not yes and not as_json and sys.stdin.isatty()
    learned = _agreed(capture, data, gaps, list(set_ or []), counted or [], may_ask)
    day = datetime.fromtimestamp(clock_from_env().utc_ms() // 1000, UTC).date().isoformat()
    text = profile_text(learned, name, f"capture {capture.name}, {day}", wire)
    _check_file(text, data, learned)
    is_accepted = yes or sys.stdin.isatty()
    if out and is_accepted:
        if out.exists():
            raise UsageError(f"{out}: exists; name another file")
        out.write_text(text, "utf-8")
    _show(learned, text, out if is_accepted else None, as_json)
    if out and not is_accepted:
        print("not written: look at the proposal, then say --yes", file=sys.stderr)
        raise typer.Exit(FINDING)


def _agreed(
    capture: Path,
    data: bytes,
    gaps: list[int],
    corrections: list[str],
    counted: list[str],
    may_ask: bool,
) -> Learned:
    """What was learned, once the person at the terminal has nothing to correct any more."""
    from gateway.instruments.learn.learning import learn as learn_from
    from gateway.instruments.learn.lines import LearnRefusal

    asked: list[str] = []  # those that the person keyed here
    while True:
        try:
            learned = learn_from(data, _replay, gaps, _told(corrections, counted))
        except LearnRefusal as refusal:
            if asked:
                print(f"not so: {refusal}")
                corrections.remove(asked.pop())
                continue
            raise LearnRefusal(refusal.why, f"{capture}: {refusal}") from refusal
        correction = _asked(learned) if may_ask else ""
        if not correction:
            return learned
        corrections.append(correction)
        asked.append(correction)


def _read(path: Path) -> bytes:
    if not path.exists():
        raise UsageError(f"{path}: does not exist; record two reports to it first: --port PORT")
    try:
        return path.read_bytes()
    except PermissionError as error:
        raise PermissionDenied(f"{path}: not readable; give yourself access") from error


def _replay(settings: dict[str, Any], data: bytes) -> list[dict[str, Any]]:
    """What the controller itself would state of these bytes, followed by silence."""
    from firmware.drivers.report_stream import ReportStream

    stream = ReportStream("learned", settings, "USD")
    events: list[dict[str, Any]] = stream.feed(data, 0) + stream.poll(settings["idle_ms"] + 1)
    return events


def _check_file(text: str, data: bytes, learned: Learned) -> None:
    """The profile as the site will load it states the same money once more."""
    from gateway.instruments.profiles import load_profile

    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "learned.toml").write_text(text, "utf-8")
        settings = dict(load_profile("learned.toml", Path(folder)).settings)
    stated = [event["total_minor"] for event in _replay(settings, data) if event["kind"] == "tally"]
    if stated != [total for _, total in learned.reports]:
        raise GatewayError(
            f"the profile states {stated}, learned was {[total for _, total in learned.reports]};"
            " please report this"
        )


# --- the person -----------------------------------------------------------------------------------


def _told(corrections: list[str], counted: list[str]) -> Told:
    from gateway.instruments.learn.read import KNOWN, Told

    roles: list[tuple[str, str]] = []
    columns = ""
    denominations = KNOWN
    for each in corrections:
        key, _, value = each.partition("=")
        if key not in _ROLES or not value:
            raise UsageError(f"--set {each!r}: want KEY=VALUE with one of {', '.join(_ROLES)}")
        if key == "columns":
            columns = value
        elif key == "denominations":
            denominations = tuple(sorted(_whole(part, each) for part in value.split(",")))
        else:
            roles.append((value, "ignored" if key == "ignore" else key))
    rows = tuple(tuple(_row(part, text) for part in text.split(",")) for text in counted)
    return Told(tuple(roles), columns, denominations, rows)


def _row(part: str, text: str) -> tuple[int, int]:
    from gateway.instruments.learn.words import amount_of

    amount, _, pieces = part.strip().partition("x")
    if amount_of(amount) <= 0 or not pieces.isdigit():
        raise UsageError(f"--counted {text!r}: {part!r} is not such as 20.00x5")
    return amount_of(amount), int(pieces)


def _whole(part: str, text: str) -> int:
    if not part.strip().isdigit() or int(part) == 0:
        raise UsageError(f"--set {text!r}: {part!r} is not minor units such as 25")
    return int(part)


def _asked(learned: Learned) -> str:
    """Show the proposal and ask: "" for yes, otherwise a correction."""
    _table(learned)
    while True:
        answer = str(
            typer.prompt(
                "Enter to accept, or LINE ROLE (such as 7 ignore)", default="", show_default=False
            )
        ).split()
        if not answer:
            return ""
        number = int(answer[0]) if answer[0].isdigit() else 0
        if len(answer) == 2 and 1 <= number <= len(learned.lines) and answer[1] in _ROLES[:6]:
            text, literal, _, _ = learned.lines[number - 1]
            return f"{answer[1]}={literal or text}"
        print(f"want a line's number and one of {', '.join(_ROLES[:6])}")


def _table(learned: Learned) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from gateway.reports.whole_table import print_whole

    table = Table(title="Report 1 as it was read")
    for heading in ("", "line", "is", "columns"):
        table.add_column(heading, no_wrap=heading != "columns")
    for number, (text, _, role, columns) in enumerate(learned.lines, 1):
        table.add_row(str(number), Text(text), role, Text(columns))
    console = Console()
    print_whole(table, console)
    for rows, total in learned.reports:
        pieces = ", ".join(f"{count} x {minor}" for minor, count in rows)
        console.print(
            f"{pieces} (cents): total {total}", markup=False, highlight=False, soft_wrap=True
        )


def _show(learned: Learned, text: str, out: Path | None, as_json: bool) -> None:
    if not as_json and not sys.stdin.isatty():
        _table(learned)
    result = {
        "profile": str(out) if out else None, "counts": learned.counts,
        "changed_digits": learned.changes,
        "unseen_digits": learned.unseen, "unknown": learned.unknown, "toml": text,
        "reports": [{"rows": [list(row) for row in rows], "total_minor": total} for rows,
         total in learned.reports],
        "lines": [{"text": line, "is": role, "columns": columns} for line, _, role,
         columns in learned.lines],
    }  # fmt: skip
    tried = (
        f"{learned.changes} changed digits tried, {learned.unseen} of them would go unseen in a"
        " row; the money never changed"
    )
    unknown = "".join(f"\nunknown: {each}" for each in learned.unknown)
    where = f"wrote {out}" if out else text
    tell(
        as_json,
        result,
        f"{where}\n{len(learned.reports)} reports read and replayed on the device's engine;"
        f" {tried}{unknown}",
    )


# --- the wire -------------------------------------------------------------------------------------


def _record(port: str, baud: int, path: Path) -> None:
    """Write what the machine sends as a capture, until it was silent for a while."""
    import serial  # type: ignore[import-untyped]

    from gateway.instruments.capture import Burst

    if path.exists():
        raise UsageError(f"{path}: exists; name a new file to record to")
    try:
        line = serial.Serial(port, baud, timeout=1)
    except (serial.SerialException, ValueError) as error:
        raise Unavailable(
            f"{port}: {error}; look with till boards show which ports there are"
        ) from error
    print(
        f"recording {port} to {path}: print two reports; it ends {_SILENCE_S} s after the last, or"
        " with Ctrl-C",
        file=sys.stderr,
    )
    start = last = time.monotonic()
    heard = False
    with line, path.open("w", encoding="ascii") as file:
        try:
            while not heard or time.monotonic() - last < _SILENCE_S:
                data = line.read(max(1, line.in_waiting))
                if data:
                    heard, last = True, time.monotonic()
                    file.write(f"{Burst(int((last - start) * 1000), data)}\n")
        except KeyboardInterrupt:
            print("recording ended", file=sys.stderr)
