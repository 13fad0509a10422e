"""A cash drawer: a solenoid that frees the latch, a spring, and one contact whose level somebody
has to interpret.

Sources: the ESC/POS kick `ESC p m t1 t2` counts in units of 2 ms and some drawers need a longer
pulse; Citizen's limits for the solenoid are 24 V, 1 A, at most 510 ms. The status input is a level,
not "open": which level means open depends on the wiring. A cut cable reads as one constant level,
the pull-up's: with `open_level = 1` it looks like an open drawer, with 0 like one that stays shut.
"""

import random

Edge = tuple[int, int]  # (at_ms, level of the pin)

KICK_MS_MAX = (
    510  # a longer pulse burns the solenoid: counted in `Drawer.burnt`; the latch still moves
)
TRAVEL_MS = 60  # from the latch to the contact
BOUNCES_MAX = 4


class Drawer:
    """One drawer. Each action returns the edges of its pin that follow, in time order; the last one
    is where it rests.
    """

    def __init__(
        self,
        seed: int = 0,
        open_level: int = 1,
        kick_min_ms: int = 40,
        bounce_ms: int = 5,
        pull_level: int = 1,
    ) -> None:
        """`kick_min_ms`: a shorter pulse does not free the latch. `bounce_ms`: the contact is at
        rest after so long.

        `pull_level`: what the pin reads when nothing is connected.
        """
        self.random = random.Random(seed)
        self.open_level = open_level
        self.kick_min_ms = kick_min_ms
        self.bounce_ms = bounce_ms
        self.pull_level = pull_level
        self.is_open = False
        self.is_stuck = (
            False  # the latch is freed and the drawer does not move; or it is locked with the key
        )
        self.is_cut = False
        self.kicks: list[
            tuple[int, int, bool]
        ] = []  # (now_ms, pulse_ms, did it open): what physically happened
        self.burnt = 0

    def level(self) -> int:
        """What the pin reads at rest."""
        if self.is_cut:
            return self.pull_level
        return self.open_level if self.is_open else 1 - self.open_level

    def kick(self, pulse_ms: int, now_ms: int) -> list[Edge]:
        """The solenoid is driven for `pulse_ms`: the drawer opens unless it is open, stuck, or the
        pulse was too short.
        """
        if pulse_ms > KICK_MS_MAX:
            self.burnt += 1
        opens = not self.is_open and not self.is_stuck and pulse_ms >= self.kick_min_ms
        self.kicks.append((now_ms, pulse_ms, opens))
        return self._move(True, now_ms + self.kick_min_ms + TRAVEL_MS) if opens else []

    def open(self, now_ms: int) -> list[Edge]:
        """Opened with its key or by hand; a stuck drawer does not move."""
        return self._move(True, now_ms) if not self.is_open and not self.is_stuck else []

    def close(self, now_ms: int) -> list[Edge]:
        """Pushed shut."""
        return self._move(False, now_ms) if self.is_open and not self.is_stuck else []

    def cut_cable(self, now_ms: int) -> list[Edge]:
        """From now on the pin reads the pull-up, whatever the drawer does."""
        before = self.level()
        self.is_cut = True
        return [(now_ms, self.pull_level)] if before != self.pull_level else []

    def mend_cable(self, now_ms: int) -> list[Edge]:
        """The pin shows the drawer again."""
        self.is_cut = False
        return [(now_ms, self.level())] if self.level() != self.pull_level else []

    def _move(self, to_open: bool, at_ms: int) -> list[Edge]:
        before = self.level()
        self.is_open = to_open
        after = self.level()
        return bounced(self.random, before, after, at_ms, self.bounce_ms)


def bounced(rng: random.Random, before: int, after: int, at_ms: int, bounce_ms: int) -> list[Edge]:
    """The edges of one contact that changes and bounces: first at `at_ms`, at rest within
    `bounce_ms`, none if equal.
    """
    if before == after:
        return []
    pairs = min(rng.randrange(BOUNCES_MAX + 1), bounce_ms // 2)
    later = sorted(rng.sample(range(1, bounce_ms + 1), 2 * pairs)) if pairs else []
    edges = [(at_ms, after)]
    for number, offset in enumerate(later):
        edges.append((at_ms + offset, after if number % 2 else before))
    return edges
