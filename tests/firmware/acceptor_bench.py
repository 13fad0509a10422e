"""Boards with acceptors for tests: staged, run by the real MicroPython, wired to simulated
machines, in real time.

All boards of a test move in one loop. Order is exact where it matters: a board beeps before it
answers its machine, and the bench reads the wire before the pins, so that at a beep it can take the
power away and the answer with it.
"""

import contextlib
import random
import re
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from gateway.broker.process import HOST
from gateway.devices.keys import create_key
from gateway.fleet.boards import Board, boards_file, load_board
from gateway.fleet.stage import stage
from gateway.store.ledger import Ledger
from protocol.records import FLAG_REPRINT
from simulators import gpio
from simulators.bench_board import ProcessBoard
from simulators.channels import PinLine, SerialLine
from simulators.instruments.machine import MachineError
from tests.firmware.bench import HEAP, MICROPYTHON, PATIENCE, SITE, Office

STEP_S = 1 / 250
SOON = {"heartbeat_ms": 300, "resend_ms": 300, "backoff_ms": 100}
EXPLICIT = ("discrepancy", "cleared_unreported", "missing_report")
SECTION = re.compile(
    r"^\[board\.(?:window|unix)(?!\.instrument)[^\]]*\]\n(?:(?!\[).*\n)*", re.MULTILINE
)


def board_with(folder: Path, profiles: Mapping[str, str], sectors: int = 64) -> Board:
    """The unix board with these instruments {name: profile} and no others."""
    text = "".join(SECTION.findall(boards_file().read_text("utf-8")))
    for name, profile in profiles.items():
        text += (
            f'[board.unix.instrument.{name}]\nprofile = "{profile}"\nuart = "{name}"\nrefdes ='
            ' "pseudo-terminal"\n'
        )
    path = folder / "boards.toml"
    path.write_text(text, "utf-8")
    board = load_board("unix", path=path)
    tables = {
        **board.tables,
        "budget": {**board.tables["budget"], **SOON},
        "journal": {"sectors": sectors},
    }
    return replace(board, tables=tables)


def site_of(device: str, port: int, key_hex: str) -> dict[str, Any]:
    return {
        "site": SITE, "device": device, "broker_host": HOST, "broker_port": port,
        "key_hex": key_hex, "key_number": 1, "currency": "USD",
    }  # fmt: skip


class AcceptorBench:
    """One board and its machines {instrument: simulator}. Machines have power of their own."""

    def __init__(
        self, folder: Path, office: Office, device: str, board: Board, machines: Mapping[str, Any]
    ) -> None:
        folder.mkdir(exist_ok=True)
        key = (
            create_key(office.ledger_file.parent / "keys", device) if device != "w1" else office.key
        )
        tree = stage(
            board, None, folder / "tree", site_of(device, office.broker.port, key.secret.hex())
        ).folder
        self.device = device
        self.machines = dict(machines)
        self.wires = {name: SerialLine() for name in machines}
        self.pins = PinLine()
        self.heard: list[
            tuple[str, str]
        ] = []  # (kind, text) of what the board said: beep, print, log
        self.is_powered = False
        self.answered: Counter[str] = Counter()  # bytes to each machine
        self.cuts = 0
        self.cut_at_beep = False
        channels = {name.upper(): wire.theirs for name, wire in self.wires.items()}
        argv = [MICROPYTHON, "-X", HEAP, "main.py"]
        environment = {"TILL_FLASH": str(folder / "flash.img"), "MICROPYPATH": ".:.frozen"}
        self._board = ProcessBoard(
            argv, tree, environment, {**channels, "GPIO": self.pins.theirs}, folder / "console.txt"
        )
        self._reader = gpio.LineReader()
        self._unsent = dict.fromkeys(machines, b"")

    def power_on(self) -> None:
        if not self.is_powered:
            self._lose()
            self._reader = gpio.LineReader()
            self.is_powered = True
            self._board.power_on()

    def cut(self) -> None:
        """SIGKILL; what is on the wires is gone."""
        if self.is_powered:
            self.is_powered = False
            self.cuts += 1
            self._board.power_cut()
            self._listen()
            self._lose()

    def close(self) -> None:
        self.cut()
        for wire in self.wires.values():
            wire.close()
        self.pins.close()

    def step(self, now_ms: int) -> None:
        """Everything moves to `now_ms`."""
        sent = {name: wire.read() for name, wire in self.wires.items()}
        beeps = self._listen()
        if beeps and self.cut_at_beep:
            self.cut_at_beep = False
            self.cut()
        for name, machine in self.machines.items():
            if sent[name] and self.is_powered:
                self.answered[name] += len(sent[name])
                machine.receive(sent[name], now_ms)
            machine.poll(now_ms)
            self._unsent[name] += machine.pop_output()
            if self._unsent[name]:
                took = (
                    self.wires[name].write(self._unsent[name])
                    if self.is_powered
                    else len(self._unsent[name])
                )
                self._unsent[name] = self._unsent[name][took:]

    def said(self, kind: str) -> list[str]:
        return [text for each, text in self.heard if each == kind]

    def _listen(self) -> int:
        """How many counts were beeped."""
        events = list(self._reader.feed(self.pins.read()))
        self.heard += [(event.kind, event.text) for event in events]
        return sum(event.kind == "beep" and event.text == "ok" for event in events)

    def _lose(self) -> None:
        for wire in self.wires.values():
            wire.lose()
            wire.read()
        self._unsent = dict.fromkeys(self.machines, b"")
        self.pins.lose()


