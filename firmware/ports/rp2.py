"""rp2 boards: Pico W over wireless, W5500-EVB-Pico over wire. Declared, staged, type-checked;
nobody has run it on a board yet.

A flash write runs with interrupts off, and the UART's FIFO is 32 bytes: STOPS_UART makes the app
write only between reports. Source: MicroPython quick reference for the RP2; micropython issue
17236.
"""

import asyncio

import machine
import network
import rp2

from firmware.ports.mcu import McuPorts
from firmware.sectors import SECTOR_BYTES

STOPS_UART = True
NETWORK_TASK = True


class Ports(McuPorts):
    def flash(self):
        journal = self._board.JOURNAL
        return rp2.Flash(start=journal["offset"], len=journal["sectors"] * SECTOR_BYTES)

    async def connect_network(self) -> None:
        """Bring the link up and keep it up; secrets for wireless are in site.json's `wifi`."""
        wiring = self._board.NETWORK
        if wiring["kind"] == "w5500":
            spi = machine.SPI(
                wiring["spi"], baudrate=wiring["baud"], sck=machine.Pin(wiring["sck"]),
                mosi=machine.Pin(wiring["mosi"]), miso=machine.Pin(wiring["miso"]),
            )  # fmt: skip
            # the stubs are of the Pico W
            chip = network.WIZNET5K  # pyright: ignore[reportAttributeAccessIssue]
            nic = chip(spi, machine.Pin(wiring["cs"]), machine.Pin(wiring["reset"]))
            nic.active(True)
        else:
            nic = network.WLAN(network.STA_IF)
            nic.active(True)
            await join_wireless(nic)
        while True:
            if wiring["kind"] != "w5500" and not nic.isconnected():
                await join_wireless(nic)
            await asyncio.sleep(5)


async def join_wireless(nic) -> None:
    """Try to join the access point until it accepts."""
    import json

    with open("site.json") as site_file:
        wifi = json.load(site_file)["wifi"]
    nic.connect(wifi["ssid"], wifi["password"])
    while not nic.isconnected():
        await asyncio.sleep(1)
