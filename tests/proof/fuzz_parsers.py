"""Parsers of what others write: sealed messages, records, posted files, captures, profiles. Each may refuse in one way."""

import json
import tempfile
import tomllib
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from gateway.errors import ConfigError, DataError
from gateway.instruments.capture import read_bursts
from gateway.instruments.frame_grammar import compile_frame
from gateway.instruments.grammar import compile_line
from gateway.posted_row import COLUMNS, RowError, parse_row
from protocol import cbor, messages, records, seal, topics
from protocol.compat import ProtocolError
from tests.ingest_support import Office

VECTORS = Path(__file__).parent.parent.parent / "protocol" / "vectors"
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
    """The parser, whose documented refusals are no failures."""

    def run(data: bytes) -> None:
        with suppress(*errors):
            parse(data)

    return run


def record(data: bytes) -> None:
    """What is decoded encodes to the same bytes: no two wire forms of one record."""
    assert records.encode_record(records.decode_record(data)) == data


def grammar(data: bytes) -> None:
    table = tomllib.loads(data.decode("utf-8", "replace"))
    (compile_frame if table.get("mode") in ("items", "snapshot") else compile_line)(table)


def accept() -> Callable[[bytes], None]:
    """The gateway's way in. With an odd first byte the rest is the payload of a right seal: a device gone mad."""
    office = Office(Path(tempfile.mkdtemp()))
    device = office.device()

    def run(data: bytes) -> None:
        leaf = "ev" if data[:1] and data[0] & 2 else "state"
        sealed = device.sealed(leaf, data[1:800]) if data[:1] and data[0] & 1 else data[1:]
        office.ingest.accept(device.topic(leaf), sealed, False)

    return run


def parsers() -> dict[str, Callable[[bytes], None]]:
    """{name: what takes one input}."""
    keys = {b"w1.1": bytes(range(32))}
    return {
        "cbor": refusing(cbor.decode, ProtocolError),
        "record": refusing(record, ProtocolError),
        "event": refusing(messages.decode_events, ProtocolError),
        "state": refusing(messages.decode_state, ProtocolError),
        "ack": refusing(messages.decode_ack, ProtocolError),
        "topic": refusing(lambda data: topics.parse_topic(data.decode("utf-8", "replace")), ProtocolError),
        "seal": refusing(lambda data: seal.open_seal(data, "till/1/hall/w1/ev", keys.get), ProtocolError),
        "accept": accept(),
        "posted": refusing(lambda data: parse_row(data.decode("utf-8", "replace").split(",")), RowError),
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
        "seal": "seals",
        "cbor": "records",
    }
    if name in files:
        rows = json.loads((VECTORS / f"{files[name]}.json").read_text())
        return [bytes.fromhex(row["hex"]) for row in rows if "hex" in row]
    if name == "accept":
        return [flag + data for flag in (b"\1", b"\3") for data in corpus("event")]
    assert len(ROW.split(",")) == len(COLUMNS)
    texts = {"posted": ROW, "capture": "# till capture 1\n5 < 01 00 02 00 fd\n9 > 02\n", "profile": PROFILE}
    return [texts.get(name, "till/1/hall/w1/ev").encode()]
