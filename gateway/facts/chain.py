"""The ledger's log: what one entry holds as bytes, and the hash chain over them. Pure.

Everything that is appended to the ledger is in an entry, one a transaction. Entry n has a content
and a head, head n = SHA-256(head n - 1 || content n). The content is also the leaf of the Merkle
tree whose root a tree head signs.

    content   0x01 || size of prefix, 1 || prefix || size of frames, 4 || frames || rows
    frame     received_ms, 8 || leaf, 1 || size of device, 1 || size of sealed, 2 || device ||
              sealed
    rows      size of table, 1 || table || after_id, 8 || last_id, 8 || count, 4 || digest, 32

Integers are big-endian. The topic of a message is `prefix`, the device's name, `/`, and the leaf.
`rows` says which rows of another table the transaction appended, and the SHA-256 of `row_bytes` of
each in order of id.

Ledgers of before have entries of one message each, whose content begins with 0x00 (`first_form`):

    content   received_ms, 8 || size of topic, 2 || topic || sealed message
"""

import hashlib
import struct
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

GENESIS = bytes(32)  # the head before the first entry
DEVICE_CLOCK_AHEAD_MS = (
    5_000  # a device's UTC this far ahead of arrival is believed; more is a wrong clock
)
LEAVES = ("ev", "state")  # of the messages that are kept; a frame has the place in here
FRAME_HEAD_BYTES = 12
_SECOND_FORM = 1
_HEAD = struct.Struct(">BB")
_FRAMES_SIZE = struct.Struct(">I")
_FRAME = struct.Struct(">qBBH")
_RANGE = struct.Struct(">qqI")
_OLD = struct.Struct(">qH")


class EntryError(ValueError):
    """Bytes that are no entry, or are cut short."""


class Message(NamedTuple):
    """A message as an entry keeps it. `at` and `size`: where its frame is in the content."""

    received_ms: int
    topic: str
    device: str
    leaf: str
    sealed: bytes
    at: int
    size: int


class Rows(NamedTuple):
    """Rows that were appended to a table in the entry's transaction: all whose id is after
    `after_id` and up to `last_id`, `rows` in all, with this SHA-256 over their `row_bytes`.
    """

    table: str
    after_id: int
    last_id: int
    rows: int
    digest: bytes


class Entry(NamedTuple):
    """What the content of one entry says. `prefix`: of the topics; of an old entry the whole
    topic.
    """

    prefix: str
    messages: list[Message]
    rows: list[Rows]


def next_head(head: bytes, content: bytes) -> bytes:
    """The chain: SHA-256(head of the entry before || content)."""
    return hashlib.sha256(head + content).digest()


# The head of a frame: received_ms, place of the leaf in LEAVES, bytes of the device's name and of
# the sealed message.
pack_frame_head = _FRAME.pack


def frame(received_ms: int, device: str, leaf: str, sealed: bytes) -> bytes:
    """One message inside an entry."""
    name = device.encode()
    return _FRAME.pack(received_ms, LEAVES.index(leaf), len(name), len(sealed)) + name + sealed


def frames_at(prefix: str) -> int:
    """Where the first frame begins in the content of an entry with this prefix."""
    return _HEAD.size + len(prefix.encode()) + _FRAMES_SIZE.size


def content_of(prefix: str, frames: bytes, rows: Iterable[Rows]) -> bytes:
    """The content of an entry. `frames`: those of its messages, one after the other."""
    name = prefix.encode()
    parts = [_HEAD.pack(_SECOND_FORM, len(name)), name, _FRAMES_SIZE.pack(len(frames)), frames]
    for table, after_id, last_id, count, digest in rows:
        parts += [bytes((len(table),)), table.encode()]
        parts += [_RANGE.pack(after_id, last_id, count), digest]
    return b"".join(parts)


def first_form(topic: str, received_ms: int, sealed: bytes) -> bytes:
    """The content of an entry of ledgers of before: one message. No value of an edited row makes
    this raise (a time before 1970, a topic beyond MQTT's 65,535 bytes): it only gives other bytes.
    """
    name = topic.encode()
    return _OLD.pack(received_ms, len(name) & 0xFFFF) + name + sealed


def first_received_ms(beginning: bytes) -> int | None:
    """When the first message of an entry arrived, from the first 300 bytes of its content; None
    for an entry without messages. Raises EntryError.
    """
    try:
        if beginning[0] != _SECOND_FORM:
            return int(_OLD.unpack_from(beginning)[0])
        at = _HEAD.size + beginning[1]
        (size,) = _FRAMES_SIZE.unpack_from(beginning, at)
        return int(_FRAME.unpack_from(beginning, at + _FRAMES_SIZE.size)[0]) if size else None
    except (struct.error, IndexError) as error:
        raise EntryError("entry: cut short") from error


