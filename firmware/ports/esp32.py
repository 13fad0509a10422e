"""esp32 boards with wired Ethernet: wESP32 and ESP32-POE. Declared, staged, type-checked; nobody
has run it on a board yet.

Source: MicroPython quick reference for the ESP32, "Wired networking"; esp32.Partition.
"""

import asyncio

import network
from esp32 import Partition
from machine import Pin

from firmware.journal import JournalError
from firmware.ports.mcu import McuPorts

STOPS_UART = False  # the UART interrupt runs from RAM while flash is written
NETWORK_TASK = True


class Ports(McuPorts):
    def flash(self):
        """The data partition that boards.toml names; it must be in the board's partition table."""
        label = self._board.JOURNAL["partition"]
        found = Partition.find(Partition.TYPE_DATA, label=label)
        if not found:
            raise JournalError(
                "journal: no data partition %r; flash the partition table that docs/boards.md names"
                % label
            )
        return found[0]

    async def connect_network(self) -> None:
        """Bring the wired link up; DHCP gives the address."""
        wiring = self._board.NETWORK
        arguments = {
            "mdc": Pin(wiring["mdc"]), "mdio": Pin(wiring["mdio"]),
            "phy_type": getattr(network, wiring["phy_type"]), "phy_addr": wiring["phy_addr"],
        }  # fmt: skip
        if "power" in wiring:
            arguments["power"] = Pin(wiring["power"])
        if "ref_clk" in wiring:
            arguments["ref_clk"] = Pin(wiring["ref_clk"])
            arguments["ref_clk_mode"] = Pin.OUT if wiring["ref_clk_mode"] == "out" else Pin.IN
        nic = network.LAN(**arguments)
        nic.active(True)
        while True:
            await asyncio.sleep(5)
