"""The cash drawer: raw levels of its status pin become opened and closed, with cause and dwell.
Pure: the port makes the kick.

A cut cable looks like a drawer that never moves. With a normally-closed switch (`open_level` 1 and
a pull-up) it looks open, and the alarm says so. With a normally-open switch it cannot be noticed.
"""

from firmware.drivers.base import ticks_diff
from protocol.compat import const

_DEBOUNCE_MS_MIN = const(20)  # switches of cash drawers bounce for less than this
_DEBOUNCE_MS_MAX = const(50)  # a longer time would miss a drawer that is pushed shut at once
_OPEN_WITHIN_MS = const(1500)  # a commanded drawer that is not open by then is stuck or locked
_DWELL_STEP_MS = const(3600000)  # fold the dwell into a sum before ticks can wrap


class CashDrawer:
    """Config: open_level (default 1), debounce_ms (30), open_alarm_s (0 for none), name (only when
    there is more than one).
    """

    def __init__(self, config: dict):
        self._open_level = config.get("open_level", 1)
        self._debounce_ms = min(
            max(config.get("debounce_ms", 30), _DEBOUNCE_MS_MIN), _DEBOUNCE_MS_MAX
        )
        self._alarm_ms = config.get("open_alarm_s", 0) * 1000
        self._name = config.get("name")
        self._state = ""  # "opened", "closed" or "" before the first steady level
        self._since_ms = 0  # when the state began, or the last fold
        self._dwell_ms = 0  # of the state before _since_ms
        self._seen = ""  # what the last sample said
        self._seen_ms = 0  # since when it says so
        self._commanded_ms = None  # when the kick was sent, while its drawer is not open yet
        self._alarmed = False

    def level(self, level: int, now_ms: int) -> list:
        """Events after one raw sample of the pin; call it as often as the loop turns, or only when
        the level changes.
        """
        seen = "opened" if bool(level) == bool(self._open_level) else "closed"
        events = []
        if seen != self._seen:
            events = self._settle(
                now_ms
            )  # the level before may have been steady long enough before this change
            self._seen = seen
            self._seen_ms = now_ms
        return events + self._settle(now_ms)

    def commanded(self, now_ms: int) -> None:
        """The firmware kicks the drawer now."""
        if self._state != "opened":
            self._commanded_ms = now_ms

    def poll(self, now_ms: int) -> list:
        """Events that come with time: a level that is now steady, a stuck drawer, a drawer that was
        left open.
        """
        events = self._settle(now_ms)
        commanded_ms = (
            None if self._seen == "opened" else self._commanded_ms
        )  # seen open: it is only being debounced
        if commanded_ms is not None and ticks_diff(now_ms, commanded_ms) > _OPEN_WITHIN_MS:
            self._commanded_ms = None
            events.append(self._event("stuck", "commanded", self._age(now_ms)))
        if self._state:
            step = ticks_diff(now_ms, self._since_ms)
            if step > _DWELL_STEP_MS:
                self._dwell_ms += step
                self._since_ms = now_ms
        if (
            self._state == "opened"
            and self._alarm_ms
            and not self._alarmed
            and self._age(now_ms) > self._alarm_ms
        ):
            self._alarmed = True
            events.append(self._event("open_too_long", None, self._age(now_ms)))
        return events

    def _settle(self, now_ms: int) -> list:
        """The event of a level that has been steady for the debounce time; the edge is dated when
        it was first seen.
        """
        if self._seen == self._state or ticks_diff(now_ms, self._seen_ms) < self._debounce_ms:
            return []
        before, self._state = self._state, self._seen
        dwell_ms = self._age(self._seen_ms) if before else 0
        self._since_ms = self._seen_ms
        self._dwell_ms = 0
        self._alarmed = False
        if self._state == "closed":
            return [self._event("closed", None, dwell_ms)] if before else []
        cause = "key_or_manual" if before else "unknown"
        if self._commanded_ms is not None:
            if ticks_diff(self._seen_ms, self._commanded_ms) <= _OPEN_WITHIN_MS:
                cause = "commanded"
            self._commanded_ms = None
        return [self._event("opened", cause, dwell_ms)]

    def _age(self, now_ms: int) -> int:
        return max(0, self._dwell_ms + ticks_diff(now_ms, self._since_ms)) if self._state else 0

    def _event(self, state: str, cause, dwell_ms: int) -> dict:
        event = {"kind": "drawer", "state": state, "dwell_ms": dwell_ms}
        if cause:
            event["cause"] = cause
        if self._name:
            event["instrument"] = self._name
        return event
