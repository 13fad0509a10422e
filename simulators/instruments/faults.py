"""Seeded faults of the machines: which of them strike a batch or a piece, and what the line does to
the bytes of a report.
"""

import random
from collections import Counter
from collections.abc import Iterable

# strike at one piece of the batch
PIECE_KNOBS = ("jam", "reject", "suspect", "double", "double_unseen", "power_loss")
WIRE_KNOBS = ("truncate", "noise", "nuls", "garble")  # change the bytes of the batch report
# what a person did, or had set
DESK_KNOBS = ("reprint", "day_clear", "sub_and_batch", "clock_skew", "fee")
MACHINE_KNOBS = (
    "chain", "denomination_change", "batch_full", "stacker_full", "hopper_empty", "door_mid_count",
    "burst", "wrap", "escrow_flap", "fish", "clear_silent", "accumulate", "overwrite",
    "require_ack", "swap", "gap",
)  # fmt: skip
# of any line: line.py
LINE_KNOBS = ("drop_reply", "repeat_reply", "drop", "flip", "echo", "wrong_baud")
RUBBISH = (0x00, 0x80, 0xE0, 0xF8, 0xFE, 0xFF)  # what a UART at the wrong speed mostly sees
KNOBS = PIECE_KNOBS + WIRE_KNOBS + DESK_KNOBS + MACHINE_KNOBS + LINE_KNOBS
PERMILLE = 1000
NOISE_BYTES_MAX = 12


class Faults:
    """What goes wrong, by seed: a rate per knob, and faults armed for the next batch by hand.

    `Faults(7, jam=20)`: every fiftieth batch jams, and the same seed jams the same batches.
    `arm("truncate")` surely strikes the next batch. Raises ValueError for a knob that is not
    one of KNOBS.
    """

    def __init__(self, seed: int = 0, **permille: int) -> None:
        for knob in permille:
            _check(knob)
        self.random = random.Random(seed)
        self.permille = permille
        self.armed: Counter[str] = Counter()
        self.struck: Counter[str] = Counter()

    def arm(self, *knobs: str) -> None:
        """Each named fault strikes the next batch; naming one twice strikes two batches."""
        for knob in knobs:
            _check(knob)
            self.armed[knob] += 1

    def draw(self, supported: Iterable[str]) -> set[str]:
        """The faults of the batch that begins now, out of those that this machine can play.

        A knob without a rate draws no random number. So a seed keeps its meaning when a simulator
        gets a new knob.
        """
        drawn = set()
        for knob in supported:
            rate = self.permille.get(knob, 0)
            is_free = not rate and (knob in MACHINE_KNOBS or knob in LINE_KNOBS)
            by_rate = not is_free and self.random.randrange(PERMILLE) < rate
            if self.armed[knob]:
                self.armed[knob] -= 1
                drawn.add(knob)
            elif by_rate:
                drawn.add(knob)
        self.struck.update(drawn)
        return drawn

    def on_the_wire(self, report: bytes, total_end: int, active: set[str]) -> bytes:
        """The bytes that reach the other end of the cable.

        `total_end` is the offset after the last digit of the machine's total: a truncated report
        never holds a whole total.
        `garble` changes one byte to another 7-bit byte; it may hit a field that no arithmetic
        covers (a clock, a batch number).
        """
        if "garble" in active:
            at = self.random.randrange(len(report))
            flipped = report[at] ^ (1 << self.random.randrange(7))
            report = report[:at] + bytes((flipped,)) + report[at + 1 :]
        if "truncate" in active:
            report = report[: self.random.randrange(1, total_end)]
        if "nuls" in active:
            report = report.replace(b"\n", b"\n" + bytes(self.random.randrange(1, 5)))
        if "noise" in active:
            burst = bytes(
                self.random.randrange(0x80, 0x100)
                for _ in range(self.random.randrange(1, NOISE_BYTES_MAX + 1))
            )
            report = burst + report
        if "wrong_baud" in active:
            report = bytes(self.random.choice(RUBBISH) for _ in report)
        return report


def _check(knob: str) -> None:
    if knob not in KNOBS:
        raise ValueError(f"faults: unknown knob {knob!r}, want one of {', '.join(KNOBS)}")
