"""Golden bytes and hostile bytes: protocol/vectors/*.json. Golden bytes never change; a change of
the wire adds new ones.
"""

import itertools
import json
import re
from pathlib import Path

import pytest

from protocol import cbor, messages, packing, records, seal, topics, unpacking
from protocol.compat import ProtocolError

VECTORS = Path(__file__).parents[2] / "protocol" / "vectors"
HEX = re.compile("[0-9a-f]+")
KEYS = {b"w1.1": bytes(range(32))}
DECODE = {
    "ev": messages.decode_events,
    "state": messages.decode_state,
    "ack": messages.decode_ack,
    "cmd": messages.decode_command,
}
ENCODE = {
    "ev": lambda message: messages.encode_events(**message),
    "state": messages.encode_state,
    "ack": messages.encode_ack,
    "cmd": messages.encode_command,
}
TAKE = DECODE | {
    "cbor": cbor.decode,
    "record": records.decode_record,
    "seal": lambda raw: seal.open_seal(raw, "till/1/hall/w1/ev", KEYS.get),
    "packed": lambda raw: messages.decode_events(unpacking.unpack(raw)),
    "open": lambda raw: unpacking.open_message(raw, "till/1/hall/w1/ev", KEYS.get),
    "topic": lambda raw: topics.parse_topic(raw.decode()),
}


def vectors(name: str) -> list:
    return [
        pytest.param(row, id=row["name"].replace(" ", "-"))
        for row in json.loads((VECTORS / f"{name}.json").read_text())
    ]


def plain(value):
    """A value as JSON holds it, back as the codec has it: {"hex": ...} is bytes, a pair in a list
    of pairs a tuple.
    """
    if isinstance(value, dict):
        return (
            bytes.fromhex(value["hex"])
            if set(value) == {"hex"}
            else {key: plain(item) for key, item in value.items()}
        )
    if isinstance(value, list):
        return [tuple(item) if isinstance(item, list) else plain(item) for item in value]
    return value


@pytest.mark.must("CONF-1", "VER-4")
@pytest.mark.parametrize("row", vectors("records"))
def test_golden_record(row):
    record = plain(row["record"])

    assert row["hex"] == records.encode_record(record).hex()
    assert record == records.decode_record(bytes.fromhex(row["hex"]))


def test_golden_records_show_every_field_and_kind():
    shown = [row["record"] for row in json.loads((VECTORS / "records.json").read_text())]

    assert set(records.kinds()) == {record["kind"] for record in shown}
    assert {spec[0] for spec in records.fields().values()} == {
        name for record in shown for name in record
    }


@pytest.mark.must("CONF-2", "VER-4")
@pytest.mark.parametrize("row", vectors("messages"))
def test_golden_message(row):
    message = plain(row["message"])

    assert row["hex"] == ENCODE[row["leaf"]](message).hex()
    assert message == DECODE[row["leaf"]](bytes.fromhex(row["hex"]))


@pytest.mark.must("CONF-3", "SEAL-10")
@pytest.mark.parametrize("row", vectors("seals"))
def test_golden_seal(row):
    key, payload, sealed = (bytes.fromhex(row[name]) for name in ("key", "payload", "sealed"))
    kid = row["kid"].encode()

    assert sealed == seal.seal(key, kid, row["topic"], payload)
    assert (kid, payload) == seal.open_seal(sealed, row["topic"], {kid: key}.get)
    assert len(sealed) <= seal.MESSAGE_BYTES_MAX


@pytest.mark.must("CONF-7", "PACK-1", "PACK-2", "PACK-9")
@pytest.mark.parametrize("row", vectors("packed"))
def test_golden_packed_message(row):
    names = ("payload", "packed", "key", "sealed")
    payload, packed, key, sealed = (bytes.fromhex(row[name]) for name in names)
    kid = row["kid"].encode()
    said = messages.decode_events(payload)

    assert packed == packing.pack(**said)
    assert payload == unpacking.unpack(packed)
    assert payload == unpacking.unpack(payload)
    assert sealed == packing.seal_packed(key, int(row["kid"][3:]), row["topic"], packed)
    assert (kid, payload) == unpacking.open_message(sealed, row["topic"], {kid: key}.get)
    assert payload == unpacking.payload_of(sealed, row["topic"])


@pytest.mark.must("CONF-4")
@pytest.mark.parametrize("row", vectors("hostile"))
def test_hostile_bytes_are_refused_with_the_reason(row):
    with pytest.raises(ProtocolError) as refused:
        TAKE[row["what"]](bytes.fromhex(row["hex"]))

    assert row["reason"] in str(refused.value)
    assert row["reason"]


@pytest.mark.must("CONF-6")
def test_example_on_the_protocol_page_is_a_golden_vector():
    page = (VECTORS.parent.parent / "docs" / "protocol.md").read_text()
    lines = page[page.index("\na6 ") :].split("```")[0].split("\n")
    shown = "".join(
        itertools.chain.from_iterable(
            itertools.takewhile(HEX.fullmatch, line.split()) for line in lines
        )
    )

    assert shown in {row["hex"] for row in json.loads((VECTORS / "records.json").read_text())}
