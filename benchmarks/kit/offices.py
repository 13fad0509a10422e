"""An office whose books are known: sessions of its windows, their postings, and what they sum to.

Every session has a counted float, drawer openings, a checkpoint, a close, a check tape and a card
total; its receipts are paid by cash, check or card, for one to three accounts. Some drawers are
short by a note, some receipts are taken back. The same seed gives the same bytes.
"""

import random
import zoneinfo
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.kit.big_ledgers import BATCH, ZONE, SetClock, business_days, new_site, take
from benchmarks.kit.boards import EPOCH, RECORDS_PER_MESSAGE, SITE, Message
from gateway import config
from gateway.business_day import day_bounds
from gateway.delivery.ingest import Ingest
from gateway.devices.keys import DeviceKey, KeyStore
from gateway.facts.postings import COLUMNS, UTILITIES
from gateway.store.ledger import Ledger
from protocol import messages, packing, records, topics

SESSION_POSTINGS = 200
WINDOWS = 50
SOURCE = "bench-cis"
FLOAT_CENTS = 20_000
OPENS_MS, OPEN_MS = 8 * 3_600_000, 7 * 3_600_000  # all is posted before the cut-off
TENDERS = ("cash",) * 12 + ("check",) * 5 + ("card",) * 3
ALLOCATIONS = (1, 1, 2, 2, 3)
VOID_PERCENT, SHORT_PERCENT = 1, 3
NOTE_CENTS = 2_000
_MADE_MS = 200
_ROWS = COLUMNS.index("allocation_cents")

Sums = Counter[tuple[str, str, str]]  # {(window, tender type, fund): cents}