class Clock:
    """Moves benches in real time."""

    def __init__(self, benches: Sequence[AcceptorBench]) -> None:
        self.benches = benches
        self.now_ms = 0
        self._began = time.monotonic_ns()

    def until(self, is_so: Callable[[], Any], what: str, patience_s: int = PATIENCE) -> Any:
        """What `is_so` gives once it gives something."""
        end_ms = self.now_ms + 1000 * patience_s
        while not (found := is_so()):
            assert self.now_ms < end_ms, (
                f"not within {patience_s} s: {what}; {[each.heard[-4:] for each in self.benches]}"
            )
            self.step()
        return found

    def run(self, ms: int) -> None:
        end_ms = self.now_ms + ms
        while self.now_ms < end_ms:
            self.step()

    def step(self) -> None:
        time.sleep(STEP_S)
        self.now_ms = (time.monotonic_ns() - self._began) // 1_000_000
        for bench in self.benches:
            bench.step(self.now_ms)

    def close(self) -> None:
        for bench in self.benches:
            bench.close()


class Hands:
    """Inserts at each machine until `pieces` lie in its box, and cuts the board's power at seeded
    moments around credits.
    """

    def __init__(
        self,
        bench: AcceptorBench,
        amounts: Mapping[str, Sequence[str]],
        pieces: int,
        seed: int,
        cuts: int,
    ) -> None:
        self.bench = bench
        self._pieces = pieces
        self._amounts = amounts
        self._rng = random.Random(f"{bench.device} {seed}")
        self._next_ms = dict.fromkeys(amounts, 0)
        self._credited = 0
        self._cuts = cuts
        self._cut_ms = self._on_ms = -1

    def act(self, now_ms: int) -> None:
        bench, rng = self.bench, self._rng
        if not bench.is_powered:
            if self._on_ms < 0:
                self._on_ms = now_ms + rng.choice((20, 300, 1200))
            elif now_ms >= self._on_ms:
                self._on_ms = -1
                bench.power_on()
        if 0 <= self._cut_ms <= now_ms:
            self._cut_ms = -1
            bench.cut()
        credited = sum(machine.truth.credited.total() for machine in bench.machines.values())
        if (
            credited > self._credited
            and self._cuts
            and bench.is_powered
            and self._cut_ms < 0
            and not bench.cut_at_beep
        ):
            self._cuts -= 1
            if rng.random() < 0.4:
                bench.cut_at_beep = True  # on flash, and not acknowledged
            else:
                self._cut_ms = now_ms + rng.choice((0, 5, 15, 40, 100, 220, 400))
        self._credited = credited
        for name, machine in bench.machines.items():
            if self._lacks(machine) and now_ms >= self._next_ms[name]:
                with contextlib.suppress(MachineError):  # its mouth is shut, or a note is in it
                    machine.do("insert " + rng.choice(self._amounts[name]), now_ms)
                self._next_ms[name] = now_ms + rng.randrange(80, 400)

    @property
    def is_done(self) -> bool:
        is_quiet = self.bench.is_powered and self._cut_ms < 0 and not inside(self.bench)
        return is_quiet and not any(
            self._lacks(machine) for machine in self.bench.machines.values()
        )

    def _lacks(self, machine: Any) -> bool:
        return (
            int((machine.truth.box + machine.truth.path + machine.truth.escrow).total())
            < self._pieces
        )


def true_pieces(machine: Any) -> Counter[int]:
    """{denomination: pieces} that lie in the box, or were pulled out of it."""
    return Counter(+(machine.truth.box + machine.truth.fished))


def inside(bench: AcceptorBench) -> int:
    """Pieces still on their way through a machine."""
    return sum(
        (machine.truth.path + machine.truth.escrow).total() for machine in bench.machines.values()
    )


class Kept:
    """What the ledger holds of one device."""

    def __init__(self, ledger_file: Path, device: str) -> None:
        self.credited: dict[str, Counter[int]] = {}
        self.explicit: dict[str, list[dict[str, Any]]] = {}
        self.bookmarks = 0
        self.boots = 0
        with Ledger.open(ledger_file) as ledger:
            for record in ledger.records(device=device):
                self._take(record.kind, record.fields)

    def _take(self, kind: str, fields: dict[str, Any]) -> None:
        self.boots += kind == "boot"
        if kind == "quarantine" or fields.get("condition") in EXPLICIT:
            self.explicit.setdefault(fields["instrument"], []).append(fields)
        if kind != "tally":
            return
        self.bookmarks += not fields["rows"]
        if not fields.get("flags", 0) & FLAG_REPRINT:
            into = self.credited.setdefault(fields["instrument"], Counter())
            for denomination, pieces in fields["rows"]:
                into[denomination] += pieces

    def wrong(self, bench: AcceptorBench) -> list[str]:
        """What breaks the law: truth = credited + explicit discrepancy."""
        found = []
        for name, machine in bench.machines.items():
            truth, credited = true_pieces(machine), self.credited.get(name, Counter())
            said = self.explicit.get(name, [])
            missing = (truth - credited).total()
            if credited - truth:
                found.append(
                    f"{bench.device} {name}: credited {dict(credited)}, in the box {dict(truth)}"
                )
            if (
                missing
                and (not said or all("pieces" in each for each in said))
                and missing > sum(each.get("pieces", 0) for each in said)
            ):
                found.append(f"{bench.device} {name}: lost {dict(truth - credited)}, said {said}")
        return found

    def is_settled(self, bench: AcceptorBench) -> bool:
        """All that is in the boxes is credited."""
        return all(
            true_pieces(machine) == self.credited.get(name, Counter())
            for name, machine in bench.machines.items()
        )
