"""Parsers of what others write: sealed messages, records, posted files, captures, profiles. Each
has one documented way to refuse.
"""

import json
import tempfile
import tomllib
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from firmware import mqtt
from firmware.journal import SECTOR_BYTES, Journal
from firmware.uplink import Uplink
from gateway.audit.signed_note import NoteError, TreeHead, find_notes, split_note
from gateway.delivery.seals import Seals
from gateway.devices.keys import KeyStore, create_key
from gateway.errors import ConfigError, DataError
from gateway.facts.postings import COLUMNS
from gateway.incoming.posted_file import import_posted
from gateway.incoming.posted_row import RowError, parse_row
from gateway.instruments.capture import read_bursts
from gateway.instruments.frame_grammar import compile_frame
from gateway.instruments.grammar import compile_line
from gateway.store.read_only import empty_ledger
from protocol import cbor, messages, packing, records, seal, topics, unpacking
from protocol.compat import ProtocolError
from tests.delivery.bench import NOW_MS, Office
from tests.proof.reader import outcome, strictly, whole_reader

VECTORS = Path(__file__).parents[2] / "protocol" / "vectors"
WIRE = {"baud": 9600, "bits": 8, "parity": "none", "stop": 1}
ROW = (
    "R1,1,2026-11-20T09:15:00-06:00,2026-11-20,w1,s1,c1,t1,cash,1500,0,A-1,electric,501-electric,1500,posted,,,,,csv,1"
)  # fmt: skip
PROFILE = (
    'mode = "line"\nstart = "COUNT REPORT"\ndenominations = [1, 5]\nidentity = "b"\n'
    '[[line]]\nbegins = "BATCH"\nis = "numbers"\ncolumns = "b0"\n'
    '[[line]]\nbegins = "TOTAL"\nis = "total"\ncolumns = "pieces value"\n'
)


def refusing(parse: Callable[[bytes], Any], *errors: type[Exception]) -> Callable[[bytes], None]:
    """The parser; its documented refusals are not failures."""

    def run(data: bytes) -> None:
        with suppress(*errors):
            parse(data)

    return run


def record(data: bytes) -> None:
    """What is decoded must encode to the same bytes: no record has two wire forms."""
    assert records.encode_record(records.decode_record(data)) == data


def unpacked(data: bytes) -> None:
    """What unpacks is a payload of version 1 that fits in a message, and packs and unpacks again to
    the same.
    """
    payload = unpacking.unpack(b"\x02" + data)
    event = messages.decode_events(payload)
    assert sum(len(raw) + 3 for raw in event["records"]) <= messages.EVENT_BYTES_MAX
    for raw in event["records"]:  # a device packs what its own encoder wrote
        records.decode_record(raw)
    assert payload == unpacking.unpack(packing.pack(**event))


def grammar(data: bytes) -> None:
    table = tomllib.loads(data.decode("utf-8", "replace"))
    (compile_frame if table.get("mode") in ("items", "snapshot") else compile_line)(table)


def accept() -> Callable[[bytes], None]:
    """The gateway's input. If the first byte is odd, the rest is the payload of a right seal, as
    from a device gone mad.
    """
    office = Office(Path(tempfile.mkdtemp()))
    device = office.device()

    def run(data: bytes) -> None:
        leaf = "ev" if data[:1] and data[0] & 2 else "state"
        sealed = device.sealed(leaf, data[1:800]) if data[:1] and data[0] & 1 else data[1:]
        if data[:1] and data[0] & 4:
            packed = b"\x02" + data[1:800]
            sealed = packing.seal_packed(device.key.secret, 1, device.topic(leaf), packed)
        office.ingest.accept(device.topic(leaf), sealed, False)

    return run


def reader() -> Callable[[bytes], None]:
    """The fast reader of `ev` payloads, with a pattern for every shape: the decoders' answer."""
    reads = whole_reader().read

    def run(data: bytes) -> None:
        assert outcome(strictly, data, NOW_MS) == outcome(reads, data, NOW_MS)

    return run


def seals() -> Callable[[bytes], None]:
    """The gateway's look at a sealed message of a device that it knows. If the first byte is odd,
    the rest is the payload of a right seal.
    """
    folder = Path(tempfile.mkdtemp()) / "keys"
    key = create_key(folder, "w1")
    keys = KeyStore(folder)
    topic = topics.topic("city", "w1", "ev")
    opener = Seals(keys, "city")
    opener.open(topic, seal.seal(key.secret, key.kid, topic, b"met"))

    def run(data: bytes) -> None:
        good = bool(data[:1] and data[0] & 1)
        payload = data[1:900]
        sealed = seal.seal(key.secret, key.kid, topic, payload) if good else data[1:]
        try:
            opened = opener.open(topic, sealed)[3]
        except seal.SealError:
            assert not good
        else:
            assert good and payload == opened

    return run


def device() -> Callable[[bytes], None]:
    """A device's input: what a broker sends. If the first byte is odd, the rest is the payload of
    a right seal.
    """
    key = bytes(range(32))
    identity = {"site": "city", "device": "w1", "key": key, "key_number": 1}

    def run(data: bytes) -> None:
        journal = Journal(RamFlash(3), lambda: 7)
        journal.append(b"a record")
        uplink = Uplink(
            journal, identity, {"window_records": 8, "heartbeat_ms": 1000, "resend_ms": 1000}
        )
        topic = topics.topic("city", "w1", "ack" if data[:1] and data[0] & 2 else "cmd")
        sealed = (
            seal.seal(key, b"w1.1", topic, data[1:900]) if data[:1] and data[0] & 1 else data[1:]
        )
        uplink.message(topic, sealed, 5, 5)
        assert journal.acked <= journal.last_seq

    return run


