"""A grammar learned from a capture: two printed reports or more, read by what adds up, proved on
the device's own engine.

Nothing is guessed. Two readings that both add up are a refusal that names them; a technician may
say which. What was learned is replayed: every row and total must come out as read, and no changed
digit may change the money unseen. The engine is given.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from gateway.errors import ConfigError
from gateway.instruments.grammar import compile_line
from gateway.instruments.learn.lines import LearnRefusal, Line, divisions, lines_of
from gateway.instruments.learn.outline import counts_of, shape_of, table_of
from gateway.instruments.learn.read import Reading, Rows, Told, readings
from gateway.instruments.learn.shape import Shape
from gateway.instruments.learn.words import Parsed, parse_line

SEPARATORS = ("", ",", ";")
Replay = Callable[
    [dict[str, Any], bytes], list[dict[str, Any]]
]  # (settings, bytes) -> events; silence follows the bytes
_CHECKED = ("row", "total", "subtotal", "pieces_total", "fee", "customer_total")


@dataclass(frozen=True)
class Learned:
    """A grammar that reads its capture. `reports`: (rows, total) of each; `lines`: (text, literal,
    role, columns) of one.
    """

    table: dict[str, Any]
    reports: list[tuple[Rows, int]]
    lines: list[tuple[str, str, str, str]]
    unknown: list[str]
    changes: int  # how many changed digits were tried
    unseen: int  # how many of them changed rows and not the total, unseen

    @property
    def counts(self) -> str:
        return counts_of(self.table)


def learn(
    data: bytes,
    replay: Replay,
    gaps: Iterable[int] = (),
    told: Told | None = None,
    changes_max: int | None = None,
) -> Learned:
    """The one grammar that reads these reports; LearnRefusal with the reason when there is none or
    more than one.

    `gaps`: offsets before which the wire was silent. `changes_max`: try no more changed digits than
    this, evenly spread.
    """
    told = told or Told()
    lines = lines_of(data, gaps)
    if not lines:
        raise LearnRefusal(
            "empty", "the capture holds no printed line; check cable and speed, and record again"
        )
    first: LearnRefusal | None = None
    for reports in divisions(lines):
        for separator in SEPARATORS:
            try:
                return _learn(data, reports, separator, replay, told, changes_max)
            except LearnRefusal as refusal:
                if first is None or (first.why == "adds up" and refusal.why != "adds up"):
                    first = refusal
    raise first or LearnRefusal(
        "one report",
        "the capture holds no two reports of the same form; print a second one and record both",
    )


def _learn(
    data: bytes,
    pages: list[list[Line]],
    separator: str,
    replay: Replay,
    told: Told,
    changes_max: int | None,
) -> Learned:
    reports = [
        [parse_line(line, number, index, separator) for index, line in enumerate(page)]
        for number, page in enumerate(pages)
    ]
    shape = shape_of(reports, _only_reading(reports, told), told, separator)
    table = table_of(shape)
    try:
        settings = settings_of(table)
    except ConfigError as error:
        raise LearnRefusal("grammar", f"no grammar can say this layout: {error}") from error
    _prove(data, shape, settings, replay)
    changes, unseen = _change_digits(data, shape, settings, replay, changes_max)
    unknown = list(dict.fromkeys(shape.unknown))
    if unseen:
        unknown.append(
            f"{unseen} of {changes} changed digits would leave the total right and a denomination"
            " wrong"
        )
    roles = [
        (line.line.text, line.literal, *shape.roles[0].get(line.index, ("ignored", "")))
        for line in reports[0]
    ]
    return Learned(
        table,
        list(zip(shape.reading.rows, shape.reading.sums, strict=True)),
        roles,
        unknown,
        changes,
        unseen,
    )


def settings_of(table: dict[str, Any]) -> dict[str, Any]:
    """What the driver is made with, by way of the text that a profile will be."""
    return {**compile_line(tomllib.loads(grammar_text(table))["grammar"]), "evidence": "capture"}


def _only_reading(reports: list[list[Parsed]], told: Told) -> Reading:
    """The reading that adds up, when there is exactly one."""
    found = readings(reports, told)
    if not found:
        if any(word.kind == "k" for report in reports for line in report for word in line.words):
            raise LearnRefusal(
                "decimal comma",
                "amounts are printed with a decimal comma, which no driver here reads",
            )
        raise LearnRefusal(
            "adds up",
            "no reading of rows and total adds up in every report; is a line missing or spoiled?",
        )
    if len(found) > 1:
        texts = sorted({_as_text(one) for one in found})
        raise LearnRefusal(
            "ambiguous",
            f"{len(found)} readings add up: {'; or '.join(texts[:3])}; say which: --set"
            " columns='...', or record more",
        )
    return found[0]


def _as_text(reading: Reading) -> str:
    kinds = [
        f"{kind.lead + ' ' if kind.lead else ''}{' '.join(kind.block)} as {columns.words()}"
        for kind, columns in reading.kinds.items()
    ]
    return (
        f"{' and '.join(kinds)} (total {', '.join(str(total) for total in reading.sums[:3])} cents)"
    )


# --- proof on the device's engine -----------------------------------------------------------------


def _span(shape: Shape, number: int, data: bytes) -> tuple[int, int]:
    """Where the bytes of a report begin and end."""
    starts = [report[0].line.at[0] for report in shape.reports] + [len(data)]
    return (0 if number == 0 else starts[number]), starts[number + 1]


def _prove(data: bytes, shape: Shape, settings: dict[str, Any], replay: Replay) -> None:
    """Each report alone, then all in one stream: rows and totals must come out as they were
    read.
    """
    wanted = [
        (sorted(rows, reverse=True), total)
        for rows, total in zip(shape.reading.rows, shape.reading.sums, strict=True)
    ]
    for number, want in enumerate(wanted):
        start, end = _span(shape, number, data)
        _compare([want], replay(settings, data[start:end]), f"report {number + 1}")
    _compare(wanted, replay(settings, data), "the whole capture")


def _compare(
    wanted: list[tuple[list[tuple[int, int]], int]], events: list[dict[str, Any]], what: str
) -> None:
    stated = [
        ([tuple(row) for row in event["rows"]], event["total_minor"])
        for event in events
        if event["kind"] == "tally"
    ]
    if stated != wanted:
        reasons = [event["reason"] for event in events if event["kind"] == "quarantine"]
        raise LearnRefusal(
            "replay", f"{what}: the device does not read it so: {reasons[0] if reasons else stated}"
        )


def _change_digits(
    data: bytes, shape: Shape, settings: dict[str, Any], replay: Replay, changes_max: int | None
) -> tuple[int, int]:
    """(changed digits tried, those that changed rows unseen); LearnRefusal when one would change
    the total.
    """
    places = [
        (line.report, line.line.at[at], ord(line.line.text[at]))
        for report in shape.reports[:2] for line in report
        if shape.roles[line.report].get(line.index, ("",))[0] in _CHECKED
        for at in range(len(line.literal), len(line.line.text)) if line.line.text[at].isdigit()
    ]  # fmt: skip
    tries = [
        (number, at, digit) for number, at, old in places for digit in b"0123456789" if digit != old
    ]
    step = 1 if changes_max is None else max(1, -(-len(tries) // changes_max))
    unseen = 0
    for number, at, digit in tries[::step]:
        start, end = _span(shape, number, data)
        events = replay(settings, data[start:at] + bytes((digit,)) + data[at + 1 : end])
        stated = [event for event in events if event["kind"] == "tally"]
        if not stated and any(event["kind"] == "quarantine" for event in events):
            continue
        if [shape.reading.sums[number]] != [event["total_minor"] for event in stated]:
            line = next(line for line in shape.reports[number] if at in line.line.at)
            raise LearnRefusal(
                "changed digit",
                f"line {line.line.text!r}: a changed digit would change the money unseen",
            )
        unseen += [tuple(row) for row in stated[0]["rows"]] != sorted(
            shape.reading.rows[number], reverse=True
        )
    return len(tries[::step]), unseen


# --- the profile ----------------------------------------------------------------------------------


def profile_text(learned: Learned, title: str, source: str, wire: dict[str, Any]) -> str:
    """The profile as a TOML file."""
    unknown = "; ".join(learned.unknown) or "lines that the capture did not hold"
    head = {"title": title, "driver": "report_stream", "counts": learned.counts,
     "evidence": "capture", "source": source,
            "unknown": unknown}  # fmt: skip
    tables = [_pairs(head), "[wire]\n" + _pairs(wire), grammar_text(learned.table)]
    return "\n".join(tables)


def grammar_text(table: dict[str, Any]) -> str:
    """[grammar] and its lines as TOML."""
    plain = {key: value for key, value in table.items() if key != "line"}
    lines = "".join("\n[[grammar.line]]\n" + _pairs(line) for line in table["line"])
    return "[grammar]\n" + _pairs(plain) + lines


def _pairs(table: dict[str, Any]) -> str:
    return "".join(f"{key} = {_value(value)}\n" for key, value in table.items())


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return "[" + ", ".join(_value(item) for item in value) + "]"
    if isinstance(value, str):
        return json.dumps(value)
    return str(value)
