"""What drivers of machines that are asked and take one piece at a time share: what is told once,
how a credit is stated.

A driver adds its frames and its states. A condition that lasts is told when it begins; `back` is
told once when none is left.
"""

from firmware.drivers.base import cut_text
from protocol.compat import const
from protocol.records import FLAG_REPRINT

_DETAIL_BYTES_MAX = const(96)  # records.FIELDS 51 and 52
_RAW_BYTES_MAX = const(512)


class Acceptor:
    """Base of a polled driver. Events gather in `_events`; `feed` and `poll` of the driver return
    `_take()`.
    """

    def __init__(self, instrument: str, settings: dict, currency: str):
        self.instrument = instrument
        self._settings = settings
        self._currency = currency
        self._state = "starting"
        self._out = b""
        self._allowed = True
        self._passive = False
        self._serial = 0
        self._batch = 0  # number of the last tally
        self._counts = {}
        self._lasting = []  # conditions that have been told and are not over
        self._events = []

    def allow(self, is_allowed: bool) -> None:
        """False: take no money, the journal is full."""
        self._allowed = is_allowed

    def take_output(self) -> bytes:
        """The bytes to send now."""
        out, self._out = self._out, b""
        return out

    def faults(self) -> dict:
        """{name: count} of what line and machine did wrong since the start."""
        return dict(self._counts)

    def snapshot(self) -> dict:
        """What health and the monitor show."""
        return {"state": self._state, "serial": str(self._serial), "counter": self._batch}

    def _count(self, name: str) -> None:
        self._counts[name] = self._counts.get(name, 0) + 1

    def _take(self) -> list:
        events, self._events = self._events, []
        return events

    def _tell(self, condition: str, detail: str, pieces: int = 0) -> None:
        """A condition of a moment, such as a discrepancy; `pieces` 0 when nobody knows how many."""
        event: dict = {
            "kind": "instrument",
            "instrument": self.instrument,
            "condition": condition,
            "detail": cut_text(detail, _DETAIL_BYTES_MAX),
        }
        if pieces:
            event["pieces"] = pieces
        self._events.append(event)

    def _begin(self, condition: str, detail: str) -> None:
        """A condition that lasts: told once, until it is mended."""
        if condition not in self._lasting:
            self._lasting.append(condition)
            self._tell(condition, detail)

    def _mend(self, *conditions) -> None:
        """These conditions are over."""
        left = [each for each in self._lasting if each not in conditions]
        if self._lasting and not left:
            self._tell("back", "works again")
        self._lasting = left

    def _tally(self, batch_id: str, denominations: list) -> None:
        """One tally of all these notes or coins; of none: a bookmark, which `resume` gives back and
        nobody counts.
        """
        rows = sorted(
            [(each, denominations.count(each)) for each in set(denominations)], reverse=True
        )
        self._events.append(
            {
                "kind": "tally",
                "instrument": self.instrument,
                "batch_id": batch_id,
                "currency": self._currency,
                "rows": rows,
                "total_minor": sum(denominations),
                "flags": 0 if rows else FLAG_REPRINT,
                "evidence": self._settings["evidence"],
            }
        )

    def _quarantine(self, reason: str, raw: bytes) -> None:
        """Bytes that claim money and cannot be counted."""
        self._events.append(
            {
                "kind": "quarantine",
                "instrument": self.instrument,
                "reason": cut_text(reason, _DETAIL_BYTES_MAX),
                "raw": raw[:_RAW_BYTES_MAX],
                "evidence": self._settings["evidence"],
            }
        )
