"""A device's core: controller, journal, uplink and commands over a flash in RAM. Runs on both
interpreters.

Every call has plain values in and out. So a history that was played on CPython can be played again
on MicroPython and compared call by call (tests/world/replay.py).
"""

from firmware import commands
from firmware.controller import Controller
from firmware.journal import SECTOR_BYTES, Journal
from firmware.uplink import Uplink
from protocol import seal
from protocol.topics import kid

PAGE_BYTES = 256
POLLS_MAX = 64  # messages that one turn may send
BLANK = b"\xff" * SECTOR_BYTES


class Cut(Exception):
    """The power failed in the middle of a flash operation."""


class Flash:
    """NOR flash: programming clears bits. `cut_in` operations from now (0: never) the power fails.

    `torn` up to 256: so much of 256 is done, from the front. Above: any bits are, in a pattern
    drawn from it. Weak bits are not in here: the proof of power cuts has them and cuts at every
    operation (tests/proof/powercut.py).
    """

    def __init__(self, sectors):
        self.content = [bytearray(BLANK) for _ in range(sectors)]
        self.cut_in = 0
        self.torn = 0

    def ioctl(self, kind, arg):
        if kind == 6:
            if self._is_cut():
                self._tear(arg, 0, BLANK)
                raise Cut()
            self.content[arg][:] = BLANK
        return len(self.content) if kind == 4 else 0

    def readblocks(self, sector, buf, offset):
        buf[:] = self.content[sector][offset : offset + len(buf)]

    def writeblocks(self, sector, buf, offset):
        size = len(buf)
        before = int.from_bytes(self.content[sector][offset : offset + size], "big")
        now = (before & int.from_bytes(buf, "big")).to_bytes(size, "big")
        if self._is_cut():
            self._tear(sector, offset, now)
            raise Cut()
        self.content[sector][offset : offset + size] = now

    def _tear(self, sector, offset, wanted):
        """Some of the bits that were to change have changed."""
        content = self.content[sector]
        if self.torn <= PAGE_BYTES:
            size = len(wanted) * self.torn // PAGE_BYTES
            content[offset : offset + size] = wanted[:size]
            return
        dice = self.torn
        for at in range(len(wanted)):
            dice = (dice * 1103515245 + 12345) & 0x3FFFFFFF  # a small integer in MicroPython too
            mask = dice >> 16 & 0xFF
            content[offset + at] = content[offset + at] & ~mask | wanted[at] & mask

    def _is_cut(self):
        if self.cut_in:
            self.cut_in -= 1
            return self.cut_in == 0
        return False


