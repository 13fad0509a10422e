"""What goes wrong in a demo: one power loss, one network loss, and whatever somebody at the
keyboard wants to break.

The two planned ones come from the seed. The power of one window is cut in the middle of a count's
report. That is the worst moment: half the bytes are on the wire, and the record is not on flash.
The broker dies while the windows are at work.
"""

import asyncio
import random
from collections.abc import Callable, Coroutine, Sequence

from simulators.demo_site import DemoSite
from simulators.player import Player
from simulators.window import Window

OFF_S = 1  # without power
DOWN_S = 3  # without a broker
LOST, BACK = "lost", "back"  # what became of a power supply or a broker, for whoever shows it


class Faults:
    """Breaks things and repairs them again."""

    def __init__(
        self,
        rng: random.Random,
        site: DemoSite,
        windows: Sequence[Window],
        players: Sequence[Player],
        say: Callable[..., None],
    ) -> None:
        self._rng = rng
        self._site = site
        self._windows = list(windows)
        self._players = list(players)
        self._say = say
        self._running: set[asyncio.Task[None]] = set()
        self._failures: list[BaseException] = []
        self._turn = 0
        self.power_losses = 0
        self.network_losses = 0

    def plan(self) -> None:
        """Hang the day's two faults on acts of the plan."""
        victim = self._rng.choice(self._players)
        counts = [
            index
            for index, action in enumerate(victim.actions)
            if action["action"] == "count_bills"
        ]
        delay_s = self._rng.randrange(20, 300) / 1000  # a report takes some 300 ms at 9600 baud
        victim.before[self._rng.choice(counts[1:] or counts)] = lambda: self.power_loss(
            victim.window, delay_s
        )
        other = self._rng.choice(self._players)
        payments = [
            index for index, action in enumerate(other.actions) if action["action"] == "open_drawer"
        ]
        index = payments[self._rng.randrange(len(payments) // 4, 3 * len(payments) // 4)]
        while index in other.before:
            index += 1
        other.before[index] = self.network_loss

    async def settle(self) -> None:
        """Return when everything that was broken is repaired; raises what went wrong meanwhile."""
        while self._running:
            await asyncio.wait(self._running)
        if self._failures:
            raise self._failures[0]

    async def stop(self) -> None:
        """Break and repair nothing any more."""
        for task in self._running:
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)

    def press(self, key: str) -> None:
        """p: the power of a window; each press takes the next window. b: the broker. j: a jam in a
        bill counter.
        """
        window = self._windows[self._turn % len(self._windows)]
        if key == "p":
            self._turn += 1
            self.power_loss(window, 0)
        elif key == "b":
            self.network_loss()
        elif key == "j":
            self._turn += 1
            window.bills.faults.arm("jam")
            self._say(window.name, "the next notes will jam in the bill counter")

    def power_loss(self, window: Window, delay_s: float) -> None:
        """Cut the board's power (SIGKILL) after a delay, and give it back."""
        self._start(self._power_loss(window, delay_s))

    def network_loss(self) -> None:
        """Kill the broker, and start it again."""
        if not any(task.get_name() == "network" for task in self._running):
            self._start(self._network_loss(), "network")

    def _start(self, work: Coroutine[None, None, None], name: str = "power") -> None:
        task = asyncio.get_running_loop().create_task(work, name=name)
        self._running.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        failure = None if task.cancelled() else task.exception()
        if failure is not None:
            self._failures.append(failure)

    async def _power_loss(self, window: Window, delay_s: float) -> None:
        await asyncio.sleep(delay_s)
        if not window.is_powered:
            return
        self.power_losses += 1
        self._say(window.name, "POWER LOST", LOST)
        window.cut()
        await asyncio.sleep(OFF_S)
        self._say(window.name, "power is back", BACK)
        await window.power_on()

    async def _network_loss(self) -> None:
        self.network_losses += 1
        self._say("", "BROKER LOST", LOST)
        await asyncio.to_thread(self._site.kill_broker)
        await asyncio.sleep(DOWN_S)
        await asyncio.to_thread(self._site.start_broker)
        self._say("", "the broker is back", BACK)
