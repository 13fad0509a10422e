"""The ledger's log as the oracle reads it: with its own SQL and its own reading of the bytes, as
another connection sees it. What is shipped vouches for nothing here.
"""

import hashlib
import sqlite3
import struct
from typing import NamedTuple

from protocol import messages, unpacking

_ENTRIES = "SELECT n, content, head FROM entry WHERE n > ? ORDER BY n"
_SEGMENTS = (
    "SELECT device, epoch, first_seq, last_seq, at, size FROM segment JOIN cursor ON cursor.id ="
    " cursor_id WHERE n = ?"
)
_FRAME = struct.Struct(">qBBH")
_EVENTS = 0  # what a frame says of an `ev`


class LogBroken(AssertionError):
    """The log contradicts itself or its index."""


class Frame(NamedTuple):
    """An `ev` message in an entry, at content[at:end]."""

    at: int
    end: int
    stream: tuple[str, int]
    first_seq: int
    bodies: list[bytes]


class Log:
    """All entries up to `n`: the bytes of every record, and of each stream how many there are and
    the last seq.
    """

    def __init__(self) -> None:
        self.n = 0
        self.heads = [bytes(32)]
        self.bodies: dict[tuple[str, int, int], bytes] = {}
        self.streams: dict[tuple[str, int], tuple[int, int]] = {}

    def catch_up(self, db: sqlite3.Connection) -> None:
        """Read what was committed since. Raises LogBroken."""
        for n, content, head in db.execute(_ENTRIES, (self.n,)).fetchall():
            if n != self.n + 1 or hashlib.sha256(self.heads[-1] + content).digest() != head:
                raise LogBroken(f"I4: entry {n} does not follow entry {self.n}")
            frames = _frames(bytes(content))
            fresh = {key for frame in frames for key in self._take(frame)}
            _check_index(n, frames, fresh, db.execute(_SEGMENTS, (n,)).fetchall())
            self.n = n
            self.heads.append(bytes(head))

    def _take(self, frame: Frame) -> list[tuple[str, int, int]]:
        """The records that no earlier message brought."""
        fresh = []
        for seq, body in enumerate(frame.bodies, frame.first_seq):
            key = (*frame.stream, seq)
            if key not in self.bodies:
                count, last = self.streams.get(frame.stream, (0, 0))
                self.streams[frame.stream] = (count + 1, max(last, seq))
                self.bodies[key] = body
                fresh.append(key)
            elif self.bodies[key] != body:
                raise LogBroken(f"I3: {key} is in the log with two bodies")
        if not fresh:
            raise LogBroken(f"I2: a message of {frame.stream} stands there and adds nothing")
        return fresh


def _frames(content: bytes) -> list[Frame]:
    if content[0] != 1:
        raise LogBroken(f"I4: an entry of form {content[0]}")
    at = 2 + content[1]
    end = at + 4 + int.from_bytes(content[at : at + 4], "big")
    at += 4
    frames = []
    while at < end:
        _, leaf, name_size, size = _FRAME.unpack_from(content, at)
        start = at + _FRAME.size + name_size
        stop = start + size
        if leaf == _EVENTS:
            device = content[start - name_size : start].decode()
            topic = f"till/1/site/{device}/ev"
            events = messages.decode_events(unpacking.payload_of(content[start:stop], topic))
            stream = (device, events["epoch"])
            frames.append(Frame(at, stop, stream, events["first_seq"], events["records"]))
        at = stop
    return frames


def _check_index(
    n: int,
    frames: list[Frame],
    fresh: set[tuple[str, int, int]],
    segments: list[tuple[str, int, int, int, int, int]],
) -> None:
    """Every new record is in one segment, and stands where that says."""
    found = set()
    for device, epoch, first, last, at, size in segments:
        there = {
            (*frame.stream, frame.first_seq + number)
            for frame in frames
            if at <= frame.at and frame.end <= at + size
            for number in range(len(frame.bodies))
        }
        said = {(device, epoch, seq) for seq in range(first, last + 1)}
        starts = {frame.at for frame in frames} | {frame.end for frame in frames}
        if not said <= there or found & said or not {at, at + size} <= starts:
            raise LogBroken(f"I4: entry {n}: {device} seq {first} to {last} is not at {at}+{size}")
        found |= said
    if found != fresh:
        raise LogBroken(f"I4: entry {n}: the index lacks {sorted(fresh ^ found)[:3]}")