class RamFlash:
    """A blank NOR flash."""

    def __init__(self, sectors: int) -> None:
        self._bytes = [bytearray(b"\xff" * SECTOR_BYTES) for _ in range(sectors)]

    def ioctl(self, kind: int, _: int) -> int:
        return len(self._bytes) if kind == 4 else 0

    def readblocks(self, sector: int, buf: bytearray, offset: int) -> None:
        buf[:] = self._bytes[sector][offset : offset + len(buf)]

    def writeblocks(self, sector: int, buf: bytes, offset: int) -> None:
        self._bytes[sector][offset : offset + len(buf)] = bytes(
            a & b for a, b in zip(self._bytes[sector][offset : offset + len(buf)], buf, strict=True)
        )


def broker(data: bytes) -> None:
    """What the device's MQTT decoder does with the bytes of a broker gone mad, in pieces of
    eight.
    """
    decoder = mqtt.Decoder()
    for at in range(0, len(data), 8):
        decoder.feed(data[at : at + 8])
    assert len(decoder.take_reply()) <= 4 * len(data)


def checkpoint(data: bytes) -> None:
    for note in find_notes(data.decode("utf-8", "replace")):
        TreeHead.parse(split_note(note)[0])


def posted_file() -> Callable[[bytes], None]:
    """A whole file of the cashiering system, into a ledger in memory. With an odd first byte its
    header is right.
    """
    db = empty_ledger()
    path = Path(tempfile.mkdtemp()) / "posted.csv"
    header = ",".join(COLUMNS).encode() + b"\n"

    def run(data: bytes) -> None:
        path.write_bytes((header if data[:1] and data[0] & 1 else b"") + data[1:])
        import_posted(db, path, 1)

    return run


def parsers() -> dict[str, Callable[[bytes], None]]:
    """{name: the function that gets one input}."""
    keys = {b"w1.1": bytes(range(32))}
    return {
        "cbor": refusing(cbor.decode, ProtocolError),
        "record": refusing(record, ProtocolError),
        "event": refusing(messages.decode_events, ProtocolError),
        "packed": refusing(unpacked, ProtocolError),
        "state": refusing(messages.decode_state, ProtocolError),
        "ack": refusing(messages.decode_ack, ProtocolError),
        "command": refusing(messages.decode_command, ProtocolError),
        "device": device(),
        "broker": refusing(broker, mqtt.MqttError),
        "checkpoint": refusing(checkpoint, NoteError),
        "posted-file": refusing(posted_file(), DataError),
        "topic": refusing(
            lambda data: topics.parse_topic(data.decode("utf-8", "replace")), ProtocolError
        ),
        "seal": refusing(
            lambda data: unpacking.open_message(data, "till/1/hall/w1/ev", keys.get), ProtocolError
        ),
        "accept": accept(),
        "reader": reader(),
        "seals": seals(),
        "posted": refusing(
            lambda data: parse_row(data.decode("utf-8", "replace").split(",")), RowError
        ),
        "capture": refusing(lambda data: read_bursts(data, WIRE), DataError),
        "profile": refusing(grammar, ConfigError, tomllib.TOMLDecodeError),
    }


def corpus(name: str) -> list[bytes]:
    """Inputs to begin with: the golden vectors, and one good example of the rest."""
    files = {
        "record": "records",
        "event": "messages",
        "state": "messages",
        "ack": "messages",
        "command": "messages",
        "seal": "seals",
        "reader": "messages",
        "cbor": "records",
    }
    if name in files:
        rows = json.loads((VECTORS / f"{files[name]}.json").read_text())
        return [
            bytes.fromhex(row[name]) for row in rows for name in ("hex", "sealed") if name in row
        ]
    if name == "packed":
        rows = json.loads((VECTORS / "packed.json").read_text())
        return [bytes.fromhex(row["packed"])[1:] for row in rows]
    if name == "device":
        return [flag + data for flag in (b"\1", b"\3") for data in corpus("ack")]
    if name == "broker":
        return [
            b"\x20\x02\0\0\x90\x04\0\1\1\1" + mqtt.publish("till/1/city/w1/ack", b"x" * 40, 7),
            mqtt.PING,
        ]
    if name == "seals":
        return [flag + data for flag in (b"\0", b"\1") for data in corpus("seal")]
    if name == "accept":
        return [flag + data for flag in (b"\1", b"\3") for data in corpus("event")] + [
            b"\6" + data for data in corpus("packed")
        ]
    assert len(ROW.split(",")) == len(COLUMNS)
    control = "#control,rows=1,tender_cents=1500,change_cents=0,allocation_cents=1500"
    note = f"till.example/city\n3\n{'A' * 43}=\n\n\N{EM DASH} till.example {'A' * 92}\n"
    if name == "posted-file":
        return [f"\1{ROW}\n{control}\n".encode()]
    texts = {
        "checkpoint": note,
        "posted": ROW,
        "capture": "# till capture 1\n5 < 01 00 02 00 fd\n9 > 02\n",
        "profile": PROFILE,
    }
    return [texts.get(name, "till/1/hall/w1/ev").encode()]
