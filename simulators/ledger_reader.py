"""The records of a ledger's file, read by the layout of its log and not by the gateway's code:
a judge that asked the judged would see nothing.
"""

import contextlib
import sqlite3
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from protocol import messages, unpacking

# received_ms, which topic, size of the device's name, size of the sealed message
_FRAME = struct.Struct(">qBBH")
_EVENTS = 0


def records_of(ledger_file: Path) -> dict[tuple[str, int, int], bytes]:
    """{(device, epoch, seq): record bytes} of what its index and its log say."""
    found: dict[tuple[str, int, int], bytes] = {}
    with contextlib.closing(sqlite3.connect(f"file:{ledger_file}?mode=ro", uri=True)) as db:
        for device, epoch, first_seq, last_seq, frames in db.execute(
            "SELECT device, epoch, first_seq, last_seq, substr(content, at + 1, size) FROM segment"
            " JOIN cursor ON cursor.id = cursor_id JOIN entry ON entry.n = segment.n"
        ):
            for events in _events_in(frames):
                for seq, body in enumerate(events["records"], events["first_seq"]):
                    if events["epoch"] == epoch and first_seq <= seq <= last_seq:
                        found.setdefault((device, epoch, seq), body)
    return found


def _events_in(frames: bytes) -> Iterator[dict[str, Any]]:
    at = 0
    while at < len(frames):
        _, topic, name_size, size = _FRAME.unpack_from(frames, at)
        start = at + _FRAME.size + name_size
        device, at = frames[start - name_size : start].decode(), start + size
        if topic == _EVENTS:
            payload = unpacking.payload_of(frames[start:at], f"till/1/site/{device}/ev")
            yield messages.decode_events(payload)
