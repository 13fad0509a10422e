"""./run proof powercut: the power fails at any program or erase of the journal's flash, and no
confirmed record is missing.

    --cuts N       how many cuts in random histories, several in a row (default 20000), after those
                   of the shift
    --seed S       the first of these histories
    --shift-only   every cut of the scripted shift     --only-cut N   cut N of it
    --planted      plant known bugs in the journal instead, and say at which cut each was found
    --files        the power goes at every program and erase of a real littlefs, in which a key is
                   rotated
    --wear         what each board of boards.toml holds, and for how long
    --json         machine-readable

The shift is one day of a window with the real Controller and Journal: starts, tallies, marks,
commands, acknowledgements, an outage until the journal is full, the ring going round several times.
At every program and erase the flash is copied, struck in every way of tests/proof/flash_model.py,
started twice, and compared with the truth.
"""

import argparse
import json
import random
import time
from collections import Counter
from typing import Any

from firmware import journal as shipped
from firmware.controller import Controller, boot_event
from firmware.journal import JournalFull
from tests.proof import littlefs_cuts, wear
from tests.proof.flash_model import ERASE_TEARS, PROGRAM_TEARS, Flash, PowerCut
from tests.proof.planted_journal import PLANTED, mutant

SHIFT_SECTORS = 5
SHIFT_RECORDS = 700
PLANTED_CUTS = (
    20_000  # random ones after those of the shift; a bug that they miss counts as not found
)


class Broken(Exception):
    """A start found something else than was said before; it is counted under `kind`."""

    def __init__(self, kind: str, text: str) -> None:
        super().__init__(text)
        self.kind = kind


class Truth:
    """What the journal has said, and what the gateway has said to it."""

    def __init__(self) -> None:
        self.kept: dict[int, bytes] = {}  # every record whose append returned, unless it was pruned
        self.last = 0
        self.doubt: bytes | None = None  # its append was cut short
        self.said = {0}  # every high_water that the gateway ever told
        self.held = 0  # what the gateway holds
        self.released = 0  # the highest of these: up to here records may be overwritten
        self.epoch = 0
        self.boot = 0
        self.boot_full = True
        self.used_boot = 0  # the last boot in which a record was confirmed
        self.command = 0
        self.command_doubt = 0

    def copy(self) -> "Truth":
        other = Truth()
        other.__dict__.update(self.__dict__)
        other.kept, other.said = dict(self.kept), set(self.said)
        return other

    def prune(self, lowest: int) -> None:
        """Forget the bytes of records that may be overwritten and are no longer on flash."""
        for seq in [seq for seq in self.kept if seq < min(lowest, self.released + 1)]:
            del self.kept[seq]

    def judge(self, journal: Any) -> None:
        """Compare a journal that has just started with this truth. Raises Broken."""
        self._judge_records(journal)
        if self.epoch and journal.epoch != self.epoch:
            raise Broken("epoch", f"epoch {journal.epoch}, was {self.epoch}")
        if journal.acked not in self.said:
            raise Broken("acked", f"acked {journal.acked}, the gateway never said so")
        if journal.command not in (self.command, self.command_doubt):
            raise Broken("command", f"command {journal.command}, {self.command} was taken")
        if journal.boot < self.boot + (not self.boot_full) or journal.boot <= self.used_boot:
            raise Broken("boot", f"boot {journal.boot} after {self.boot}")
        self.epoch, self.boot = journal.epoch, journal.boot
        # then there may have been no place for the boot number, nor for a record of it
        self.boot_full = not journal.room()
        self.command, self.command_doubt = journal.command, 0

    def _judge_records(self, journal: Any) -> None:
        if journal.last_seq == self.last + 1 and self.doubt is not None:
            self.last += 1
            self.kept[self.last] = self.doubt
        self.doubt = None
        lowest = journal.lowest_kept or self.last + 1
        for seq in range(min(lowest, self.released + 1), self.last + 1):
            body = journal.read(seq)
            if body is None and seq > self.released:
                raise Broken(
                    "lost",
                    f"record {seq} of {self.last} is lost, {self.released} were acknowledged",
                )
            if body is not None and body != self.kept.get(seq):
                raise Broken("other bytes", f"record {seq} has other bytes")
        if journal.last_seq != self.last:
            raise Broken("seq", f"last seq {journal.last_seq}, was {self.last}")


