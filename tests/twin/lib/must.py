"""Shared by the scripts that prove statements of docs/protocol.md: a runner, a refusal, flash in
RAM, sealed messages.
"""

import gc

from firmware.sectors import SECTOR_BYTES
from protocol import messages, seal
from protocol.compat import ProtocolError
from protocol.topics import kid, topic

KEY = b"k" * 32
IDENTITY = {"site": "city", "device": "w1", "key": KEY, "key_number": 1}
LIMITS = {"window_records": 16, "heartbeat_ms": 5000, "resend_ms": 800}
EV, STATE, ACK, CMD = [topic("city", "w1", leaf) for leaf in ("ev", "state", "ack", "cmd")]


def run(statements):
    """One line for each (id, function, arguments ...); a function that raises breaks its
    statement.
    """
    for row in statements:
        gc.collect()  # the sectors of the statement before are one piece each
        try:
            row[1](*row[2:])
            print(row[0], "holds")
        except Exception as error:
            print(row[0], "is broken:", repr(error))


def refused(reason: str, function, *arguments):
    """`function` refuses, and says `reason`."""
    try:
        function(*arguments)
    except ProtocolError as error:
        assert reason in str(error), str(error)
        return
    raise AssertionError("taken: %r" % (arguments,))


class PowerCut(Exception):
    pass


class Ram:
    """NOR flash: bits only fall until an erase. At step `cut_at` (a program or erase) half is done
    and the power fails.
    """

    def __init__(self, sectors=4):
        self.sectors = [bytearray(b"\xff" * SECTOR_BYTES) for _ in range(sectors)]
        self.cut_at = -1
        self.steps = 0
        self.erases = 0

    def ioctl(self, op, arg):
        if op == 6:
            torn = self._step()
            self.erases += 1
            half = SECTOR_BYTES // 2 if torn else SECTOR_BYTES
            self.sectors[arg][:half] = b"\xff" * half
            if torn:
                raise PowerCut()
        return len(self.sectors) if op == 4 else 0

    def readblocks(self, n, buf, offset):
        buf[:] = self.sectors[n][offset : offset + len(buf)]

    def writeblocks(self, n, buf, offset):
        torn = self._step()
        size = len(buf)
        if torn:
            used = [i for i in range(size) if buf[i] != 0xFF]
            size = (used[0] + used[-1]) // 2 if used else size
        end, big = offset + size, int.from_bytes  # one large number: a loop takes far longer
        both = big(self.sectors[n][offset:end], "big") & big(bytes(buf[:size]), "big")
        self.sectors[n][offset:end] = both.to_bytes(size, "big")
        if torn:
            raise PowerCut()

    def _step(self):
        self.steps += 1
        return self.steps == self.cut_at


def an_ack(high_water, **more):
    """A sealed acknowledgement of epoch 9 for w1."""
    fields = {
        "epoch": 9, "high_water": high_water, "want_from": 0, "want_to": 0, "ledger_n": 1,
        "ledger_head": bytes(32), "utc_ms": 1000, "echo_boot": 0, "echo_uptime_ms": 0,
        "fingerprint": bytes(8),
    }  # fmt: skip
    fields.update(more)
    return seal.seal(KEY, kid("w1", 1), ACK, messages.encode_ack(fields))


def opened(message):
    """The decoded payload of what an uplink published: (topic, sealed, retain)."""
    name, sealed, _ = message
    _, payload = seal.open_seal(sealed, name, lambda _: KEY)
    return messages.decode_events(payload) if name == EV else messages.decode_state(payload)
