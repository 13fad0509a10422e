"""Commands and Key rotation of docs/protocol.md on a device, statement by statement."""

import binascii

from firmware import commands
from firmware.journal import Journal, JournalError, JournalFull
from firmware.uplink import Uplink
from must import ACK, CMD, IDENTITY, KEY, LIMITS, STATE, Ram, an_ack, opened, run
from protocol import messages, seal
from protocol.topics import kid, topic


def a_command(counter, **more):
    fields = {
        "epoch": 9,
        "counter": counter,
        "nonce": b"n" * 16,
        "verb": "identify",
        "argument": "",
    }
    fields.update(more)
    return seal.seal(KEY, kid("w1", 1), CMD, messages.encode_command(fields))


def world():
    journal = Journal(Ram(4), lambda: 9)
    uplink = Uplink(journal, IDENTITY, LIMITS)
    uplink.connected(0)
    return journal, uplink


def told(uplink, sealed, name=CMD):
    return uplink.message(name, sealed, 0, 0)


def other_epoch():
    _, uplink = world()
    for epoch in (8, 10, 2**32 - 1):
        assert not told(uplink, a_command(1, epoch=epoch)) and uplink.command is None
    assert told(uplink, a_command(1)) and uplink.command["counter"] == 1


def not_above():
    journal, uplink = world()
    journal.note_command(5)
    for counter in (1, 4, 5):
        assert not told(uplink, a_command(counter)) and uplink.command is None
    assert uplink.refused == 3
    assert told(uplink, a_command(6))


def on_flash_first():
    """When the hand is called, another start of this flash finds the counter already."""
    flash = Ram(4)
    journal = Journal(flash, lambda: 9)
    found = []

    def hand(command):
        copy = Ram(4)
        copy.sectors = [bytearray(sector) for sector in flash.sectors]
        found.append(Journal(copy, lambda: 9).command)
        return "done", "", ()

    commands.obey({"counter": 7, "verb": "identify"}, journal, {"identify": hand})
    assert found == [7]


class Refuses:
    def __init__(self, error):
        self.error = error

    def note_command(self, counter):
        raise self.error


def nothing_without_flash():
    done = []
    for error in (JournalFull("full"), JournalError("worn")):
        answer = commands.obey(
            {"counter": 1, "verb": "identify"}, Refuses(error), {"identify": done.append}
        )
        assert answer is None
    assert done == []


def answer_of(hand, verb="identify"):
    journal, _ = world()
    return commands.obey({"counter": 3, "verb": verb}, journal, {"identify": hand})


def answered():
    answer = answer_of(lambda command: ("done", "", ["a", "b"]))
    assert (answer["kind"], answer["counter"], answer["verb"], answer["outcome"]) == (
        "command",
        3,
        "identify",
        "done",
    )
    assert answer["lines"] == ["a", "b"]


def cannot():
    for verb in ("restart", "log", "rotate"):
        assert answer_of(None, verb)["outcome"] == "refused"


def no_file_system():
    def hand(command):
        raise OSError(28)

    assert answer_of(hand)["outcome"] == "failed"


def in_the_heartbeat():
    journal, uplink = world()
    assert opened(uplink.poll(0, 0))["command"] == 0
    journal.note_command(12)
    uplink.connected(0)
    message = uplink.poll(0, 0)
    assert message[0] == STATE and opened(message)["command"] == 12


def new_epoch():
    flash = Ram(4)
    Journal(flash, lambda: 9).note_command(40)
    for sector in flash.sectors:
        sector[:] = b"\xff" * len(sector)
    assert Journal(flash, lambda: 10).command == 0


def forged():
    _, uplink = world()
    payload = seal.open_seal(a_command(1), CMD, lambda _: KEY)[1]
    for sealed in (
        a_command(1)[:-1] + b"\0", payload, an_ack(0),
        seal.seal(b"x" * 32, kid("w1", 1), CMD, payload),
        seal.seal(KEY, kid("w1", 2), CMD, payload),
        seal.seal(KEY, kid("w1", 1), topic("city", "w2", "cmd"), payload),
        seal.seal(KEY, kid("w1", 1), ACK, payload),
    ):  # fmt: skip
        assert not told(uplink, sealed) and uplink.command is None
    assert not told(uplink, a_command(1), ACK) and uplink.command is None


def next_key():
    """The expected bytes were computed with another implementation (OpenSSL's HMAC)."""
    key = seal.next_key(bytes(range(32)), b"w1.2", b"n" * 16)
    assert key == seal.hmac_sha256(bytes(range(32)), b"till rotatew1.2nnnnnnnnnnnnnnnn")
    assert (
        binascii.hexlify(key) == b"e33f8dc9b754c9c0f4afc9a00aa007afa90c6b5f286a1ea699e0ad56c25ddbfb"
    ), binascii.hexlify(key)
    others = [
        seal.next_key(bytes(32), b"w1.2", b"n" * 16),
        seal.next_key(bytes(range(32)), b"w1.3", b"n" * 16),
    ]
    others.append(seal.next_key(bytes(range(32)), b"w1.2", b"m" * 16))
    assert key not in others


run(
    (
        ("CMD-6", other_epoch), ("CMD-7", not_above), ("CMD-10", on_flash_first),
        ("CMD-11", nothing_without_flash), ("CMD-12", answered), ("CMD-13", cannot),
        ("CMD-14", no_file_system), ("CMD-16", in_the_heartbeat), ("CMD-17", new_epoch),
        ("SEAL-20", forged), ("SEAL-21", forged), ("ROT-1", next_key),
    )
)  # fmt: skip
