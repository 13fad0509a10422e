"""What an `ev` payload says, read by patterns and by the decoders: never two answers."""

import json
from collections.abc import Collection
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.facts.events import Reader, bodies_in, events_in, read_events
from gateway.facts.patterns import Shape, all_shapes, has_pattern, shape_of
from protocol import messages, packing, records, seal
from protocol.compat import ProtocolError
from tests.delivery.bench import NOW_MS, a_tally
from tests.proof.reader import outcome, strictly, whole_reader
from tests.protocol.strategies import U32, U48, any_record

VECTORS = Path(__file__).parents[2] / "protocol" / "vectors"
WHOLE = whole_reader()
TOPIC = "till/1/city/w1/ev"
SYNCED: dict[str, Any] = {"utc_ms": NOW_MS}


def golden(name: str) -> list[bytes]:
    rows = json.loads((VECTORS / f"{name}.json").read_text())
    return [bytes.fromhex(row["hex"]) for row in rows if "hex" in row]


def payload(*bodies: bytes, first_seq: int = 5) -> bytes:
    return messages.encode_events(7, 1, 1_000_000, first_seq, list(bodies))


def tally(number: int, **more: Any) -> bytes:
    return records.encode_record(a_tally(number, **more))


@pytest.mark.parametrize("name", ["records", "messages", "hostile"])
def test_golden_bytes_are_read_as_the_decoders_read_them(name: str) -> None:
    for raw in golden(name):
        for data in (raw, payload(raw) if len(raw) < 900 else raw):
            for received_ms in (NOW_MS, 1_790_000_000_000):
                theirs = outcome(strictly, data, received_ms)

                assert theirs == outcome(WHOLE.read, data, received_ms)
                assert theirs == outcome(read_events, data, received_ms)


def test_golden_records_need_no_decoder_but_for_rare_ones() -> None:
    """Rare: lists of texts (boot, log), 256 bytes and more, text that is not ASCII."""
    left = [raw for raw in golden("records") if not WHOLE.takes(raw)]

    assert [] == [
        raw.hex()
        for raw in left
        if len(raw) < 256
        and has_pattern(shape_of(records.decode_record(raw)))
        and str(records.decode_record(raw)).isascii()
    ]
    assert 6 == len(left)


@settings(max_examples=300, deadline=None)
@given(st.lists(any_record(), min_size=1, max_size=3), U32, U48, U48)
def test_any_record_is_read_as_the_decoders_read_it(
    said: list[dict[str, Any]], boot: int, sent_ms: int, received_ms: int
) -> None:
    try:
        bodies = [records.encode_record(each) for each in said]
        data = messages.encode_events(1, boot, sent_ms, 1, bodies)
    except ProtocolError:  # too long
        return

    assert outcome(strictly, data, received_ms) == outcome(WHOLE.read, data, received_ms)


@settings(max_examples=300, deadline=None)
@given(any_record())
def test_a_pattern_takes_every_record_that_it_is_made_for(said: dict[str, Any]) -> None:
    try:
        raw = records.encode_record(said)
    except ProtocolError:  # too long
        return
    texts = "".join(value for value in said.values() if isinstance(value, str))
    rare = not texts.isascii() or len(raw) > 255 or said.get("utc_ms", 1 << 32) < 1 << 32

    assert WHOLE.takes(raw) or rare or not has_pattern(shape_of(said))


def test_a_message_says_who_when_and_what() -> None:
    bodies = [tally(1, utc_ms=NOW_MS - 50), tally(2, utc_ms=NOW_MS - 90), tally(3, **SYNCED)]

    said = WHOLE.read(payload(*bodies), NOW_MS)

    assert (7, 1, 1_000_000, 5, bytes(8)) == said[:5]
    assert (bodies, {}, 7) == (said.records, dict(said.unreadable), said.last_seq)
    assert (NOW_MS - 90, NOW_MS) == (said.from_ms, said.until_ms)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.binary(min_size=1, max_size=300), min_size=1, max_size=40), U32, U48)
def test_bodies_are_cut_out_as_they_are_read(bodies: list[bytes], boot: int, sent_ms: int) -> None:
    first_seq = max(1, boot - len(bodies))
    try:
        data = messages.encode_events(1, boot, sent_ms, first_seq, bodies)
        sealed = seal.seal(bytes(32), b"w1.1", TOPIC, data)
    except ProtocolError:  # too long
        return
    read = events_in(sealed, TOPIC, NOW_MS)

    assert (read.first_seq, read.records) == bodies_in(sealed, TOPIC, NOW_MS, read.last_seq)
    assert (read.first_seq, []) == bodies_in(sealed, TOPIC, NOW_MS, read.last_seq + 1)


def test_bodies_of_a_packed_message_are_those_it_stands_for() -> None:
    said = [tally(number, **SYNCED) for number in (1, 2, 3)]
    body = packing.pack(7, 1, 1_000_000, 5, said, bytes(8))

    sealed = packing.seal_packed(bytes(32), 1, TOPIC, body)

    assert (5, said) == bodies_in(sealed, TOPIC, NOW_MS, 5)


def test_bodies_that_are_cut_short_are_refused() -> None:
    sealed = seal.seal(bytes(32), b"w1.1", TOPIC, payload(tally(1))[:20])

    with pytest.raises(ProtocolError, match="cut short"):
        bodies_in(sealed, TOPIC, NOW_MS, 1)


def test_a_record_that_cannot_be_read_is_kept_with_its_reason() -> None:
    said = WHOLE.read(payload(tally(1, **SYNCED), b"\xa0", tally(3, **SYNCED)), NOW_MS)

    assert {1: "record: unknown kind None"} == said.unreadable
    assert (3, b"\xa0") == (len(said.records), said.records[1])


@pytest.mark.parametrize("ahead_ms", [5_000, 5_001])
def test_a_clock_that_is_ahead_is_believed_for_five_seconds(ahead_ms: int) -> None:
    raw = tally(1, utc_ms=NOW_MS + ahead_ms)  # uptime 1 s; the message left at uptime 1,000 s

    said = WHOLE.read(payload(raw), NOW_MS)

    assert (NOW_MS + 5_000 if ahead_ms == 5_000 else NOW_MS - 999_000) == said.from_ms


def test_a_payload_that_is_none_is_refused_as_ever() -> None:
    for data in (b"", b"\x86", payload(tally(1, **SYNCED))[:-1], tally(1)):
        with pytest.raises(ProtocolError) as told:
            messages.decode_events(data)

        with pytest.raises(ProtocolError, match="^" + str(told.value).replace("(", r"\(")):
            WHOLE.read(data, NOW_MS)


def test_a_shape_that_comes_often_gets_a_pattern_and_a_rare_one_does_not() -> None:
    reader = Reader(make_after=100)
    often = tally(1, **SYNCED)
    rare = records.encode_record({"kind": "mark", "boot": 1, "uptime_ms": 1, "mark": "done"})

    reader.read(payload(rare), NOW_MS)
    for _ in range(98):
        reader.read(payload(often), NOW_MS)
    assert not reader.takes(often)
    reader.read(payload(often), NOW_MS)

    assert (True, False) == (reader.takes(often), reader.takes(rare))


def test_who_sends_all_shapes_there_are_gets_no_more_patterns_than_the_limit(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made: list[int] = []

    def make(self: Reader, shapes: Collection[Shape]) -> None:
        self._made = set(shapes)
        made.append(len(shapes))

    monkeypatch.setattr(Reader, "make", make)
    reader = Reader(make_after=1)
    for shape in all_shapes():
        reader._meet(shape)

    assert list(range(49)) == made
