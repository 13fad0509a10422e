"""What every machine does that accepts one piece at a time: a mouth, a path, an escrow, a box, and
where each piece really is.

The mechanism knows nothing about wires. The module of each machine says what it sends when
something happens.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from simulators.instruments.machine import MachineError, Rows, rows_of, value_cents

PLACES = ("path", "escrow", "box", "returned", "fished")


@dataclass
class AcceptorTruth:
    """Where every piece is. inserted = path + escrow + box + returned + fished, always; the money
    lies in `box`.
    """

    inserted: Counter[int] = field(default_factory=Counter)
    path: Counter[int] = field(default_factory=Counter)
    escrow: Counter[int] = field(default_factory=Counter)
    box: Counter[int] = field(
        default_factory=Counter
    )  # kept for good, whether the host heard of it or not
    returned: Counter[int] = field(default_factory=Counter)
    fished: Counter[int] = field(
        default_factory=Counter
    )  # pulled out after the machine had credited it
    credited: Counter[int] = field(
        default_factory=Counter
    )  # what the machine means to state: box + fished, without what it forgot
    forgotten: Counter[int] = field(
        default_factory=Counter
    )  # in the box, and lost from its memory before the host asked
    log: list[tuple[int, str, int]] = field(default_factory=list)  # (now_ms, what happened, cents)

    def insert(self, cents: int, now_ms: int) -> None:
        self.inserted[cents] += 1
        self.path[cents] += 1
        self.log.append((now_ms, "insert", cents))

    def move(self, cents: int, source: str, target: str, now_ms: int) -> None:
        """One piece from a place to another, both of PLACES."""
        places: dict[str, Counter[int]] = {name: getattr(self, name) for name in PLACES}
        assert places[source][cents] > 0, f"no {cents} in {source}"
        places[source][cents] -= 1
        places[target][cents] += 1
        self.log.append((now_ms, target, cents))

    def is_conserved(self) -> bool:
        """True when no piece appeared or vanished."""
        return +self.inserted == +(self.path + self.escrow + self.box + self.returned + self.fished)

    @property
    def rows(self) -> Rows:
        """What is in the box, lowest denomination first."""
        return rows_of(self.box)

    @property
    def total_cents(self) -> int:
        return value_cents(self.rows)


def cents_of(word: str, known: Iterable[int]) -> int:
    """The cents of 5.00, .25 or 25c if the machine accepts such a piece; otherwise MachineError,
    with the pieces that it accepts.
    """
    known = sorted(known)
    text = word.removeprefix("$")
    cents = -1
    if text.endswith("c") and text[:-1].isdecimal():
        cents = int(text[:-1])
    else:
        whole, _, rest = text.partition(".")
        if (
            (whole or "0").isdecimal()
            and len(rest) in (0, 2)
            and (rest or "0").isdecimal()
            and (whole or rest)
        ):
            cents = int(whole or "0") * 100 + int(rest or "0")
    if cents not in known:
        takes = ", ".join(f"{each // 100}.{each % 100:02d}" for each in known)
        raise MachineError(f"{word!r} is no piece that this machine takes; it takes {takes}")
    return cents
