"""The bench of one window: four machines, the wires to the board, the board's power, and what a
cashier does with them.

The firmware runs in a process of its own and knows only its descriptors (TILL_FD_BILLS,
TILL_FD_COINS, TILL_FD_GPIO). Machines have their own power: if the board's power is cut, the bytes
on the wires are lost, but nothing in the machines. `Window.log` says what was done and which beep
was heard. A count may be on flash although its beep was lost in a power cut: only the log and the
ledger together show that.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from simulators import gpio
from simulators.bench_board import Board, ProcessBoard
from simulators.channels import PinLine, SerialLine
from simulators.instruments.bill_counter import BillCounter
from simulators.instruments.coin_sorter import CoinSorter
from simulators.instruments.drawer import Drawer, Edge
from simulators.instruments.machine import Machine, count_batch
from simulators.instruments.ten_key import Pad, ScanEdge, amount_keys, keys_for, mark_keys

BYTES_PER_SECOND = 960  # 9600 baud, ten bits a byte
CHUNK_MS = 10
CHUNK_BYTES_MAX = 256
FULL_MS = 5  # before a full line is tried again
STALL_MS = 5000  # if a line accepts nothing for so long, its board is dead: the bytes are lost
KEY_MS = 40  # a fast hand; shorter presses are missed while the machine is busy with other work
LINES_KEPT = 500
# beeps that answer a count or a mark; a warn may be about anything
ANSWERS = ("ok", "error", "full")


@dataclass(eq=False)
class Done:
    """One thing that was physically done at the window, and what the cashier heard."""

    at_ms: int  # milliseconds since the bench was opened
    action: str
    detail: dict[str, Any] = field(default_factory=dict)
    beep: str = ""  # "" for none heard
    # the board lost its power between act and beep: the record may still exist
    was_cut: bool = False


class Window:
    """Use: `window = Window("w1", argv, cwd, env)`; `await window.start()`; act; `await
    window.stop()`.

    One pair of hands: acts wait for each other. `power_cut` waits for nobody. `on_line(text)` hears
    every line of the board. Another board than a process: assign `board` before start and hand it
    `channels`.
    """

    def __init__(
        self,
        name: str,
        argv: Sequence[str] = (),
        cwd: Path = Path("."),
        env: Mapping[str, str] | None = None,
        *,
        bills: BillCounter | None = None,
        coins: CoinSorter | None = None,
        drawer: Drawer | None = None,
        pad: Pad | None = None,
        byte_rate: int | None = BYTES_PER_SECOND,
        report_gap_ms: int = 400,
        key_down_ms: int = KEY_MS,
        key_up_ms: int = KEY_MS,
        on_line: Callable[[str], None] | None = None,
        console: Path | None = None,
    ) -> None:
        """`byte_rate`: bytes a second of a report, None for as fast as the line allows;
        `report_gap_ms`: between two reports.

        `key_down_ms`, `key_up_ms`: how long a contact stays, without its bounce. `console`: file
        for what the process prints.
        """
        self.name = name
        self.bills = bills or BillCounter()
        self.coins = coins or CoinSorter()
        self.drawer = drawer or Drawer()
        self.pad = pad or Pad()
        self.byte_rate = byte_rate
        self.report_gap_ms = report_gap_ms
        self.key_down_ms = key_down_ms
        self.key_up_ms = key_up_ms
        self.on_line = on_line
        self.log: list[Done] = []
        self.beeps: list[tuple[int, str]] = []  # (at_ms, name), all of them
        self.display: deque[str] = deque(maxlen=LINES_KEPT)
        self.remarks: deque[str] = deque(maxlen=LINES_KEPT)
        # bytes that the board sent to a machine
        self.answered: dict[str, int] = {"bills": 0, "coins": 0}
        self.is_powered = False
        self._lines = {"bills": SerialLine(), "coins": SerialLine()}
        self._pins = PinLine()
        self.board: Board = ProcessBoard(argv, cwd, env or {}, self.channels, console)
        self._reader = gpio.LineReader()
        self._opened_ms = _real_ms()
        self._jumped_ms = 0
        self._counting_ms = 0
        self._heard_before = 0  # how many beeps there were before the last act
        self._last_act: Done | None = None
        self._hands = asyncio.Lock()
        self._news = asyncio.Event()  # set at every beep, at every cut and when power is back
        self._tasks: set[asyncio.Task[None]] = set()

    # power and time

    @property
    def channels(self) -> dict[str, int]:
        """{"BILLS": fd, "COINS": fd, "GPIO": fd}: the board's ends, the same through every power
        cycle.
        """
        return {
            "BILLS": self._lines["bills"].theirs,
            "COINS": self._lines["coins"].theirs,
            "GPIO": self._pins.theirs,
        }

    def now_ms(self) -> int:
        """Milliseconds since the bench was opened, jumps included."""
        return _real_ms() - self._opened_ms + self._jumped_ms

    async def start(self, timeout: float = 10) -> bool:
        """Listen to the wires and power the board; True once it has said anything."""
        loop = asyncio.get_running_loop()
        for name, line in self._lines.items():
            loop.add_reader(line.ours, self._answer, name)
        loop.add_reader(self._pins.ours, self._listen)
        return await self.power_on(timeout)

    async def stop(self) -> None:
        """Cut the power for good and close every descriptor."""
        self.cut()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        loop = asyncio.get_running_loop()
        for line in self._lines.values():
            loop.remove_reader(line.ours)
            line.close()
        loop.remove_reader(self._pins.ours)
        self._pins.close()

    async def power_cut(self) -> None:
        """The board is off: a killed process, lost bytes. What it beeped before that was heard."""
        self.cut()

    def cut(self) -> None:
        """`power_cut` for callers that cannot wait."""
        if not self.is_powered:
            return
        self.is_powered = False
        self.board.power_cut()
        while self._listen():
            pass
        self._lose()
        self.log.append(Done(self.now_ms(), "power_cut"))
        self._news.set()

    async def power_on(self, timeout: float = 10) -> bool:
        """Power the board and tell it its pins; True once it has said anything, False when it stays
        silent.
        """
        heard = len(self.remarks) + len(self.beeps) + len(self.display)
        self.supply()
        try:
            async with asyncio.timeout(timeout):
                while self.is_powered and heard == len(self.remarks) + len(self.beeps) + len(
                    self.display
                ):
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            return False
        return self.is_powered

    def supply(self) -> None:
        """`power_on` for callers that cannot wait."""
        if self.is_powered:
            return
        self._lose()
        self._reader = gpio.LineReader()
        self.is_powered = True
        self.log.append(Done(self.now_ms(), "power_on"))
        self.board.power_on()
        self._say_pins()
        self._news.set()

    async def advance_clock(self, ms: int) -> None:
        """The bench's clock and the machines' own jump ahead; the board is told."""
        self.jump(ms)

    def jump(self, ms: int) -> None:
        """`advance_clock` for callers that cannot wait. A board without power hears nothing."""
        self._jumped_ms += ms
        while ms > 0:
            step = min(ms, gpio.JUMP_MS_MAX)
            self._say(gpio.jump_line(step))
            ms -= step

    # what the cashier does

    async def open_drawer(self, dwell_ms: int = 60) -> Done:
        """Open it with the key (it may have been kicked open before), wait, push it shut."""
        async with self._hands:
            done = self._did("open_drawer", dwell_ms=dwell_ms)
            await self._play_drawer(self.drawer.open(self.now_ms()))
            await asyncio.sleep(dwell_ms / 1000)
            await self._play_drawer(self.drawer.close(self.now_ms()))
            return done

    async def count_bills(self, rows: Iterable[tuple[int, int]]) -> Done:
        """Put notes [(denomination_cents, pieces)] through the note scanner; returns when its last
        report is on the wire.
        """
        return await self._count("bills", self.bills, rows)

    async def count_coins(self, rows: Iterable[tuple[int, int]]) -> Done:
        """Pour coins [(denomination_cents, pieces)] through the sorter; returns when its last
        report is on the wire.
        """
        return await self._count("coins", self.coins, rows)

    async def key(self, keys: str | Sequence[str]) -> Done:
        """Press keys one after the other: a list of keys, or an action as `ten_key.keys_for` reads
        it ("12.34+").
        """
        presses = keys_for(keys) if isinstance(keys, str) else list(keys)
        async with self._hands:
            done = self._did("key", keys=" ".join(presses))
            for pressed in presses:
                await self._tap([pressed])
            return done

    async def chord(self, keys: Sequence[str]) -> Done:
        """Press several keys at once, ghosts included."""
        async with self._hands:
            done = self._did("chord", keys=" ".join(keys))
            await self._tap(list(keys))
            return done

    async def mark(self, code: str | int, value: int | None = None) -> Done:
        """Key a mark by digit or name (`ten_key.MARKS`), with its value if it has one."""
        return await self.key(mark_keys(str(code), value))

    async def tape_check(self, cents: int) -> Done:
        """Key one check onto the tape; a negative amount takes one back."""
        return await self.key(amount_keys(cents))

    async def tape_total(self) -> Done:
        """The `*` key: the tape's total, declared and cleared."""
        return await self.key(["*"])

    async def wait_beep(self, timeout: float = 5) -> str:
        """The beep that answers the last act: "ok", "error" or "full"; after the timeout "warn" if
        that was all, or "".

        Returns "" at once when the power is cut meanwhile, unless the beep had sounded before. It
        is written into the log.
        """
        done = self._last_act
        heard = ""
        try:
            async with asyncio.timeout(timeout):
                while not heard:
                    self._news.clear()
                    heard = next(
                        (name for _, name in self.beeps[self._heard_before :] if name in ANSWERS),
                        "",
                    )
                    if heard or self._cut_since(done):
                        break
                    await self._news.wait()
        except TimeoutError:
            pass
        if not heard and any(name == "warn" for _, name in self.beeps[self._heard_before :]):
            heard = "warn"
        if done is not None:
            done.beep = heard
            done.was_cut = not heard and self._cut_since(done)
        return heard

    async def recount_until_beep(
        self,
        instrument: str,
        rows: Sequence[tuple[int, int]],
        tries: int = 4,
        timeout: float = 5,
        is_taken: Callable[[], bool] | None = None,
    ) -> list[Done]:
        """Put the money through `bills` or `coins` until the beep is heard, at most `tries` times:
        every try, in order.

        After a power cut it waits for the power, then asks `is_taken` (the cashier looks at the
        display) before counting again.
        """
        attempts: list[Done] = []
        for _ in range(tries):
            attempts.append(
                await (self.count_bills(rows) if instrument == "bills" else self.count_coins(rows))
            )
            if await self.wait_beep(timeout) == "ok":
                break
            if not await self.wait_power(timeout) or (
                attempts[-1].was_cut and is_taken is not None and is_taken()
            ):
                break
        return attempts

    async def wait_power(self, timeout: float = 5) -> bool:
        """True once the board has power, False when it has none for so long."""
        try:
            async with asyncio.timeout(timeout):
                while not self.is_powered:
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            return False
        return True

    # inside: hands

    async def _count(self, name: str, machine: Machine, rows: Iterable[tuple[int, int]]) -> Done:
        rows = list(rows)
        async with self._hands:
            done = self._did("count_" + name, rows=rows)
            before = len(machine.truth.printed)
            began_ms = max(self.now_ms(), self._counting_ms)
            self._counting_ms = count_batch(machine, rows, began_ms)
            machine.pop_output()
            printed = machine.truth.printed[before:]
            done.detail["reports"] = [
                (each.kind, each.batch, each.sub_batch, each.report) for each in printed
            ]
            for number, each in enumerate(printed):
                if number:
                    await asyncio.sleep(self.report_gap_ms / 1000)
                if each.kind == "batch":
                    self._heard_before = len(self.beeps)
                await self._send(self._lines[name], each.sent)
            return done

    async def _tap(self, keys: Sequence[str]) -> None:
        await self._play_pad(self.pad.chord(keys, self.now_ms()))
        await asyncio.sleep(self.key_down_ms / 1000)
        for each in keys:
            await self._play_pad(self.pad.release(each, self.now_ms()))
        await asyncio.sleep(self.key_up_ms / 1000)

    def _did(self, action: str, **detail: Any) -> Done:
        done = Done(self.now_ms(), action, detail)
        self.log.append(done)
        self._last_act = done
        self._heard_before = len(self.beeps)
        return done

    def _cut_since(self, done: Done | None) -> bool:
        """The board has no power, or lost it after the act."""
        later = self.log[self.log.index(done) + 1 :] if done is not None else []
        return not self.is_powered or any(entry.action == "power_cut" for entry in later)

    # inside: wires

    async def _send(self, line: SerialLine, data: bytes) -> None:
        """Send bytes at the machine's pace. If the board has no power, they are lost, but they need
        the same time.
        """
        began = last = _real_ms()
        at = took = 0
        while at < len(data):
            chunk = CHUNK_BYTES_MAX
            if self.byte_rate is not None:
                chunk = min(chunk, (_real_ms() - began + CHUNK_MS) * self.byte_rate // 1000 - at)
            if chunk > 0:
                took = (
                    line.write(data[at : at + chunk])
                    if self.is_powered
                    else len(data[at : at + chunk])
                )
                at += took
                if took:
                    last = _real_ms()
                elif _real_ms() - last > STALL_MS:
                    return
            if self.byte_rate is not None or not chunk or not took:
                await asyncio.sleep((CHUNK_MS if self.byte_rate is not None else FULL_MS) / 1000)

    async def _play_drawer(self, edges: Sequence[Edge]) -> None:
        await self._play([(at_ms, gpio.drawer_line(level)) for at_ms, level in edges])

    async def _play_pad(self, edges: Sequence[ScanEdge]) -> None:
        await self._play([(at_ms, gpio.matrix_line(rows)) for at_ms, rows in edges])

    async def _play(self, lines: Sequence[tuple[int, bytes]]) -> None:
        """Send each line at its time; a jump of the clock meanwhile changes nothing."""
        entered_ms, entered_real_ms = self.now_ms(), _real_ms()
        for at_ms, line in lines:
            wait_ms = (at_ms - entered_ms) - (_real_ms() - entered_real_ms)
            if wait_ms > 0:
                await asyncio.sleep(wait_ms / 1000)
            self._say(line)

    def _say(self, line: bytes) -> None:
        if self.is_powered:
            self._pins.write(line)

    def _say_pins(self) -> None:
        self._say(gpio.drawer_line(self.drawer.level()))
        self._say(gpio.matrix_line(self.pad.rows()))

    def _answer(self, name: str) -> None:
        self.answered[name] += len(self._lines[name].read())

    def _listen(self) -> bool:
        """Read what the board said on the pins' channel; False for nothing."""
        data = self._pins.read()
        for event in self._reader.feed(data):
            if event.kind == "beep":
                self.beeps.append((self.now_ms(), event.text))
            elif event.kind == "kick":
                self._kicked(event.number)
            else:
                (self.display if event.kind == "print" else self.remarks).append(event.text)
                if event.kind == "log" and event.text.startswith("boot"):
                    self._say_pins()  # a board that started again by itself has forgotten them
            self._news.set()
            if self.on_line is not None:
                self.on_line(f"{event.kind} {event.text}")
        return bool(data)

    def _kicked(self, pulse_ms: int) -> None:
        edges = self.drawer.kick(pulse_ms, self.now_ms())
        self.log.append(
            Done(self.now_ms(), "kicked", {"pulse_ms": pulse_ms, "opened": bool(edges)})
        )
        if edges:
            task = asyncio.ensure_future(self._play_drawer(edges))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    def _lose(self) -> None:
        for line in self._lines.values():
            line.lose()
        self._pins.lose()


def _real_ms() -> int:
    return time.monotonic_ns() // 1_000_000