class Witness:
    """A journal that notes each of its promises in `truth`; the controller uses it as a journal."""

    def __init__(self, made: Any, flash: Flash, truth: Truth, epoch: int = 77) -> None:
        self._journal = made(flash, lambda: epoch)
        self._truth = truth
        truth.judge(self._journal)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._journal, name)

    def append(self, body: bytes) -> int:
        truth = self._truth
        truth.doubt = body
        try:
            seq = self._journal.append(body)
        except shipped.JournalError:
            truth.doubt = None
            raise
        if seq != truth.last + 1:
            raise Broken("seq", f"append gave seq {seq} after {truth.last}")
        truth.doubt = None
        truth.last, truth.used_boot = seq, self._journal.boot
        truth.kept[seq] = body
        return seq

    def note_command(self, counter: int) -> None:
        self._truth.command_doubt = counter
        self._journal.note_command(counter)
        self._truth.command, self._truth.command_doubt = counter, 0

    def mark_acked(self, high_water: int) -> None:
        truth = self._truth
        truth.said.add(high_water)
        truth.held = high_water
        truth.released = max(truth.released, high_water)
        self._journal.mark_acked(high_water, high_water, bytes(32))

    def works(self, dice: random.Random) -> None:
        """Records and a command can be written, if necessary after an acknowledgement."""
        for _ in range(2):
            body = dice.randbytes(dice.randrange(1, 200))
            try:
                self.append(body)
            except JournalFull:
                if self._journal.acked >= self._truth.last:
                    raise Broken("full", "full of acknowledged records") from None
                self.mark_acked(self._truth.last)
                self.append(body)
            if self._journal.read(self._truth.last) != body:
                raise Broken("lost", "a record that was just confirmed cannot be read")
        self.mark_acked(self._truth.last)
        self.note_command(self._truth.command + 1)


# ---- the shift, cut everywhere ----


def shift(flash: Flash, truth: Truth, made: Any) -> None:
    """A day at one window, on a small flash."""
    dice = random.Random(5)
    board = _Board()
    controller: Controller | None = None
    number = 0
    while truth.last < SHIFT_RECORDS:
        number += 1
        if controller is None or number % 60 == 0:
            flash.power_on("coin")
            journal = Witness(made, flash, truth)
            controller = Controller(journal, 16)
            controller.take(
                [boot_event(board, "power_on", "0.1.0", journal, dice.randbytes(4))], number, 0
            )
        if number % 25 == 0:
            journal.note_command(truth.command + 1) if journal.room() else None
        controller.take(list(_events(dice, number)), number * 2000, 0)
        controller.commit()
        outage = 120 < number < 320
        if not outage and number % 3 == 0:
            journal.mark_acked(max(truth.held, truth.last - dice.randrange(12)))
        if number % 2 == 0:
            journal.tidy()
        controller.take(controller.refusals(), number, 0)
        truth.prune(journal.lowest_kept)


class _Board:
    NAME, HASH = "unix rev a", bytes(8)
    INSTRUMENTS = [
        {
            "name": name,
            "driver": "report_stream",
            "profile": name,
            "settings": {"evidence": "manual"},
        }
        for name in ("bills", "coins")
    ]


