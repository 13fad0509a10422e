"""The controller: makes records of what the drivers saw, and beeps when a record is on flash. Pure,
except for its journal.

`take` stamps the drivers' events with boot, uptime and the UTC estimate, in the order in which they
happened; `commit` writes them. The beep of a count promises that the count is on flash. So only
`commit` returns it, after `Journal.append`.
"""

from firmware.drivers.base import format_minor
from firmware.journal import JournalError, JournalFull
from protocol import records
from protocol.compat import ProtocolError, const

# read in less time than the watchdog allows; an older count is a discrepancy, not a guess
_RESUME_RECORDS = const(256)


class Controller:
    """Events in, (beep, text) out.

    limit  how many stamped records may wait for a quiet moment of the instruments (budget
           `pending_records`)
    """

    def __init__(self, journal, limit: int):
        self._journal = journal
        self._limit = limit
        self._pending = []
        # records that the journal had no room for, or that came faster than flash; told once there
        # is room
        self.refused = 0
        self.unwritten = []  # instruments with an event among those

    @property
    def waiting(self) -> int:
        return len(self._pending)

    def take(self, events: list, uptime_ms: int, utc_ms: int) -> list:
        """Stamp events for the next `commit`; a list of (beep, text) for those that found no room
        to wait.
        """
        signals = []
        for event in events:
            event["boot"] = self._journal.boot
            event["uptime_ms"] = uptime_ms
            if utc_ms:
                event["utc_ms"] = utc_ms
            if len(self._pending) >= self._limit:
                signals.append(self._refuse(event, "full", "busy: count again"))
            else:
                self._pending.append(event)
        return signals

    def commit(self) -> list:
        """Write all waiting records; a list of (beep or "", text or "") in order, one for each
        record that is now on flash.

        A full journal refuses a record: no "ok" beep, and the refusal itself becomes a record as
        soon as there is room.
        """
        signals = []
        pending = self._pending
        self._pending = []
        for event in pending:
            try:
                self._journal.append(records.encode_record(event))
            except JournalFull:
                signals.append(self._refuse(event, "full", "journal full: count again later"))
            except JournalError as error:
                signals.append(self._refuse(event, "error", str(error)))
            except ProtocolError as error:
                # an event of ours that breaks the wire dictionary: a programming error, shown
                # without words of its own on a staged device: gateway/fleet/stage.py
                text = str(error) or event.get("instrument", event["kind"]) + ": not recorded"
                signals.append(("error", text))
            else:
                signals.append((beep_of(event), text_of(event)))
        return signals

    def _refuse(self, event: dict, beep: str, text: str) -> tuple:
        self.refused += 1
        name = event.get("instrument")
        if name and name not in self.unwritten:
            self.unwritten.append(name)
        return beep, text

    def forget(self, names: list) -> bool:
        """Whether an event of these instruments was refused since the last call."""
        before = len(self.unwritten)
        self.unwritten = [each for each in self.unwritten if each not in names]
        return len(self.unwritten) < before

    def refusals(self) -> list:
        """The event that says how many records were refused, once the journal has room again."""
        if not self.refused or not self._journal.room():
            return []
        count, self.refused = self.refused, 0
        return [
            {
                "kind": "instrument",
                "instrument": "journal",
                "condition": "full",
                "detail": "%d records were refused" % count,
            }
        ]

    def last_batch(self, instrument: str) -> str:
        """batch_id of this instrument's newest tally among the last records on flash, "" for none.
        Its driver goes on from there.
        """
        seq = self._journal.last_seq
        for _ in range(_RESUME_RECORDS):
            raw = self._journal.read(seq) if seq else None
            if raw is None:
                return ""
            if instrument.encode() in raw:
                record = records.decode_record(raw)
                if record["kind"] == "tally" and record["instrument"] == instrument:
                    return record["batch_id"]
            seq -= 1
        return ""

    def last_count(self) -> str:
        """The newest tally on flash, in words: after a power cut the cashier sees whether the count
        was kept.
        """
        seq = self._journal.last_seq
        for _ in range(
            32
        ):  # nobody remembers a count that is further back than the tape lines of one drawer
            raw = self._journal.read(seq) if seq else None
            if raw is None:
                return ""
            record = records.decode_record(raw)
            if record["kind"] == "tally" and record["rows"]:
                return "last " + text_of(record)
            seq -= 1
        return ""


def boot_event(board, reset_cause: str, version: str, journal, nonce: bytes) -> dict:
    """The first record of every boot: why the device started, what it is, how its wires are known,
    what its journal holds.

    nonce  4 random bytes, so that a board and its copy make different boot records: otherwise the
           next records of one would fit after those of the other
    """
    return {
        "kind": "boot",
        "reset_cause": reset_cause,
        "firmware": version,
        "board": board.NAME,
        "board_hash": board.HASH,
        "lowest_kept": journal.lowest_kept,
        "acked": journal.acked,
        "sectors": journal.sectors,
        "start_nonce": nonce,
        "instruments": [
            "%s=%s/%s:%s"
            % (each["name"], each["driver"], each["profile"], each["settings"]["evidence"])
            for each in board.INSTRUMENTS
        ],
    }


def beep_of(event: dict) -> str:
    """The beep that tells the cashier that this record is on flash; "" for a record that nobody
    waits for.
    """
    kind = event["kind"]
    if kind == "tally":
        if not event["rows"]:
            return ""  # a driver's own bookmark: where its machine's counter was
        return "warn" if event.get("flags", 0) & records.FLAG_REPRINT else "ok"
    if kind == "mark":
        return "ok"
    if kind == "quarantine":
        return "error"
    if kind == "instrument" or event.get("state") in ("stuck", "open_too_long"):
        return "warn"
    if kind == "boot":
        return "start"
    return ""


def text_of(event: dict) -> str:
    """The line on the pad's display for this record; "" for none."""
    kind = event["kind"]
    if kind == "tally":
        if not event["rows"]:
            return ""
        text = " ".join(
            (event["instrument"], event["batch_id"], format_minor(event["total_minor"]))
        )
        return text + (
            " reprint, not counted" if event.get("flags", 0) & records.FLAG_REPRINT else ""
        )
    if kind == "mark":
        return " ".join((event["mark"], str(event.get("value", "")))).strip()
    if kind == "quarantine":
        return event["reason"]
    if kind == "instrument":
        return " ".join((event["instrument"], event["condition"]))
    return ""
