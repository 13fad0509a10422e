"""Notes and coins: what lies in a drawer, what a person hands over, what change is given. All
amounts are integer cents.
"""

import random
from collections import Counter
from collections.abc import Iterable

NOTES = (10_000, 5_000, 2_000, 1_000, 500, 100)
COINS = (25, 10, 5, 1)
Pieces = Counter[int]  # {denomination in cents: pieces}

FLOATS = (  # three ways to make up 200.00
    {2_000: 2, 1_000: 5, 500: 10, 100: 40, 25: 40, 10: 50, 5: 40, 1: 300},
    {2_000: 3, 1_000: 4, 500: 8, 100: 40, 25: 40, 10: 50, 5: 40, 1: 300},
    {2_000: 1, 1_000: 6, 500: 12, 100: 38, 25: 48, 10: 50, 5: 40, 1: 300},
)
NOTE_FOR_NOTES = {  # what the safe gives for one note when small notes run out
    10_000: {2_000: 2, 1_000: 4, 500: 3, 100: 5},
    5_000: {2_000: 1, 1_000: 2, 500: 1, 100: 5},
    2_000: {1_000: 1, 500: 1, 100: 5},
    1_000: {500: 1, 100: 5},
    500: {100: 5},
}
NOTE_FOR_COINS = {  # and when coins run out; the first one that the drawer holds is taken
    1_000: {25: 20, 10: 30, 5: 20, 1: 100},
    500: {25: 10, 10: 15, 5: 10, 1: 50},
    2_000: {1_000: 1, 25: 20, 10: 30, 5: 20, 1: 100},
    100: {25: 2, 10: 3, 5: 3, 1: 5},
    5_000: {2_000: 2, 25: 20, 10: 30, 5: 20, 1: 100},
    10_000: {5_000: 1, 2_000: 2, 25: 20, 10: 30, 5: 20, 1: 100},
}
BREAKS_MAX = (
    12  # notes broken for one customer; more means that the drawer was left without small money
)


class CashError(Exception):
    """The drawer cannot do what was asked: the generator made an impossible day."""


def value_cents(pieces: Pieces | dict[int, int]) -> int:
    """Sum of denomination times pieces."""
    return sum(denomination * count for denomination, count in pieces.items())


def rows_of(pieces: Pieces, denominations: Iterable[int]) -> list[tuple[int, int]]:
    """[(denomination, pieces)] of those present, highest first."""
    return [(each, pieces[each]) for each in sorted(denominations, reverse=True) if pieces[each]]


class Drawer:
    """Every piece in one drawer, and where each came from and went to."""

    def __init__(self, opening: dict[int, int]) -> None:
        self.pieces: Pieces = Counter(opening)
        self.taken: Pieces = Counter()  # from customers
        self.given: Pieces = Counter()  # to customers
        self.dropped: Pieces = Counter()
        # exchanges of equal value: they change the pieces and not the sum
        self.from_safe: Pieces = Counter()
        self.to_safe: Pieces = Counter()

    def value_cents(self) -> int:
        """What lies in it."""
        return value_cents(self.pieces)

    def take(self, pieces: Pieces) -> None:
        """A customer's money goes in."""
        self.pieces += pieces
        self.taken += pieces

    def give(self, cents: int) -> Pieces:
        """Change: the fewest pieces that the drawer allows, after breaking notes at the safe where
        it cannot be made.
        """
        for _ in range(BREAKS_MAX):
            change, missing = self._fewest(cents)
            if not missing:
                self._remove(change)
                self.given += change
                return change
            self._break(missing)
        raise CashError(f"no change for {cents} cents after {BREAKS_MAX} broken notes")

    def drop(self, pieces: Pieces) -> None:
        """Notes go to the vault."""
        self._remove(pieces)
        self.dropped += pieces

    def _fewest(self, cents: int) -> tuple[Pieces, int]:
        change: Pieces = Counter()
        for denomination in NOTES + COINS:
            count = min(self.pieces[denomination], cents // denomination)
            if count:
                change[denomination] = count
                cents -= count * denomination
        return change, cents

    def _break(self, missing: int) -> None:
        table = NOTE_FOR_COINS if missing < 100 else NOTE_FOR_NOTES
        note = next((each for each in table if self.pieces[each]), None)
        if note is None:
            raise CashError(f"no note to break for {missing} cents")
        self._remove(Counter({note: 1}))
        self.pieces += Counter(table[note])
        self.to_safe[note] += 1
        self.from_safe += Counter(table[note])

    def _remove(self, pieces: Pieces) -> None:
        for denomination, count in pieces.items():
            if self.pieces[denomination] < count:
                raise CashError(
                    f"{count} pieces of {denomination} wanted, {self.pieces[denomination]} in the"
                    " drawer"
                )
            self.pieces[denomination] -= count
        self.pieces = +self.pieces


def exact_pieces(rng: random.Random, cents: int) -> Pieces:
    """The amount to the cent: twenties as from a cash machine, now and then large notes for the
    large part.
    """
    return _made_of(
        cents, NOTES if cents >= 10_000 and rng.randrange(100) < 35 else NOTES[2:], COINS
    )


def handed_over(rng: random.Random, cents: int) -> Pieces:
    """At least the amount, from notes that a person would hand over; on a round amount there may be
    no change.
    """
    style = rng.randrange(100)
    if style < 45:
        return _made_of(_up_to(cents, 2_000), (2_000,), ())
    if style < 60:
        return _made_of(_up_to(cents, 10_000 if cents > 6_000 else 5_000), (10_000, 5_000), ())
    if style < 75:
        return _made_of(_up_to(cents, 1_000), (2_000, 1_000), ())
    if style < 85:
        return _made_of(_up_to(cents, 500), (2_000, 1_000, 500), ())
    if style < 92:
        return _made_of(_up_to(cents, 100), (2_000, 1_000, 500, 100), ())
    odd = cents % 100  # "wait, I have the cents": the change is notes only
    return _made_of(_up_to(cents - odd, 2_000), (2_000,), ()) + _made_of(odd, (), COINS)


def _up_to(cents: int, step: int) -> int:
    return -(-cents // step) * step


def _made_of(cents: int, notes: tuple[int, ...], coins: tuple[int, ...]) -> Pieces:
    pieces: Pieces = Counter()
    for denomination in notes + coins:
        count, cents = divmod(cents, denomination)
        if count:
            pieces[denomination] = count
    if cents:
        raise CashError(f"{cents} cents cannot be made of {notes + coins}")
    return pieces
