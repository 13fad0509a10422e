"""The count under way on a machine that sends frames: how it is stated, and what is told of it."""

from firmware.drivers.base import Driver, cut_text
from protocol.compat import const

_REASON_BYTES_MAX = const(96)  # records.FIELDS 52, also of a detail (51)


class FrameCount(Driver):
    """Base of FrameStream, which reads the frames."""

    def __init__(self, instrument: str, settings: dict, currency: str):
        self.instrument = instrument
        self._grammar = settings
        self._currency = currency
        self._batch = None  # the count under way, a FrameBatch
        self._number = 0  # of the last tally
        self._told = ""  # condition that has begun and not ended

    def resume(self, batch_id: str) -> None:
        """Go on with the numbers of batches after this one."""
        if batch_id[:1] == "n" and batch_id[1:].isdigit():
            self._number = int(batch_id[1:])

    def _close(self, events: list) -> None:
        """The count under way is over."""
        self._state_count(self._batch, events)
        self._batch = None

    def _state_count(self, batch, events: list) -> None:
        """A tally of it, or a quarantine; nothing for one without money."""
        event = {
            "kind": "tally",
            "instrument": self.instrument,
            "evidence": self._grammar["evidence"],
        }
        if batch.reason:
            event["kind"] = "quarantine"
            event["reason"] = cut_text(batch.reason, _REASON_BYTES_MAX)
            event["raw"] = batch.raw()
        elif batch.pieces:
            self._number += 1
            event["batch_id"] = "n%d" % self._number
            event["currency"] = self._currency
            event["rows"] = sorted(batch.rows.items(), reverse=True)
            event["total_minor"] = batch.value
            event["flags"] = 0
        else:
            return
        events.append(event)

    def _tell(self, condition: str, detail: str, events: list) -> None:
        """A condition that lasts is told when it begins."""
        if condition != self._told:
            self._told = condition
            self._note(condition, detail, events)

    def _note(self, condition: str, detail: str, events: list) -> None:
        detail = cut_text(detail, _REASON_BYTES_MAX)
        events.append(
            {
                "kind": "instrument",
                "instrument": self.instrument,
                "condition": condition,
                "detail": detail,
            }
        )
