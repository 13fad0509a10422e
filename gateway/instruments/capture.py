"""What was on a wire, as text: one line a burst, with its time and direction; written by `till
monitor`, read by `till decode`.

    # till capture: sc350, 9600 8N1, 2026-11-23T10:15:00Z
    12 > 1b 51 46 97
    31 < 06

`<` is what the machine sent, `>` what its host sent; the number is milliseconds since the start.
Lines that begin with # say where it comes from. Hex without times and raw bytes are read too: they
arrive as fast as the wire's speed allows.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from gateway.errors import DataError

FORMS = ("auto", "capture", "hex", "raw")
MARK = "# till capture: "
FILE_BYTES_MAX = (
    64 * 1024 * 1024
)  # a day at 9600 baud is 83 MB as raw bytes; a technician's capture is minutes
_BURST = re.compile(r"(\d{1,12}) ([<>])((?: ?[0-9a-fA-F]{2})*)")
_SLICE_MS = 10  # bytes without times arrive in slices of this length


@dataclass(frozen=True)
class Burst:
    """Bytes that were on the wire together. `is_ours`: the host sent them."""

    at_ms: int
    data: bytes
    is_ours: bool = False

    def __str__(self) -> str:
        return f"{self.at_ms} {'>' if self.is_ours else '<'} {self.data.hex(' ')}"


def wire_text(wire: Mapping[str, Any]) -> str:
    """9600 8N1"""
    return f"{wire['baud']} {wire['bits']}{wire['parity'][0].upper()}{wire['stop']}"


def header(profile: str, wire: Mapping[str, Any], utc: str) -> str:
    """The first line of a capture: which profile, which wire, when it began (UTC)."""
    return f"{MARK}{profile}, {wire_text(wire)}, {utc}"


def read_bursts(data: bytes, wire: Mapping[str, Any], form: str = "auto") -> list[Burst]:
    """The bursts of a capture, of hex or of raw bytes; `auto` looks at the bytes. DataError names
    the line that is none.
    """
    text = data.decode("ascii", "replace")
    if form == "auto":
        form = _form_of(text)
    if form == "raw":
        return list(_at_speed(data, wire))
    lines = [(number, line.strip()) for number, line in enumerate(text.splitlines(), 1)]
    lines = [(number, line) for number, line in lines if line and not line.startswith("#")]
    if form == "capture":
        return list(_timed(lines))
    digits = bytearray()
    for number, line in lines:
        try:
            digits += bytes.fromhex(line)
        except ValueError as error:
            raise DataError(
                f"line {number}: {line[:40]!r} is no hex; correct it, or say --form raw"
            ) from error
    return list(_at_speed(bytes(digits), wire))


def _form_of(text: str) -> str:
    lines = [line.strip() for line in text.splitlines()]
    lines = [line for line in lines if line and not line.startswith("#")]
    if lines and _BURST.fullmatch(lines[0]) and not re.fullmatch(r"[0-9a-fA-F ]+", lines[0]):
        return "capture"
    if text.startswith(MARK):
        return "capture"
    return (
        "hex"
        if lines and all(re.fullmatch(r"(?: *[0-9a-fA-F]{2})+", line) for line in lines)
        else "raw"
    )


def _timed(lines: Iterable[tuple[int, str]]) -> Iterator[Burst]:
    before = 0
    for number, line in lines:
        found = _BURST.fullmatch(line)
        if not found:
            raise DataError(f"line {number}: {line[:40]!r} is no burst, such as: 31 < 06 0a")
        at_ms = int(found[1])
        if at_ms < before:
            raise DataError(
                f"line {number}: {at_ms} ms comes after {before} ms; cut the file where a new"
                " capture begins"
            )
        before = at_ms
        yield Burst(at_ms, bytes.fromhex(found[3]), found[2] == ">")


def _at_speed(data: bytes, wire: Mapping[str, Any]) -> Iterator[Burst]:
    """All of it from the machine, at the wire's speed; a slice is heard when its last byte is."""
    bits = 1 + wire["bits"] + (wire["parity"] != "none") + wire["stop"]
    size = max(1, wire["baud"] * _SLICE_MS // (bits * 1000))
    for at in range(0, len(data), size):
        part = data[at : at + size]
        yield Burst((at + len(part)) * bits * 1000 // wire["baud"], part)
