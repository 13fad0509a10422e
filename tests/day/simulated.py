"""A synthetic day as a board and the cashiering system would state it: records of a window, and
postings.
"""

import datetime

from gateway.facts.postings import COLUMNS, Posting
from simulators.office.counting import MARK_NAMES
from simulators.office.day import OfficeDay
from simulators.office.posted import PostedRow
from tests.office.rows import Seen


def records_of(day: OfficeDay, window: str) -> list[Seen]:
    """The records that a board would state for the plan of a window, in order."""
    rows: list[Seen] = []
    tape: list[int] = []
    for action in day.actions_of(window):
        for at_ms, fields in _stated(action, tape, len(rows)):
            rows.append(Seen(window, 1, len(rows) + 1, fields["kind"], at_ms, fields))
    return rows


def _stated(action, tape, number):
    kind, at_ms = action["action"], action["at_ms"]
    if kind == "mark":
        value = {} if action.get("value") is None else {"value": action["value"]}
        yield at_ms, {"kind": "mark", "mark": MARK_NAMES[action["code"]], **value}
    elif kind in ("count_bills", "count_coins"):
        pieces = [tuple(row) for row in action["rows"]]
        total = sum(denomination * count for denomination, count in pieces)
        batch = {"batch_id": str(number), "digest": number.to_bytes(8, "big")}
        instrument = kind.removeprefix("count_")
        yield at_ms, {
            "kind": "tally", "instrument": instrument, "currency": "USD", "rows": pieces,
            "total_minor": total, **batch,
        }  # fmt: skip
    elif kind in ("tape_check", "tape_total"):
        symbol = "+" if kind == "tape_check" else "*"
        cents = action["amount_cents"] if symbol == "+" else sum(tape)
        tape.append(cents)
        yield at_ms, {
            "kind": "tape", "line_no": len(tape), "amount_minor": cents, "symbol": symbol
        }  # fmt: skip
        if symbol == "*":
            tape.clear()
    elif kind == "open_drawer":
        dwell_ms = action["dwell_ms"]
        yield at_ms, {"kind": "drawer", "state": "opened", "cause": "commanded"}
        yield at_ms + dwell_ms, {"kind": "drawer", "state": "closed", "dwell_ms": dwell_ms}


def posting_of(row: PostedRow) -> Posting:
    """The posting of one exported row."""
    posted_ms = int(datetime.datetime.fromisoformat(row.posted_at).timestamp()) * 1_000
    values = {name: getattr(row, name) for name in COLUMNS if name != "posted_at"}
    return Posting(posted_ms=posted_ms, **values)