def read_entry(content: bytes) -> Entry:
    """What an entry says. Raises EntryError for bytes that are none."""
    try:
        if content[0] != _SECOND_FORM:
            return _read_first_form(content)
        at = _HEAD.size + content[1]
        prefix = content[_HEAD.size : at].decode()
        end = at + _FRAMES_SIZE.size + _FRAMES_SIZE.unpack_from(content, at)[0]
        if end > len(content):
            raise EntryError("entry: cut short")
        start = at + _FRAMES_SIZE.size
        messages = list(frames_in(content[start:end], start, prefix))
        return Entry(prefix, messages, list(_read_rows(content, end)))
    except (struct.error, IndexError, UnicodeError) as error:
        raise EntryError(f"entry: cannot be read ({error})") from error


def _read_first_form(content: bytes) -> Entry:
    received_ms, size = _OLD.unpack_from(content)
    end = _OLD.size + size
    topic = content[_OLD.size : end].decode()
    named, _, leaf = topic.rpartition("/")
    device = named.rpartition("/")[2]
    message = Message(received_ms, topic, device, leaf, content[end:], 0, len(content))
    return Entry(topic, [message], [])


def frames_in(frames: bytes, offset: int, prefix: str) -> Iterator[Message]:
    """The messages of frames that stand at `offset` in their entry's content, whose topics have
    this prefix; an offset of 0 is an entry of the first form, whole. Raises EntryError for frames
    that are cut short.
    """
    if offset == 0:
        yield from read_entry(frames).messages
        return
    at, end = 0, len(frames)
    while at < end:
        if at + FRAME_HEAD_BYTES > end:
            raise EntryError(f"entry: a frame is cut short at byte {offset + at}")
        received_ms, leaf, name_size, size = _FRAME.unpack_from(frames, at)
        start = at + FRAME_HEAD_BYTES + name_size
        if start + size > end or leaf >= len(LEAVES):
            raise EntryError(f"entry: no frame at byte {offset + at}")
        device = frames[at + FRAME_HEAD_BYTES : start].decode()
        yield Message(
            received_ms, f"{prefix}{device}/{LEAVES[leaf]}", device, LEAVES[leaf],
            frames[start : start + size], offset + at, start + size - at,
        )  # fmt: skip
        at = start + size


def _read_rows(content: bytes, at: int) -> Iterator[Rows]:
    while at < len(content):
        size = content[at]
        table = content[at + 1 : at + 1 + size].decode()
        at += 1 + size
        after_id, last_id, count = _RANGE.unpack_from(content, at)
        at += _RANGE.size
        digest = content[at : at + 32]
        if len(digest) != 32:
            raise EntryError("entry: cut short")
        at += 32
        yield Rows(table, after_id, last_id, count, digest)


def row_bytes(values: Iterable[Any]) -> bytes:
    """The values of one row as bytes that no other values have. Integers, texts, bytes and None
    alone: a ledger has no other types.
    """
    out = []
    for value in values:
        if isinstance(value, str):
            raw = value.encode("utf-8", "surrogatepass")
            out.append(b"s%d:%b;" % (len(raw), raw))
        elif isinstance(value, int):
            out.append(b"i%d;" % value)
        elif value is None:
            out.append(b"n;")
        else:
            raw = bytes(value)
            out.append(b"b%d:%b;" % (len(raw), raw))
    out.append(b"\n")
    return b"".join(out)


def occurred_ms(
    fields: dict[str, Any] | None, boot: int, sent_uptime_ms: int, received_ms: int
) -> int:
    """When it happened, as well as can be known: the device's UTC, else its uptime against ours,
    else arrival.
    """
    if fields is None:
        return received_ms
    utc_ms = fields.get("utc_ms")
    if utc_ms is not None and utc_ms <= received_ms + DEVICE_CLOCK_AHEAD_MS:
        return int(utc_ms)
    if fields["boot"] == boot and fields["uptime_ms"] <= sent_uptime_ms:
        return int(received_ms - (sent_uptime_ms - fields["uptime_ms"]))
    return received_ms


def gap_parts(high_water: int, acked: int, to_seq: int) -> list[tuple[int, int, str]]:
    """(from_seq, to_seq, cause) of what is missing after `high_water`, when the device believes
    `acked` and has none of it.
    """
    acked_to = min(max(acked, high_water), to_seq)
    parts = [
        (
            high_water + 1,
            acked_to,
            (
                "acknowledged once, missing here: the ledger was restored; the device no longer has"
                " them"
            ),
        ),
        (acked_to + 1, to_seq, "the device no longer has them and no ledger acknowledged them"),
    ]
    return [part for part in parts if part[1] >= part[0]]
