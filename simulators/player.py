"""A cashier at a window: plays the window's plan on its machines, and does what a person does when
no beep comes.

If the cashier hears no beep, he looks at the pad's display after the power is back: the board shows
the last count on its flash. If it shows this count, the count is done. If not, he puts the money
through the machine once more.
"""

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from simulators.office_clock import OfficeClock
from simulators.window import Window

WITH_CUSTOMER = (
    "payment",
    "open_drawer",
)  # these happen when they are planned; counting and keying when the cashier is free
DRAWER_SLACK_MS = 20_000  # the office's time may go on so far until the opening is recorded
SEEN_MS = 55  # real milliseconds until it is: bounce, debounce, and the board's loop
AROUND_CUSTOMER_MS = (
    60_000  # no count is so near to a receipt that the demo's delays could change their order
)
CLOSING_MS = 3_600_000
SHUT_MS = 60  # real milliseconds that it stays shut at least, for the same reason
DWELL_MS = 80  # real milliseconds that the drawer stands open: twice its debounce
TRIES_MAX = 4
WAIT_S = 8
PRINT_WAIT_MS = 1000


class PlayError(Exception):
    """The window's hardware did not do what a cashier would wait for."""


class Player:
    """Plays one window's actions in order. While it is busy, it stops the office's clock."""

    def __init__(
        self,
        window: Window,
        actions: Sequence[Mapping[str, Any]],
        clock: OfficeClock,
        say: Callable[[str, str], None],
    ) -> None:
        self.window = window
        self.actions = actions
        self._clock = clock
        self._say = say
        self.done = 0
        self._lines_seen = 0
        self._limit_ms = 0
        self.before: dict[
            int, Callable[[], None]
        ] = {}  # index of an action: what happens as it begins (a fault)

    async def play(self) -> None:
        """From the first action of the day to the last; the clock is released however it ends."""
        name = self.window.name
        try:
            for index, action in enumerate(self.actions):
                self._limit_ms = self._next_customer_ms(index + 1) - AROUND_CUSTOMER_MS
                await self._clock.wait_until(name, self._earliest_ms(index))
                self._clock.hold(name, self._limit_ms)
                fault = self.before.pop(index, None)
                if fault is not None:
                    fault()
                await self._act(action)
                self.done += 1
        finally:
            self._clock.release(name)

    def _earliest_ms(self, index: int) -> int:
        """A customer is served when he comes. Counting and keying begin when the cashier is free,
        but not before they are planned.
        """
        action = self.actions[index]
        if action["action"] in WITH_CUSTOMER:
            return int(action["at_ms"])
        before = [done["at_ms"] for done in self.actions[:index] if done["action"] in WITH_CUSTOMER]
        return int(
            min(
                action["at_ms"],
                before[-1] + AROUND_CUSTOMER_MS if before else self.actions[0]["at_ms"],
            )
        )

    def _next_customer_ms(self, index: int) -> int:
        """When the next customer comes: until then this window may be busy, and the office's clock
        may go on.
        """
        later = [
            action["at_ms"] for action in self.actions[index:] if action["action"] in WITH_CUSTOMER
        ]
        return int(later[0] if later else self.actions[-1]["at_ms"] + CLOSING_MS)

    async def _act(self, action: Mapping[str, Any]) -> None:
        kind = action["action"]
        window = self.window
        if kind == "payment":
            self._say(
                window.name, f"payment, {action['tender']} {action['amount_cents'] / 100:.2f}"
            )
            return
        await self._powered()
        if kind == "open_drawer":
            self._clock.hold(window.name, action["at_ms"] + DRAWER_SLACK_MS)
            seen = asyncio.get_running_loop().call_later(
                SEEN_MS / 1000, self._clock.hold, window.name, self._limit_ms
            )
            try:
                await window.open_drawer(DWELL_MS)
                await asyncio.sleep(SHUT_MS / 1000)
            finally:
                seen.cancel()
        elif kind in ("count_bills", "count_coins"):
            self._say(window.name, f"counts {kind[6:]}")
            await self._count(kind[6:], action["rows"])
        elif kind == "mark":
            self._say(window.name, f"keys mark {action['code']}")
            await self._until_beep(action["code"], action.get("value"))
        elif kind == "tape_check":
            self._say(window.name, "keys the check tape")
            await self._until_printed(lambda: window.tape_check(action["amount_cents"]))
        elif kind == "tape_total":
            await self._until_printed(window.tape_total)
        else:
            raise PlayError(f"{window.name}: no such action {kind!r}")

    async def _powered(self) -> None:
        if not await self.window.wait_power(WAIT_S):
            raise PlayError(f"{self.window.name}: no power for {WAIT_S} s")

    async def _count(self, instrument: str, rows: list[tuple[int, int]]) -> None:
        attempts = await self.window.recount_until_beep(
            instrument, rows, TRIES_MAX, WAIT_S, lambda: self._is_on_display(instrument)
        )
        if attempts[-1].beep != "ok" and not self._is_on_display(instrument):
            raise PlayError(
                f"{self.window.name}: {instrument} counted {len(attempts)} times and no beep; see"
                " its console"
            )

    def _is_on_display(self, instrument: str) -> bool:
        """The board shows, after a start, the batch that the machine last printed."""
        counts = [
            done
            for done in self.window.log
            if done.action == "count_" + instrument and "reports" in done.detail
        ]
        shown = [line.split() for line in self.window.display if line.startswith("last ")]
        if not counts or not shown or shown[-1][1] != instrument:
            return False
        batch = counts[-1].detail["reports"][-1][1]
        return batch in [int(number) for number in re.findall(r"\d+", shown[-1][2])]

    async def _until_beep(self, code: int | str, value: int | None) -> None:
        for _ in range(TRIES_MAX):
            await self.window.mark(code, value)
            if await self.window.wait_beep(WAIT_S) == "ok":
                return
            await self._powered()
            # twice, so that a second try begins from nothing: the first C ends a mark, the other
            # forgets digits that the adding machine took because the mark had ended without them
            await self.window.key(["C", "C"])
        raise PlayError(
            f"{self.window.name}: mark {code} was keyed {TRIES_MAX} times and no beep; see its"
            " console"
        )

    async def _until_printed(self, press: Callable[[], Awaitable[Any]]) -> None:
        """A tape line that was not printed is keyed again."""
        for _ in range(TRIES_MAX):
            lines = self._lines_seen
            await press()
            for _ in range(PRINT_WAIT_MS // 10):
                if self._lines_seen > lines:
                    return
                await asyncio.sleep(10 / 1000)
            await self._powered()
        raise PlayError(f"{self.window.name}: the pad prints nothing; see its console")

    def heard(self, text: str) -> None:
        """What the board says, for counting the lines that the pad printed."""
        if (
            text.startswith("print ")
            and not text.startswith("print last ")
            and text != "print ready"
        ):
            self._lines_seen += 1
