"""A display that is sent over and over is money once; and any frame grammar reads what its own
description packs.
"""

import struct
import tomllib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware.drivers.frame_bytes import FrameReader, field_of
from firmware.drivers.frame_stream import FrameStream
from gateway.errors import ConfigError
from gateway.instruments.frame_grammar import compile_frame
from tests.drivers.frames import HERE, PROFILES, kinds, only, play, remainder, stream

UWF = bytes.fromhex((HERE / "transcripts" / "uwf_display.txt").read_text().split()[-1])
FIELDS = [
    {"role": "denomination", "at": 1, "size": 3, "type": "ascii"},
    {"role": "pieces", "at": 4, "size": 4, "type": "ascii"},
    {"role": "ignored", "at": 8, "size": 20, "type": "text"},
]


def display() -> FrameStream:
    """A display whose fields somebody made up, in the frame of the published one."""
    return stream("uwf", field=FIELDS, unit=100)


def shows(pieces: int, note: int = 20) -> bytes:
    body = b"%03d%04d" % (note, pieces) + b"0" * 20 + b"\x03"
    check = 0
    for byte in body:
        check ^= byte
    return b"\x02" + body + bytes((check,))


def counted(pieces: int) -> list[bytes]:
    """Zero, a count that rises by two a frame, a display that stands still, zero again."""
    rise = [shows(n) for n in range(0, pieces, 2)]
    return [shows(0), *rise, *[shows(pieces)] * 10, *[shows(0)] * 5]


def test_the_published_frame_is_right_and_says_nothing_of_money() -> None:
    driver = stream("uwf")

    assert [] == play(driver, [UWF] * 20, step_ms=100)
    assert {} == driver.faults()
    assert "idle" == driver.snapshot()["state"]


def test_a_display_without_known_fields_tells_once_that_nothing_is_counted() -> None:
    other = shows(5)

    assert ["discrepancy"] == kinds(play(stream("uwf"), [UWF, other, UWF, other, UWF], step_ms=100))


def test_a_display_that_rises_stands_and_falls_to_zero_is_one_tally() -> None:
    events = play(display(), counted(40) + counted(7), step_ms=100)

    assert [("n1", [(2000, 40)]), ("n2", [(2000, 7)])] == [
        (event["batch_id"], event["rows"]) for event in events
    ]


@pytest.mark.parametrize(
    ("frames", "why"),
    [
        (
            [shows(0), *[shows(50)] * 10, *[shows(0)] * 3],
            "display went from 0 to 50 at once: recalled? recount",
        ),
        (
            [*[shows(50)] * 10, *[shows(0)] * 3],
            "display held 50 pieces when it was first seen; recount",
        ),
        (
            [*counted(40)[:-12], *[shows(0)] * 3],
            "display was cleared while it counted (40 pieces); recount",
        ),
        (
            [*counted(40)[:-5], *[shows(3)] * 3],
            "display fell from 40 to 3, zero was not seen; recount",
        ),
        (
            [*counted(40)[:-5], shows(41, 3), *[shows(0)] * 3],
            "denomination 300 is none of this machine's; recount",
        ),
    ],
)
def test_a_display_that_may_be_a_memory_is_no_money(frames: list[bytes], why: str) -> None:
    events = play(display(), frames, step_ms=100)

    assert why == only(events, "quarantine")["reason"]


def test_a_count_that_flickers_or_is_shown_again_is_counted_once() -> None:
    """One frame of zero, then the count again; later the same count is recalled from the machine's
    memory.
    """
    driver = display()
    flicker = [*counted(40)[:-5], shows(0), *counted(40)[-15:]]
    events = play(driver, [*flicker, *[shows(40)] * 10, *[shows(0)] * 3], step_ms=100)

    assert ["tally", "quarantine"] == kinds(events)
    assert {"glitches": 1} == driver.faults()


def test_a_display_that_goes_dark_is_told_and_its_count_is_no_money() -> None:
    driver = display()
    play(driver, counted(40)[:-5], step_ms=100)
    events = driver.poll(60_000) + play(driver, [shows(0), shows(0), *counted(4)], 70_000, 100)

    assert ["quarantine", "offline", "back", "tally"] == kinds(events)


