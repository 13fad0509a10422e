"""The wiring of one counter controller: ports, drivers, controller, journal, uplink, and the tasks
that move them.

The only module that knows all of them. A task that fails is restarted. The watchdog is fed only
while every task comes round.
"""

import asyncio
import binascii
import gc
import json
import os
import time

from firmware import commands
from firmware.controller import Controller, boot_event
from firmware.drivers.cash_drawer import CashDrawer
from firmware.drivers.registry import driver_for
from firmware.drivers.ten_key import TenKey
from firmware.journal import Journal
from firmware.link import Link
from firmware.uplink import Uplink
from protocol.compat import const

_VERSION = const("0.1.0")

_SCAN_MS = const(5)  # four samples in the pad's 20 ms debounce
_SERIAL_MS = const(10)  # at 9600 baud ten bytes come in this time
_KEEP_MS = const(250)
_READ_BYTES = const(128)
_LINE_CHARS_MAX = const(96)
# starts of a task in a row that ended for want of memory: then a fresh heap is the better bet
_STARVED_MAX = const(8)


def main(board) -> None:
    """Start the controller that `board` (the rendered constants) describes, and never return."""
    ports_module = __import__("firmware.ports." + board.PLATFORM, None, None, ("Ports",))
    with open("site.json") as site_file:
        site = json.load(site_file)
    site["key"] = binascii.unhexlify(site["key_hex"])
    commands.stored_key(site)
    asyncio.run(App(board, site, ports_module.Ports(board), ports_module).run())