def _events(dice: random.Random, number: int) -> Any:
    """The records of one customer."""
    values = [10000, 5000, 2000, 1000, 500, 100, 50, 25, 10, 5, 1][: dice.randrange(1, 12)]
    rows = [(value, dice.randrange(1, 200)) for value in values]
    yield {
        "kind": "tally", "instrument": "bills", "batch_id": str(number), "currency": "USD",
        "rows": rows, "total_minor": sum(value * pieces for value, pieces in rows), "flags": 0,
        "digest": dice.randbytes(8), "evidence": "manual",
        "machine_time": "x" * dice.randrange(8, 32),
    }  # fmt: skip
    if number % 2:
        yield {"kind": "drawer", "state": "open", "instrument": "drawer", "cause": "kick"}
        yield {
            "kind": "drawer",
            "state": "closed",
            "instrument": "drawer",
            "dwell_ms": dice.randrange(60000),
        }
    if number % 5 == 0:
        yield {
            "kind": "quarantine",
            "instrument": "coins",
            "reason": "rows do not sum",
            "raw": dice.randbytes(dice.randrange(8, 240)),
        }
    if number % 9 == 0:
        yield {"kind": "mark", "mark": "drop", "value": number}


def every_cut(made: Any, counts: Counter[str], only: int = 0) -> str:
    """Strike the shift at every program and erase in every way (or at cut `only`); "" or what was
    wrong first.
    """
    flash, truth = Flash(SHIFT_SECTORS, random.Random(1)), Truth()
    number = 0

    def before(sector: int, offset: int, page: bytes | None) -> None:
        nonlocal number
        for tear in ERASE_TEARS if page is None else PROGRAM_TEARS:
            if tear == "out of order" and not flash.on_way:
                continue
            number += 1
            if only in (0, number):
                copy = flash.copy(number)
                copy.strike(sector, offset, page, tear)
                counts[" ".join(copy.struck)] += 1
                survive(copy, truth.copy(), made)

    flash.before = before
    try:
        shift(flash, truth, made)
    except Exception as error:
        _count(counts, error)
        return f"cut {number} of the shift: {error!r}\n  ./run proof powercut --only-cut {number}"
    return ""


def survive(flash: Flash, truth: Truth, made: Any) -> None:
    """Two starts after a cut: weak bits may read differently the second time."""
    for _ in range(2):
        flash.power_on()
        try:
            Witness(made, flash, truth).works(flash.dice)
        except (
            shipped.JournalError
        ) as error:  # not the shift's own error, which its controller would see as a refusal
            raise Broken("full", str(error)) from None


# ---- random histories ----


def history(seed: int, made: Any, counts: Counter[str], cuts: int = 60) -> str:
    """Up to `cuts` cuts in a history of its own; "" or what was wrong. Some start again in the
    middle of a start.
    """
    dice = random.Random(seed)
    flash, truth = Flash(dice.choice((3, 4, 6)), dice), Truth()
    if (
        dice.random() < 0.2
    ):  # a place that does not keep what is written; weak bits are something else
        flash.worn = (
            dice.randrange(len(flash.content)),
            _worn_place(dice),
            dice.choice((0, 0xFF, dice.getrandbits(8))),
        )
    try:
        while cuts:
            flash.power_on()
            if dice.random() < 0.3:
                flash.cut_in = dice.randrange(1, 6)
            try:
                journal = Witness(made, flash, truth, dice.getrandbits(32) or 1)
                if dice.random() < 0.2:
                    continue  # a clean start after it
                if flash.cut_in <= 0:
                    flash.cut_in = dice.randrange(1, 30)
                while True:
                    _step(journal, truth, dice)
            except PowerCut:
                cuts -= 1
                counts[" ".join(flash.struck)] += 1
    except Exception as error:
        _count(counts, error)
        return f"history {seed}: {error!r}\n  ./run proof powercut --seed {seed} --cuts 1"
    return ""


def _worn_place(dice: random.Random) -> int:
    return dice.choice((dice.randrange(36), dice.randrange(4096)))