@settings(max_examples=40, deadline=None)
@given(
    lost=st.sets(st.integers(0, 70)),
    flips=st.dictionaries(st.integers(0, 70), st.integers(0, 239), max_size=8),
)
def test_lost_and_changed_frames_of_a_display_never_count_twice(
    lost: set[int], flips: dict[int, int]
) -> None:
    frames = []
    for n, frame in enumerate(counted(40) + counted(30)):
        spoiled = bytearray(frame)
        if n in flips:
            spoiled[flips[n] // 8] ^= 1 << flips[n] % 8
        frames.append(b"" if n in lost else bytes(spoiled))
    stated = [event for event in play(display(), frames, step_ms=100) if event["kind"] == "tally"]

    assert len(stated) <= 2
    assert sum(event["rows"][0][1] for event in stated) <= 70


# --- grammars -------------------------------------------------------------------------------------

PACKED = {
    ("le", 1): "<B",
    ("le", 2): "<H",
    ("le", 4): "<I",
    ("le", 8): "<Q",
    ("be", 2): ">H",
    ("be", 4): ">I",
    ("be", 8): ">Q",
}


@settings(max_examples=100, deadline=None)
@given(
    fields=st.lists(
        st.tuples(st.sampled_from(sorted(PACKED)), st.integers(0, (1 << 64) - 1)),
        min_size=1,
        max_size=6,
    ),
    kind=st.sampled_from(["xor", "sum", "crc8", "crc16"]),
    polynomial=st.integers(1, 255),
    order=st.sampled_from(["little", "big"]),
    noise=st.binary(max_size=20),
    tail=st.binary(max_size=2),
    has_length=st.booleans(),
)
def test_any_frame_that_a_grammar_describes_is_read(
    fields, kind, polynomial, order, noise, tail, has_length
) -> None:
    """Packed by struct, checked by a division of polynomials: both know nothing of the reader."""
    start = b"\xa5\x5a"
    body, described = start + bytes((0,)) * has_length, []
    for (code, size), value in fields:
        value %= 1 << 8 * size
        described.append((code, size, len(body), value))
        body += struct.pack(PACKED[code, size], value)
    check_bytes = 2 if kind == "crc16" else 1
    whole = len(body) + check_bytes + len(tail)
    if has_length:
        body = start + bytes((whole - 3,)) + body[3:]
    given_check = {"xor": 0, "sum": sum(body) & 0xFF, "crc8": remainder(body, polynomial, 8)}.get(
        kind
    )
    if kind == "xor":
        for byte in body:
            given_check ^= byte
    elif kind == "crc16":
        given_check = remainder(body, polynomial, 16)
    frame = body + given_check.to_bytes(check_bytes, order) + tail
    at = whole - check_bytes - len(tail)
    table = {
        "mode": "frame", "stream": "snapshot", "start": start.hex(), "denominations": [100],
        "silent_ms": 1000,
        "check": {"kind": kind, "at": at, "order": order,
                  "polynomial": 0 if kind in ("xor", "sum") else polynomial},
        **({"end": tail.hex(), "end_at": -len(tail)} if tail else {}),
        **({"length": {"at": 2, "more": 3}, "size_min": whole, "size_max": whole}
           if has_length else {"size": whole}),
    }  # fmt: skip
    compiled = compile_frame(table)
    reader = FrameReader(compiled)
    for byte in noise.replace(b"\xa5", b""):
        reader.push(byte)

    assert [frame] == [found for found in map(reader.push, frame) if found]
    assert [value for *_, value in described] == [
        field_of(frame, {"le": "little", "be": "big"}[code], offset, size)
        for code, size, offset, _ in described
    ]


@pytest.mark.parametrize(
    ("kind", "raw", "value"),
    [
        ("ascii", b"  42", 42), ("ascii", b"0007", 7), ("ascii", b"    ", -1),
        ("ascii", b"4 2 ", -1), ("ascii", b"-042", -1), ("bcd", b"\x12\x34", 1234),
        ("bcd", b"\x1a\x00", -1), ("bcd", b"\xa1\x00", -1), ("text", b"USD\x00", "USD"),
        ("text", b"\xff\x1b", "??"),
    ],
)  # fmt: skip
def test_digits_and_texts_are_read_or_refused(kind: str, raw: bytes, value: object) -> None:
    assert value == field_of(b"\x02" + raw, kind, 1, len(raw))
    assert -1 == field_of(b"\x02" + raw, kind, 2, len(raw))


def test_reflected_crc_is_kermit() -> None:
    """The status request of ID-003, FC 05 11 27 56: CRC-16/KERMIT, low byte first."""
    table = tomllib.loads((PROFILES / "uwf.toml").read_text())["grammar"]
    check = {"kind": "crc16", "at": 3, "polynomial": 0x1021, "reflected": True}
    compiled = compile_frame(
        {**table, "start": "fc", "end": "", "size": 5, "check": check, "field": []}
    )
    reader = FrameReader(compiled)

    assert [bytes.fromhex("fc05112756")] == [
        found for found in map(reader.push, bytes.fromhex("fc05112756")) if found
    ]


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"mode": "line"}, "mode = 'line'"),
        ({"start": ""}, "start: lacks"),
        ({"start": "zz"}, "start = 'zz'"),
        ({"size": 0}, "size: want either size or length"),
        ({"check": None}, "check: lacks it"),
        ({"check": {"kind": "crc8", "at": 43}}, "polynomial = -1"),
        ({"check": {"kind": "crc9"}}, "kind = 'crc9'"),
        ({"check": {"kind": "xor", "at": 44}}, "at = 44"),
        ({"sise": 3}, "unknown key 'sise'"),
        ({"status": {"start": 0, "item": 0, "end": 2}}, "each once"),
        ({"status": {"start": 0, "end": 2}}, "status: lacks item"),
        ({"denominations": []}, "denominations: lacks"),
        ({"denominations": [True]}, "denominations: True"),
        (
            {"field": [{"role": "status", "at": 41}, {"role": "denomination", "at": 8}]},
            "lacks total and amount",
        ),
        ({"field": [{"role": "status", "at": 44}]}, "at = 44: outside a frame of 44 bytes"),
        ({"field": [{"role": "currency", "at": 4, "size": 3}]}, "currency as le"),
        (
            {"field": [{"role": "status", "at": 4}, {"role": "status", "at": 5}]},
            "role 'status' twice",
        ),
        ({"stream": "snapshot"}, "silent_ms = 0"),
    ],
)
def test_a_grammar_that_cannot_be_is_refused_by_name(changes: dict, why: str) -> None:
    table = tomllib.loads((PROFILES / "fddf.toml").read_text())["grammar"]

    with pytest.raises(ConfigError, match=why.replace("(", r"\(")):
        compile_frame({**table, **changes})
