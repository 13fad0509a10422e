"""Short ways to write records and postings in tests. Money in cents; time in minutes after the
day's start.
"""

from dataclasses import dataclass, field

from gateway.facts.postings import Posting

DAY = "2026-11-20"
DAY_MS = 1_795_154_400_000  # 2026-11-20T00:00-06:00
MINUTE_MS = 60_000


@dataclass(frozen=True)
class Seen:
    """The shape of gateway.facts.records.SeenRecord that sessions read."""

    device: str
    epoch: int
    seq: int
    kind: str
    occurred_ms: int
    fields: dict = field(default_factory=dict)


class Tape:
    """Records of one window, in order: each call adds one."""

    def __init__(self, device="w1", epoch=1):
        self.device, self.epoch, self.rows, self._batch = device, epoch, [], 0

    def add(self, kind, minute, **fields):
        seq = len(self.rows) + 1
        self.rows.append(
            Seen(
                self.device,
                self.epoch,
                seq,
                kind,
                DAY_MS + int(minute * MINUTE_MS),
                {"kind": kind, **fields},
            )
        )
        return self

    def mark(self, minute, mark, value=None):
        return self.add("mark", minute, mark=mark, **({} if value is None else {"value": value}))

    def tally(self, minute, cents, instrument="bills", flags=0, batch=None, rows=None, **more):
        self._batch += 1
        rows = rows or ([(100, cents // 100)] if cents % 100 == 0 else [(1, cents)])
        fields = {
            "instrument": instrument, "batch_id": batch or str(self._batch), "currency": "USD",
            "rows": rows, "total_minor": cents, "flags": flags, "digest": str(self._batch).encode(),
            **more,
        }  # fmt: skip
        return self.add("tally", minute, **fields)

    def count(self, minute, mark, *cents, value=None):
        self.mark(minute, mark, value)
        for amount in cents:
            self.tally(minute, amount)
        return self.mark(minute, "done")

    def check(self, minute, *cents):
        self.mark(minute, "checks_tape")
        for line, amount in enumerate(cents, 1):
            self.add("tape", minute, line_no=line, amount_minor=amount, symbol="+")
        return self.add("tape", minute, line_no=len(cents) + 1, amount_minor=sum(cents), symbol="*")

    def opening(self, minute, dwell_ms=5_000):
        self.add("drawer", minute, state="opened", cause="commanded")
        return self.add("drawer", minute + dwell_ms / MINUTE_MS, state="closed", dwell_ms=dwell_ms)


def posting(receipt, minute, cents, tender="cash", change=0, line=1, **more):
    values = {
        "receipt_no": receipt, "line_no": line, "posted_ms": DAY_MS + int(minute * MINUTE_MS),
        "business_date": DAY, "window_id": "w1", "session_id": "s1", "cashier_id": "7",
        "tender_id": "T1", "tender_type": tender, "tender_amount_cents": cents + change,
        "change_cents": change, "account_no": f"A-{receipt}", "service": "water",
        "fund": "503-water", "allocation_cents": cents, "status": "posted", "void_of": "",
        "void_by": "", "auth_code": "", "batch_id": "", "source_system": "cis", "source_ref": "",
    }  # fmt: skip
    values.update(more)
    return Posting(**values)