class App:
    """One counter controller, wired."""

    def __init__(self, board, site: dict, ports, traits):
        self._ports = ports
        self._traits = traits
        budget = board.BUDGET
        self._journal = Journal(ports.flash())
        self._controller = Controller(self._journal, budget["pending_records"])
        self._uplink = Uplink(self._journal, site, budget)
        self._site = site
        self._log = []
        self._hands = {
            "identify": self._identify,
            "restart": self._restart,
            "log": self._tell_log,
            "rotate": self._rotate,
        }
        self._restarting = False
        self._serial = [(ports.uart(each), self._driver(each), each) for each in board.INSTRUMENTS]
        self._drawer = CashDrawer(board.DRAWER)
        self._pad = TenKey(dict(board.PAD, currency=site["currency"]))
        tasks = {"scan": self._scan, "keep": self._keep}
        for number, each in enumerate(board.INSTRUMENTS):
            tasks[each["name"]] = lambda number=number: self._listen(number)
        tasks["link"] = Link(
            self._uplink,
            site,
            budget["backoff_ms"],
            ports.uptime_ms,
            lambda: self._progress("link"),
            self._note,
        ).run
        # how often each task came round since the watchdog was fed
        self._turns = dict.fromkeys(tasks, 0)
        if traits.NETWORK_TASK:
            tasks["network"] = ports.connect_network
        self._tasks = tasks
        self._take([boot_event(board, ports.reset_cause(), _VERSION, self._journal, os.urandom(4))])
        self._ports.show(self._controller.last_count() or "ready")

    async def run(self) -> None:
        """Run every task for ever."""
        self._commit()
        self._note(
            "boot %d epoch %d seq %d"
            % (self._journal.boot, self._journal.epoch, self._journal.last_seq)
        )
        for name, task in self._tasks.items():
            asyncio.create_task(self._supervise(name, task))
        while True:
            await asyncio.sleep_ms(_KEEP_MS)
            if all(self._turns.values()):
                self._turns = dict.fromkeys(self._turns, 0)
                self._ports.feed_watchdog()

    async def _supervise(self, name: str, task) -> None:
        starved = 0
        while True:
            try:
                await task()
                return
            except Exception as error:  # a task's top: said, and the task starts again
                gc.collect()
                starved = starved + 1 if isinstance(error, MemoryError) else 0
                try:
                    self._note("task %s restarts: %r" % (name, error))
                except MemoryError:
                    pass  # not even room to say so
            if starved >= _STARVED_MAX:
                self._ports.restart()
            await asyncio.sleep_ms(500)

    # ---- tasks ----

    async def _scan(self) -> None:
        """The drawer and the pad."""
        ports = self._ports
        while True:
            now = time.ticks_ms()
            ports.service()
            events = self._drawer.level(ports.drawer_level(), now)
            events.extend(self._drawer.poll(now))
            events.extend(self._pad.scan(ports.pad_rows(), now))
            self._take(events)
            self._commit()
            # after the commit: a line that the cashier reads is on flash
            self._signal(self._pad.pop_signals())
            self._progress("scan")
            await asyncio.sleep_ms(_SCAN_MS)

    async def _listen(self, number: int) -> None:
        """One serial line. What a machine said is put on flash first; only after that is the
        machine answered.

        A credit that flash refused is not acknowledged. When there is room again, its driver starts
        again from the last count on flash.
        """
        buf = bytearray(_READ_BYTES)
        while True:
            uart, driver, each = self._serial[number]
            size = uart.readinto(buf)
            now = time.ticks_ms()
            events = driver.feed(bytes(buf[:size]), now) if size else []
            events.extend(driver.poll(now))
            self._take(events)
            self._commit()
            controller = self._controller
            if controller.unwritten and driver.asks and controller.forget(_names(each)):
                self._serial[number] = uart, self._driver(each), each
                await self._wait_for_room(uart, buf, each["name"])
            elif not controller.waiting:
                answer = driver.pop_output()
                if answer:
                    uart.write(answer)
            self._progress(each["name"])
            if size < _READ_BYTES:
                await asyncio.sleep_ms(_SERIAL_MS)
            else:
                await asyncio.sleep_ms(0)

    async def _wait_for_room(self, uart, buf, name: str) -> None:
        """Ask the machine nothing, and hear nothing, until the journal accepts records again."""
        while True:
            await asyncio.sleep_ms(_KEEP_MS)
            uart.readinto(buf)
            self._progress(name)
            if self._journal.room():
                return

    async def _keep(self) -> None:
        """Housekeeping: slow flash work while the instruments are idle, refusals, the heap."""
        uplink = self._uplink
        while True:
            if not (self._busy() or self._pad.busy):
                self._journal.tidy()
                self._obey()
            self._take(self._controller.refusals())
            for _, driver, _ in self._serial:
                driver.allow(self._journal.room() > 0)
            uplink.heap_free = gc.mem_free()  # without collecting first: garbage counts as used
            uplink.heap_low = min(uplink.heap_low or uplink.heap_free, uplink.heap_free)
            uplink.status = "alive" if self._journal.room() else "journal_full"
            self._progress("keep")
            await asyncio.sleep_ms(_KEEP_MS)

    # ---- what the tasks share ----

    def _driver(self, each: dict):
        """The driver of one line. For every instrument on that line it goes on after the last tally
        on flash.
        """
        driver = driver_for(each["driver"])(each["name"], each["settings"], self._site["currency"])
        for name in _names(each):
            if name == each["name"]:
                driver.resume(self._controller.last_batch(name))
            else:
                driver.resume(self._controller.last_batch(name), name)
        return driver

    def _busy(self) -> bool:
        return any(driver.busy for _, driver, _ in self._serial)

    def _take(self, events: list) -> None:
        if events:
            uptime_ms = self._ports.uptime_ms()
            self._signal(self._controller.take(events, uptime_ms, self._uplink.utc_ms(uptime_ms)))

    def _commit(self) -> None:
        """Put the waiting records on flash, and beep only then. If writing flash stops the UARTs,
        do it between reports.

        If memory runs out meanwhile, nobody knows whether the record is whole. A restart finds out,
        as after a power cut.
        """
        if self._controller.waiting and not (self._traits.STOPS_UART and self._busy()):
            try:
                signals = self._controller.commit()
            except MemoryError:
                self._ports.restart()
            else:
                self._signal(signals)

    def _signal(self, signals: list) -> None:
        for beep, text in signals:
            if beep:
                self._ports.beep(beep)
            if text:
                self._ports.show(text)

    # ---- what the back office may ask ----

    def _obey(self) -> None:
        command = self._uplink.command
        if command is None or self._controller.waiting or not self._journal.room():
            return
        self._uplink.command = None
        answer = commands.obey(command, self._journal, self._hands)
        if answer is None:
            return
        self._note("command %d %s: %s" % (answer["counter"], answer["verb"], answer["outcome"]))
        self._take([answer])
        self._commit()
        if self._restarting:
            self._ports.restart()

    def _identify(self, _command: dict) -> tuple:
        self._signal([("identify", "this is " + self._site["device"])])
        return "done", "", ()

    def _restart(self, _command: dict) -> tuple:
        self._restarting = True  # once the record that says so is on flash
        return "done", "", ()

    def _tell_log(self, _command: dict) -> tuple:
        return "done", "", self._log

    def _rotate(self, command: dict) -> tuple:
        number = int(command["argument"]) if command["argument"].isdigit() else 0
        if number != self._site["key_number"] + 1:
            return (
                "refused",
                "holds key %d, asked for key %d" % (self._site["key_number"], number),
                (),
            )
        commands.rotated_key(self._site, number, command["nonce"])
        self._uplink.use_key(self._site["key"], number)
        return "done", "", ()

    def _progress(self, name: str) -> None:
        self._turns[name] += 1

    def _note(self, line: str) -> None:
        """A log line: printed on the console, and kept for the back office to ask for."""
        self._ports.remark(line[:_LINE_CHARS_MAX])
        self._log = (self._log + [line])[-commands.LOG_LINES_MAX :]


def _names(each: dict) -> list:
    """The instruments on one line: its own, and those of the setting `also`."""
    return [each["name"]] + [other["name"] for other in each["settings"].get("also") or ()]
