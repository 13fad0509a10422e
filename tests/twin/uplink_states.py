"""The uplink against a gateway of ten lines, over a line that drops, repeats and reorders: all
arrives, in order, once.
"""

from firmware.journal import SECTOR_BYTES, Journal
from firmware.uplink import Uplink
from protocol import messages, seal
from protocol.topics import kid, topic

KEY = b"k" * 32
IDENTITY = {"site": "city", "device": "w1", "key": KEY, "key_number": 1}
LIMITS = {"window_records": 16, "heartbeat_ms": 5000, "resend_ms": 800}
ACK = topic("city", "w1", "ack")


class Ram:
    def __init__(self, sectors):
        self.sectors = [bytearray(b"\xff" * SECTOR_BYTES) for _ in range(sectors)]

    def ioctl(self, op, arg):
        if op == 6:
            self.sectors[arg][:] = b"\xff" * SECTOR_BYTES
        return len(self.sectors) if op == 4 else 0

    def readblocks(self, n, buf, offset):
        buf[:] = self.sectors[n][offset : offset + len(buf)]

    def writeblocks(self, n, buf, offset):
        end, big = offset + len(buf), int.from_bytes  # one large number: a loop takes far longer
        both = big(self.sectors[n][offset:end], "big") & big(buf, "big")
        self.sectors[n][offset:end] = both.to_bytes(len(buf), "big")


class Dice:
    """The same dice on both interpreters."""

    def __init__(self, seed):
        self.state = seed

    def roll(self, sides):
        self.state = (self.state * 1103515245 + 12345) & 0x7FFFFFFF
        return (self.state >> 12) % sides


class Gateway:
    def __init__(self):
        self.high_water = 0
        self.taken = []
        self.utc_ms = 1000

    def accept(self, name, sealed):
        """The sealed ack for one message of the device, or None for a heartbeat that says lost."""
        self.utc_ms += 1
        _, payload = seal.open_seal(sealed, name, lambda _: KEY)
        want = 0
        if name.endswith("/ev"):
            event = messages.decode_events(payload)
            uptime_ms = event["sent_uptime_ms"]
            for number, record in enumerate(event["records"]):
                if event["first_seq"] + number == self.high_water + 1:
                    self.high_water += 1
                    self.taken.append(record)
            if event["first_seq"] > self.high_water + 1:
                want = self.high_water + 1
        else:
            event = messages.decode_state(payload)
            uptime_ms = event["uptime_ms"]
        return self.ack(event["epoch"], want, event["boot"], uptime_ms)

    def ack(self, epoch, want, boot, uptime_ms):
        payload = messages.encode_ack(
            {
                "epoch": epoch, "high_water": self.high_water, "want_from": want, "want_to": want,
                "ledger_n": 1, "ledger_head": bytes(32), "utc_ms": self.utc_ms, "echo_boot": boot,
                "echo_uptime_ms": uptime_ms, "fingerprint": bytes(8),
            }
        )  # fmt: skip
        return seal.seal(KEY, kid("w1", 1), ACK, payload)


def history(seed):
    dice = Dice(seed)
    journal = Journal(Ram(6), lambda: 9)
    uplink = Uplink(journal, IDENTITY, LIMITS)
    gateway = Gateway()
    made = []
    line = []
    back = []
    now = 0
    while journal.acked < 120 and now < 600000:
        now += 50
        if len(made) < 120 and dice.roll(4) == 0:
            made.append(b"record %d %d" % (seed, len(made)))
            journal.append(made[-1])
        if not uplink.online and dice.roll(20) == 0:
            uplink.connected(now)
        elif uplink.online and dice.roll(100) == 0:
            uplink.online = False
            line = []
        message = uplink.poll(now, now)
        while message is not None:
            for _ in range((0, 1, 1, 1, 2)[dice.roll(5)]):
                line.insert(dice.roll(len(line) + 1), message)
            message = uplink.poll(now, now)
        while line and dice.roll(3):
            name, sealed, _ = line.pop(0)
            back.append(gateway.accept(name, sealed))
        while back and dice.roll(3):
            ack = back.pop(dice.roll(len(back)))
            if dice.roll(6):
                uplink.message(ACK, ack, now, now)
    return made == gateway.taken, journal.acked == len(made), now


def hostile():
    journal = Journal(Ram(3), lambda: 9)
    journal.append(b"one")
    uplink = Uplink(journal, IDENTITY, LIMITS)
    gateway = Gateway()
    gateway.high_water = 1
    good = gateway.ack(9, 0, 1, 0)
    forged = good[:-1] + bytes([good[-1] ^ 1])
    other_topic = seal.seal(
        KEY, kid("w1", 1), topic("city", "w2", "ack"), seal.open_seal(good, ACK, lambda _: KEY)[1]
    )
    gateway.high_water = 7
    ahead = gateway.ack(9, 0, 1, 0)
    other_epoch = gateway.ack(10, 0, 1, 0)
    for name, sealed in (
        ("forged", forged),
        ("other topic", other_topic),
        ("ahead", ahead),
        ("epoch", other_epoch),
        ("noise", b"x"),
    ):
        print(name, uplink.message(ACK, sealed, 0, 0), journal.acked)
    print("good", uplink.message(ACK, good, 0, 0), journal.acked, "refused", uplink.refused)
    print("utc", uplink.utc_ms(500))


def freshness():
    """No clock of the gateway's decides what is new: our own uptime does, echoed, where an ack
    takes something back.
    """
    journal = Journal(Ram(3), lambda: 9)
    for number in range(9):
        journal.append(b"record %d" % number)
    uplink = Uplink(journal, IDENTITY, LIMITS)
    gateway = Gateway()
    boot = journal.boot
    for name, utc_ms, high_water, echo_boot, echo_ms in (
        ("first", 5000, 4, boot, 100),
        ("clock set back, higher", 1000, 6, boot, 200),
        ("clock set back, the same", 900, 6, boot, 250),
        ("higher, answers nothing", 800, 7, 0, 0),
        ("lower, older echo", 9000, 5, boot, 200),
        ("lower, the same echo", 9000, 5, boot, 250),
        ("lower, answers nothing", 9000, 5, 0, 0),
        ("lower, echo of another boot", 9000, 5, boot + 1, 9000),
        ("restored from a backup", 700, 3, boot, 300),
        ("higher again, late", 600, 8, boot, 220),
        ("lower, older than the newest echo", 9000, 2, boot, 299),
    ):
        gateway.utc_ms = utc_ms
        gateway.high_water = high_water
        print(
            name, uplink.message(ACK, gateway.ack(9, 0, echo_boot, echo_ms), 0, 400), journal.acked
        )
    print("refused", uplink.refused)


def main():
    whole = 0
    for seed in range(1, 41):
        same, acked, now = history(seed)
        whole += same and acked
        if not (same and acked):
            print("seed", seed, "same", same, "acked", acked, "now", now)
    print("histories whole:", whole, "of 40")
    hostile()
    freshness()


main()