class Core:
    """One board. `power_on` first, and again after every Cut; everything that is not on flash or
    in `stored` is lost then.
    """

    def __init__(self, site, device, key, key_number, limits, sectors, pending):
        self.flash = Flash(sectors)
        self.staged = {"site": site, "device": device, "key": key, "key_number": key_number}
        self.journal = None
        self.stored = None  # the key that a rotation stored in the file system
        self.limits = limits
        self.pending = pending
        self.is_old = False  # of before version 2 of `ev`: it overhears that a gateway reads that

    def power_on(self, epoch, cut_in, torn):
        """[epoch, boot, last seq, last count on the display]; the flash will fail `cut_in`
        operations from now (0: never).

        epoch  32 random bits: the life's number on blank flash, and this start's nonce
        """
        self.flash.cut_in = cut_in
        self.flash.torn = torn
        self.identity = dict(self.staged)
        if self.stored and self.stored["key_number"] > self.staged["key_number"]:
            self.identity.update(self.stored)
        self.journal = Journal(self.flash, lambda: epoch)
        self.controller = Controller(self.journal, self.pending)
        self.uplink = Uplink(self.journal, self.identity, self.limits)
        self.controller.take(
            [
                {
                    "kind": "boot", "reset_cause": "power_on", "firmware": "0", "board": "world",
                    "lowest_kept": self.journal.lowest_kept, "acked": self.journal.acked,
                    "start_nonce": epoch.to_bytes(4, "big"),
                }
            ],
            0,
            0,
        )  # fmt: skip
        self.controller.commit()
        return [
            self.journal.epoch,
            self.journal.boot,
            self.journal.last_seq,
            self.controller.last_count(),
        ]

    def plan_cut(self, cut_in, torn):
        self.flash.cut_in = cut_in
        self.flash.torn = torn

    def wipe(self):
        """Another board, or this one with blank flash."""
        self.flash.cut_in = 0
        for (
            sector
        ) in self.flash.content:  # in place: MicroPython's heap has no room for another one
            sector[:] = BLANK

    def flash_key(self, key, key_number):
        """What `till flash` does: site.json with this key."""
        self.staged = dict(self.staged, key=key, key_number=key_number)

    def count(self, batch_id, cents, pieces, uptime_ms):
        """The beeps of one batch."""
        event = {
            "kind": "tally", "instrument": "coins", "batch_id": batch_id, "currency": "USD",
            "rows": [(cents, pieces)], "total_minor": cents * pieces,
            "machine_time": "2026-11-23 09:14:59.9999", "digest": b"digested", "evidence": "guess",
            "rejects": [(1, 1), (2, 1), (3, 1), (6, 1)],
        }  # fmt: skip
        signals = self.controller.take([event], uptime_ms, self.uplink.utc_ms(uptime_ms))
        signals += self.controller.commit()
        return [beep for beep, _ in signals if beep]

    def crowd(self, batch_ids, cents, uptime_ms):
        """Several instruments at once, faster than flash: [how many waited, beep or "" of each]."""
        events = [
            {
                "kind": "tally", "instrument": "notes", "batch_id": batch_id, "currency": "USD",
                "rows": [(cents, 1)], "total_minor": cents, "evidence": "guess",
            }
            for batch_id in batch_ids
        ]  # fmt: skip
        refused = self.controller.take(events, uptime_ms, self.uplink.utc_ms(uptime_ms))
        waited = self.controller.waiting
        return [waited, [beep for beep, _ in self.controller.commit() + refused]]

    def keep(self, uptime_ms):
        """Housekeeping as in the app: slow flash steps, refusals, a waiting command."""
        self.journal.tidy()
        self.controller.take(self.controller.refusals(), uptime_ms, self.uplink.utc_ms(uptime_ms))
        self.controller.commit()
        command = self.uplink.command
        if command is None or not self.journal.room():
            return []
        self.uplink.command = None
        hands = {"identify": self._identify, "rotate": self._rotate}
        answer = commands.obey(command, self.journal, hands)
        if answer is None:
            return []
        self.controller.take([answer], uptime_ms, self.uplink.utc_ms(uptime_ms))
        self.controller.commit()
        return [answer["counter"], answer["verb"], answer["outcome"]]

    def _identify(self, _):
        return "done", "", ()

    def _rotate(self, command):
        number = int(command["argument"])
        if number != self.identity["key_number"] + 1:
            return "refused", "", ()
        key = seal.next_key(
            self.identity["key"], kid(self.identity["device"], number), command["nonce"]
        )
        self.stored = {"key": key, "key_number": number}
        self.identity.update(self.stored)
        self.uplink.use_key(key, number)
        return "done", "", ()

    def connect(self, is_online, now_ms):
        if is_online:
            self.uplink.connected(now_ms)
        else:
            self.uplink.online = False

    def will(self, uptime_ms):
        return self.uplink.will(uptime_ms)

    def poll(self, now_ms, uptime_ms):
        """[[topic, sealed, retain], ...] of all that is due."""
        messages = []
        while len(messages) < POLLS_MAX:
            message = self.uplink.poll(now_ms, uptime_ms)
            if message is None:
                break
            messages.append(list(message))
        return messages

    def message(self, topic, sealed, now_ms, uptime_ms):
        """[accepted, acked, last accepted command]"""
        taken = self.uplink.message(topic, sealed, now_ms, uptime_ms)
        if self.is_old:
            self.uplink._packs = False
        return [taken, self.journal.acked, self.journal.command]