class Size(NamedTuple):
    """How many sessions of how many postings; a session is a window's on a business day."""

    sessions: int
    postings: int = SESSION_POSTINGS
    windows: int = WINDOWS

    @property
    def days(self) -> list[date]:
        """Business days, in order."""
        return business_days(-(-self.sessions // self.windows))

    @property
    def rows(self) -> int:
        """Postings in all."""
        return len(self.days) * self.windows * self.postings


class Leg(NamedTuple):
    """One receipt with its one tender. `parts`: (account, service, cents)."""

    number: str
    at_ms: int
    tender: str
    paid_cents: int
    change_cents: int
    parts: tuple[tuple[str, str, int], ...]
    takes_back: str = ""


class Session(NamedTuple):
    """What one window does on one day."""

    window: str
    cashier: int
    date: date
    begin_ms: int
    legs: list[Leg]
    short_cents: int


def sessions_of(seed: int, size: Size, day: date, number: int) -> Iterator[Session]:
    """The sessions of the office on its number-th day."""
    begin_ms = day_bounds(day.isoformat(), zone())[0] + OPENS_MS
    for window in range(1, size.windows + 1):
        rng = random.Random(f"{seed}/{number}/{window}")
        short_cents = NOTE_CENTS if rng.randrange(100) < SHORT_PERCENT else 0
        legs = list(_legs(rng, size.postings, f"{window:02d}{number:04d}", begin_ms))
        yield Session(f"w{window}", 4000 + window, day, begin_ms, legs, short_cents)


def zone() -> zoneinfo.ZoneInfo:
    """The office's."""
    return zoneinfo.ZoneInfo(ZONE)


def _legs(rng: random.Random, rows: int, prefix: str, begin_ms: int) -> Iterator[Leg]:
    """Receipts with so many rows together, evenly over the day."""
    left, count = rows, 0
    last: Leg | None = None
    while left:
        count += 1
        many = min(left, rng.choice(ALLOCATIONS))
        at_ms = begin_ms + 600_000 + (rows - left) * (OPEN_MS - 1_200_000) // rows
        at_ms += rng.randrange(30_000)
        number = f"R{prefix}{count:04d}"
        if last is not None and len(last.parts) == many and rng.randrange(100) < VOID_PERCENT:
            yield last._replace(number=number, at_ms=at_ms, takes_back=last.number)
            last = None
        else:
            parts = tuple(
                (f"{rng.randrange(10**8):08d}", rng.choice(UTILITIES), rng.randrange(500, 30_000))
                for _ in range(many)
            )
            due, tender = sum(cents for _, _, cents in parts), rng.choice(TENDERS)
            paid = -(-due // NOTE_CENTS) * NOTE_CENTS if tender == "cash" else due
            last = Leg(number, at_ms, tender, paid, paid - due, parts)
            yield last
        left -= many


# --- posted.csv -----------------------------------------------------------------------------------


def write_posted(path: Path, seed: int, size: Size) -> Sums:
    """One export of all days; what its rows sum to, with what is taken back taken off."""
    sums: Sums = Counter()
    count = tendered = change = allocated = 0
    with path.open("w", newline="") as file:
        file.write(",".join(COLUMNS) + "\n")
        for number, day in enumerate(size.days, 1):
            for session in sessions_of(seed, size, day, number):
                for row in rows_of(session):
                    file.write(",".join(map(str, row)) + "\n")
                    sign = -1 if row[15] == "reversed" else 1
                    sums[row[4], row[8], row[13]] += sign * row[_ROWS]
                    count += 1
                    tendered, change = tendered + row[9], change + row[10]
                    allocated += row[_ROWS]
        file.write(
            f"#control,rows={count},tender_cents={tendered},change_cents={change},"
            f"allocation_cents={allocated}\n"
        )
    return sums


def rows_of(session: Session) -> Iterator[tuple[Any, ...]]:
    """The rows of posted.csv."""
    day = session.date.isoformat()
    for leg in session.legs:
        at = datetime.fromtimestamp(leg.at_ms // 1000, UTC).astimezone(zone()).isoformat()
        status = "reversed" if leg.takes_back else "posted"
        for line, (account, service, cents) in enumerate(leg.parts, 1):
            yield (
                leg.number, line, at, day, session.window, f"{session.window}-{day}",
                session.cashier, "1", leg.tender, leg.paid_cents, leg.change_cents, account,
                service, service, cents, status, leg.takes_back,
                "9001" if leg.takes_back else "", "", "", SOURCE, "",
            )  # fmt: skip


# --- the ledger -----------------------------------------------------------------------------------


def build(folder: Path, seed: int, size: Size) -> config.Site:
    """A site whose ledger has the records of all sessions, through Ingest."""
    site, clock = new_site(folder, size.windows), SetClock()
    keys = KeyStore(site.keys)
    boards = {window: _Board(keys.current(window)) for window in site.config.windows}
    with Ledger(site.ledger) as ledger:
        ingest = Ingest(ledger, keys, clock, SITE)
        for number, day in enumerate(size.days, 1):
            said = [
                message
                for session in sessions_of(seed, size, day, number)
                for message in boards[session.window].say(number, session)
            ]
            for at in range(0, len(said), BATCH):
                take(ingest, clock, said[at : at + BATCH])
        assert not any(stats.rejected for stats in ledger.stats()), "all of it was taken"
    return site


class _Board:
    """The board of one window."""

    def __init__(self, key: DeviceKey) -> None:
        self._key = key
        self._topic = str(topics.topic(SITE, key.device, "ev"))
        self._seq = 0
        self._before = bytes(messages.FINGERPRINT_BYTES)

    def say(self, boot: int, session: Session) -> Iterator[Message]:
        """Its messages of a session."""
        raws = [
            (at_ms, records.encode_record({
                **fields, "boot": boot, "uptime_ms": at_ms - session.begin_ms + 60_000,
                "utc_ms": at_ms,
            }))
            for at_ms, fields in _stated(session)
        ]  # fmt: skip
        for at in range(0, len(raws), RECORDS_PER_MESSAGE):
            some = raws[at : at + RECORDS_PER_MESSAGE]
            sent_ms = some[-1][0] + _MADE_MS
            packed = packing.pack(
                EPOCH, boot, sent_ms - session.begin_ms + 60_000, self._seq + 1,
                [raw for _, raw in some], self._before,
            )  # fmt: skip
            self._seq += len(some)
            self._before = messages.fingerprint_of(some[-1][1])
            sealed = packing.seal_packed(self._key.secret, self._key.number, self._topic, packed)
            yield Message(self._topic, bytes(sealed), len(some), sent_ms)


def _stated(session: Session) -> Iterator[tuple[int, dict[str, Any]]]:
    """(Unix milliseconds, fields) of each record of a session."""
    begin_ms = session.begin_ms
    yield begin_ms, _mark("sign_on", session.cashier)
    yield from _counted(begin_ms + 10_000, "opening_float", FLOAT_CENTS, FLOAT_CENTS)
    middle_ms, end_ms = begin_ms + OPEN_MS // 2, begin_ms + OPEN_MS
    cash, is_counted = FLOAT_CENTS, False
    for leg in session.legs:
        if leg.at_ms >= middle_ms and not is_counted:
            is_counted = True
            yield from _counted(middle_ms - 15_000, "checkpoint", cash)
        if leg.tender == "cash":
            cash += _signed(leg, leg.paid_cents - leg.change_cents)
            opened = {"state": "opened", "instrument": "drawer", "cause": "commanded"}
            yield leg.at_ms - 4_000, {"kind": "drawer", **opened}
            closed = {"state": "closed", "instrument": "drawer", "dwell_ms": 3_000}
            yield leg.at_ms - 1_000, {"kind": "drawer", **closed}
    yield from _counted(end_ms, "close", cash - session.short_cents)
    yield end_ms + 60_000, _mark("checks_tape")
    checks = [_signed(leg, leg.paid_cents) for leg in session.legs if leg.tender == "check"]
    for line, cents in enumerate([*checks, sum(checks)], 1):
        symbol = "*" if line > len(checks) else "+" if cents > 0 else "-"
        yield end_ms + 60_000 + line * 500, {
            "kind": "tape", "line_no": line, "amount_minor": cents, "symbol": symbol
        }  # fmt: skip
    cards = sum(_signed(leg, leg.paid_cents) for leg in session.legs if leg.tender == "card")
    yield end_ms + 200_000, _mark("card_total", max(0, cards))


def _signed(leg: Leg, cents: int) -> int:
    return -cents if leg.takes_back else cents


def _mark(name: str, value: int | None = None) -> dict[str, Any]:
    return {"kind": "mark", "mark": name} | ({} if value is None else {"value": value})


def _counted(
    at_ms: int, mark: str, cents: int, declared_cents: int | None = None
) -> Iterator[tuple[int, dict[str, Any]]]:
    """A count of the whole drawer: bills and coins."""
    yield at_ms, _mark(mark, declared_cents)
    dollars, rest = divmod(cents, 100)
    for step, (instrument, rows) in enumerate(
        (("bills", [(2000, dollars // 20), (100, dollars % 20)]), ("coins", [(1, rest)])), 1
    ):
        rows = [(denomination, pieces) for denomination, pieces in rows if pieces]
        if rows:
            yield at_ms + step * 2_000, {
                "kind": "tally", "instrument": instrument, "batch_id": f"{at_ms % 10**7}",
                "currency": "USD", "rows": rows, "evidence": "manual",
                "total_minor": sum(value * pieces for value, pieces in rows),
                "digest": (at_ms + step).to_bytes(8, "big"),
            }  # fmt: skip
    yield at_ms + 8_000, _mark("done")