def _step(journal: Witness, truth: Truth, dice: random.Random) -> None:
    choice = dice.random()
    try:
        if choice < 0.65:
            journal.append(dice.randbytes(dice.choice((1, 30, 60, 110, 110, 300, 800, 1024))))
        elif choice < 0.80:
            journal.mark_acked(dice.randrange(truth.held, truth.last + 1))
        elif choice < 0.95:
            journal.tidy()
        else:
            journal.note_command(truth.command + dice.randrange(1, 4))
    except JournalFull:
        if journal.acked >= truth.last and not journal._device.worn:
            raise Broken("full", "full of acknowledged records") from None
        journal.mark_acked(truth.last)
    truth.prune(journal.lowest_kept)


def _count(counts: Counter[str], error: Exception) -> None:
    counts[error.kind if isinstance(error, Broken) else "fell over"] += 1


# ---- the command ----


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="./run proof powercut", description=__doc__.partition("\n\n")[0]
    )
    parser.add_argument("--cuts", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only-cut", type=int, default=0)
    for flag in ("--shift-only", "--planted", "--files", "--wear", "--json"):
        parser.add_argument(flag, action="store_true")
    options = parser.parse_args(arguments)
    if options.planted:
        result = plant()
    elif options.files:
        result = littlefs_cuts.prove(options.seed)
    elif options.wear:
        result = wear.figures()
    else:
        result = prove(options.cuts, options.seed, options.shift_only, options.only_cut)
    if options.json:
        print(json.dumps(result, indent=1))
    else:
        print(result["text"])
    return int(bool(result["failed"]))


def prove(cuts: int, seed: int = 1, shift_only: bool = False, only: int = 0) -> dict[str, Any]:
    """{cuts: {"program weak": n, ...}, lost, duplicates, failed, text}."""
    started = time.perf_counter()
    counts: Counter[str] = Counter()
    failures = []
    if cuts > 1 or shift_only or only:  # one cut is the replay of one history
        failures.append(every_cut(shipped.Journal, counts, only))
    in_shift = counts.total()
    while counts.total() - in_shift < cuts and not (shift_only or only):
        failures.append(history(seed, shipped.Journal, counts))
        seed += 1
    failures = [failure for failure in failures if failure]
    kinds = {
        kind: count
        for kind, count in sorted(counts.items())
        if kind.startswith(("program", "erase"))
    }
    total, seconds = sum(kinds.values()), time.perf_counter() - started
    lost, twice = counts["lost"] + counts["fell over"], counts["seq"] + counts["other bytes"]
    lines = [f"  {kind}: {count}" for kind, count in kinds.items()] + failures[:10]
    lines.append(
        f"{total} power cuts ({in_shift} in one shift, at every program and erase): lost {lost},"
        f" duplicates {twice}, {len(failures)} failed, {int(total / seconds)} cuts a second"
    )
    return {
        "cuts": kinds, "total": total, "in_shift": in_shift, "lost": lost, "duplicates": twice,
        "failed": len(failures), "seconds": round(seconds, 1), "text": "\n".join(lines),
    }  # fmt: skip


def found_at(old: str, new: str, within: int = PLANTED_CUTS) -> str:
    """Where a bug in the journal's source is found first: "cut 12 of 34: ..."; "" when it is
    not.
    """
    made = mutant(old, new)
    counts: Counter[str] = Counter()
    for seed in range(1, 1 + within // 60):
        failure = history(seed, made, counts)
        if failure:
            return _found(failure, counts)
    failure = every_cut(made, counts)
    return _found(failure, counts) if failure else ""


def _found(failure: str, counts: Counter[str]) -> str:
    cuts = sum(count for kind, count in counts.items() if kind.startswith(("program", "erase")))
    return f"found at cut {cuts}, {failure.partition(chr(10))[0]}"


def plant() -> dict[str, Any]:
    found = {}
    for title, old, new in PLANTED:
        found[title] = found_at(old, new)
        print(f"{title}: {found[title] or 'NOT FOUND'}", flush=True)
    missed = sum(not place for place in found.values())
    return {
        "planted": found,
        "failed": missed,
        "text": f"{len(found)} planted bugs, {missed} not found",
    }
