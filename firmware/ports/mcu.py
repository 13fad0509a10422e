"""What rp2 and esp32 boards share: pins, UARTs, beeper and watchdog through `machine`. Nobody has
run this on a board yet.

Source: MicroPython library reference, `machine`.
"""

import time

import machine

from firmware.drivers.base import ticks_add, ticks_diff
from protocol.compat import const

_RX_BYTES = const(
    4096
)  # 4.2 s at 9600 baud: a signature in a TLS handshake stops the loop for about 2 s (estimated)
_WATCHDOG_MS = const(8000)  # rp2 allows 8388 at most
_SETTLE_US = const(5)  # a driven matrix row has to pull the column's wire
_KICK_MS_MAX = const(510)  # drawers name this limit for their solenoid
# milliseconds on, off, on ...: patterns that sound different
_BEEPS = {
    "ok": (80,),
    "warn": (80, 80, 80),
    "error": (400, 100, 400),
    "start": (30,),
    "full": (600,),
    "identify": (80, 80, 80, 80, 400),
}


class McuPorts:
    """Pins and UARTs of a board described by its rendered constants."""

    def __init__(self, board):
        self._board = board
        drawer = board.DRAWER
        self._drawer = machine.Pin(drawer["pin"], machine.Pin.IN, machine.Pin.PULL_UP)
        self._kick = None
        if drawer.get("kick_pin") is not None:
            self._kick = machine.Pin(drawer["kick_pin"], machine.Pin.OUT, value=0)
        self._kick_until = None
        self._beeper = (
            machine.Pin(board.BEEPER, machine.Pin.OUT, value=0)
            if board.BEEPER is not None
            else None
        )
        self._beeps = []
        self._beep_due = 0
        self._rows, self._cols = self._pad_pins(board.PAD)
        self._bits = [0] * len(self._rows)
        self._uptime_ms = 0
        self._ticks = time.ticks_ms()
        self._watchdog = None

    def _pad_pins(self, pad: dict) -> tuple:
        """Rows are driven low one at a time through open drains, columns are pulled up. So two keys
        pressed at once make no short circuit.
        """
        if "expander" in pad:
            expander = Expander(pad["expander"], len(pad["rows"]), len(pad["cols"]))
            return expander.rows, expander.cols
        rows = [machine.Pin(pin, machine.Pin.OPEN_DRAIN, value=1) for pin in pad["rows"]]
        cols = [machine.Pin(pin, machine.Pin.IN, machine.Pin.PULL_UP) for pin in pad["cols"]]
        return rows, cols

    def uart(self, instrument: dict):
        parity = {"none": None, "even": 0, "odd": 1}[instrument["parity"]]
        uart = machine.UART(
            instrument["uart"], baudrate=instrument["baud"], bits=instrument["bits"], parity=parity,
            stop=instrument["stop"], tx=instrument["tx"], rx=instrument["rx"], rxbuf=_RX_BYTES,
            timeout=0,
        )  # fmt: skip
        return Serial(uart)

    def service(self) -> None:
        """Step the beeper and end a kick; called once a scan."""
        now = time.ticks_ms()
        if self._kick_until is not None and ticks_diff(now, self._kick_until) >= 0:
            self._kick.value(0)
            self._kick_until = None
        if self._beeps and ticks_diff(now, self._beep_due) >= 0:
            on, ms = self._beeps.pop(0)
            self._beeper.value(on)
            self._beep_due = ticks_add(now, ms)

    def pad_rows(self) -> list:
        for number, row in enumerate(self._rows):
            row.value(0)
            time.sleep_us(_SETTLE_US)
            bits = 0
            for col, pin in enumerate(self._cols):
                if not pin.value():
                    bits |= 1 << col
            row.value(1)
            self._bits[number] = bits
        return self._bits

    def drawer_level(self) -> int:
        return self._drawer.value()

    def kick(self, ms: int) -> None:
        if self._kick is not None:
            self._kick.value(1)
            self._kick_until = ticks_add(time.ticks_ms(), min(ms, _KICK_MS_MAX))

    def beep(self, name: str) -> None:
        if self._beeper is None:
            return
        on = 1
        for ms in _BEEPS[name]:
            self._beeps.append((on, ms))
            on = 1 - on
        self._beeps.append((0, 80))

    def show(self, text: str) -> None:
        print(text)  # the board's console; a display is not among the declared boards' parts

    def remark(self, text: str) -> None:
        print(text)

    def uptime_ms(self) -> int:
        now = time.ticks_ms()
        self._uptime_ms += ticks_diff(now, self._ticks)
        self._ticks = now
        return self._uptime_ms

    def reset_cause(self) -> str:
        names = {
            "PWRON_RESET": "power_on",
            "HARD_RESET": "hard",
            "WDT_RESET": "watchdog",
            "SOFT_RESET": "soft",
        }
        cause = machine.reset_cause()
        for constant, name in names.items():
            if getattr(machine, constant, None) == cause:
                return name
        return "unknown"

    def restart(self) -> None:
        machine.reset()

    def feed_watchdog(self) -> None:
        if (
            self._watchdog is None
        ):  # armed by the first full round of all tasks, so that a slow start is not a reset loop
            self._watchdog = machine.WDT(timeout=_WATCHDOG_MS)
        self._watchdog.feed()


class Serial:
    """A machine.UART whose readinto gives 0 instead of None."""

    def __init__(self, uart):
        self._uart = uart

    def readinto(self, buf) -> int:
        waiting = self._uart.any()
        return (self._uart.readinto(buf, min(waiting, len(buf))) or 0) if waiting else 0

    def write(self, data: bytes) -> None:
        self._uart.write(data)


class Expander:
    """An MCP23017 on I2C for boards without enough free pins: rows on port A, columns on port B.

    Source: Microchip MCP23017 data sheet DS20001952, registers IODIRA 00, GPPUB 0D, GPIOB 13, OLATA
    14 (BANK = 0).
    """

    def __init__(self, wiring: dict, rows: int, cols: int):
        self._i2c = machine.I2C(
            wiring["i2c"], sda=machine.Pin(wiring["sda"]), scl=machine.Pin(wiring["scl"])
        )
        self._address = wiring["address"]
        self._i2c.writeto_mem(self._address, 0x0D, bytes(((1 << cols) - 1,)))
        self._i2c.writeto_mem(self._address, 0x14, b"\x00")
        self._i2c.writeto_mem(self._address, 0x00, b"\xff")
        self.rows = [ExpanderRow(self, 1 << bit) for bit in range(rows)]
        self.cols = [ExpanderCol(self, 1 << bit) for bit in range(cols)]

    def drive(self, mask: int) -> None:
        """Pull the rows in `mask` low by making them outputs; all others float."""
        self._i2c.writeto_mem(self._address, 0x00, bytes((0xFF & ~mask,)))

    def columns(self) -> int:
        return self._i2c.readfrom_mem(self._address, 0x13, 1)[0]


class ExpanderRow:
    def __init__(self, expander: Expander, mask: int):
        self._expander = expander
        self._mask = mask

    def value(self, level: int) -> None:
        self._expander.drive(0 if level else self._mask)


class ExpanderCol:
    def __init__(self, expander: Expander, mask: int):
        self._expander = expander
        self._mask = mask

    def value(self) -> int:
        return 1 if self._expander.columns() & self._mask else 0
