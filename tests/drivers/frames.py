"""Streams of frames, played into their driver."""

import struct
import tomllib
from pathlib import Path

from firmware.drivers.frame_stream import FrameStream
from gateway.instruments.frame_grammar import compile_frame
from protocol.records import decode_record, encode_record

HERE = Path(__file__).parents[1]


PROFILES = HERE.parent / "firmware" / "drivers" / "profiles"


START, ITEM, END, FULL, STANDBY = range(5)


NOTES = (20, 20, 100, 1, 5)


def grammar(name: str, **changes: object) -> dict:
    table = tomllib.loads((PROFILES / f"{name}.toml").read_text())["grammar"]
    return {**compile_frame({**table, **changes}), "evidence": "guess"}


def stream(name: str = "fddf", **changes: object) -> FrameStream:
    return FrameStream("notes", grammar(name, **changes), "USD")


def remainder(data: bytes, polynomial: int, bits: int) -> int:
    """The rest of a division of polynomials over GF(2): a CRC with first value 0, by the book."""
    number = int.from_bytes(data, "big") << bits
    divisor = 1 << bits | polynomial
    while number.bit_length() > bits:
        number ^= divisor << (number.bit_length() - bits - 1)
    return number


def fddf(
    status: int,
    pieces: int = 0,
    note: int = 0,
    amount: int = 0,
    currency: bytes = b"USD",
    error: int = 0,
) -> bytes:
    body = struct.pack(
        "<4sIIQ4s11s5xBBx",
        b"\xfd\xdf\x2c\x0e",
        pieces,
        note,
        amount,
        currency,
        b"AB12345678C",
        error,
        status,
    )
    return body + bytes((remainder(body, 0x31, 8),))


def count_of(notes: tuple = NOTES) -> list[bytes]:
    """The frames of one count."""
    frames, amount = [fddf(START)], 0
    for pieces, note in enumerate(notes, 1):
        amount += note
        frames.append(fddf(ITEM, pieces, note, amount))
    return [*frames, fddf(END, len(notes), 0, amount)]


def play(
    driver: FrameStream, frames: list[bytes], now_ms: int = 0, step_ms: int = 50
) -> list[dict]:
    events = []
    for frame in frames:
        events += driver.feed(frame, now_ms)
        now_ms += step_ms
        events += driver.poll(now_ms)
    for event in events:
        record = {"boot": 1, "uptime_ms": 0, **event}
        assert decode_record(encode_record(record)) == record
    return events


def kinds(events: list[dict]) -> list[str]:
    return [event.get("condition", event["kind"]) for event in events]


def only(events: list[dict], kind: str) -> dict:
    (event,) = events
    assert kind == event["kind"], event
    return event
