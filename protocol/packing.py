"""Version 2 of an `ev` message: the payload of version 1 without what its receiver can work out.

The bytes of the records do not change, and neither do their identity, their fingerprints or the
ledger: `unpack` gives back exactly the payload of version 1 that `pack` stands for. What is left
out follows from the wire dictionary (field numbers, order), from the record before (a time that
went on, the same instrument) and from the record itself (a total is the sum of its rows).

packed  02, epoch (4 bytes), before (8), boot, sent_uptime_ms, first_seq, records to the end
record  kind and a bit for each field (low bits first, whole bytes), uptime_ms, the fields whose
        bit is set; or 00, size, the record's own bytes where that is not possible

A number is written in groups of seven bits, the lowest first, bit 7 set in all but the last. A
difference d is written as the number 2d, or -2d - 1 if it is below zero.
"""

from protocol import cbor, seal
from protocol.compat import ProtocolError, const

VERSION = const(2)
EPOCH_BYTES = const(4)
_SHARED_MAX = const(15)
UPTIME = const(2)
UTC = const(3)
ROWS = const(13)
TOTAL = const(14)
_RAW = const(53)

# the numbers of the fields of each kind but kind and uptime_ms, in their order; a kind has no other
FIELDS_OF = (
    b"\x01\x03\x3c\x3d\x3e\x3f\x40\x41\x42\x43\x44\0\x01\x03\x0a\x0b\x0c\x0d\x0e\x0f\x10\x11\x12\x13\0"
    b"\x01\x03\x0a\x14\x15\x16\0\x01\x03\x0c\x1e\x1f\x20\x21\0\x01\x03\x28\x29\0"
    b"\x01\x03\x0a\x12\x32\x33\x36\0\x01\x03\x0a\x12\x34\x35\0\x01\x03\x33\x46\x47\x48\x49"
)
# denominations and qualities that a bit stands for
DENOMINATIONS = (1, 5, 10, 25, 50, 100, 200, 500, 1000, 2000, 5000, 10000)
FIXED = const(b"\x11\x3f\x44")  # byte strings that are always written whole: of 8 bytes, but
SHORT_NUMBER = const(68)  # this one
SHORT_BYTES = const(4)
WHOLE_BYTES = const(8)


def pack(epoch, boot, sent_uptime_ms, first_seq, records, before) -> bytes:
    """The packed payload of one `ev` message: the arguments of `messages.encode_events`."""
    out = bytearray((VERSION,))
    out.extend(epoch.to_bytes(EPOCH_BYTES, "big"))
    out.extend(before)
    last = start(boot, sent_uptime_ms)
    for number in (boot, sent_uptime_ms, first_seq):
        _write(out, number)
    for raw in records:
        if not _pack_record(out, raw, last):
            out.append(0)
            _write(out, len(raw))
            out.extend(raw)
    return bytes(out)


def seal_packed(key: bytes, key_number: int, name: str, packed: bytes) -> bytes:
    """The sealed message: 02, key number, the packed payload after its 02, a tag of 8 bytes.

    It stands for the COSE_Mac0 [h'a10104', {4: kid}, packed, tag]: the topic tells the device, and
    with it all of the kid but the key number.
    """
    out = bytearray((VERSION,))
    _write(out, key_number)
    return b"".join((out, packed[1:], seal.short_tag(key, name, packed)))


def start(boot: int, sent_uptime_ms: int) -> dict:
    """What the first record of a message is compared with: field number -> value, for utc_ms the
    distance to uptime_ms. What our drivers usually say.
    """
    return {
        1: boot, 2: sent_uptime_ms, 10: "coins", 12: "USD", 16: 0, 18: 2, 20: 1, 21: 2, 31: "",
        33: "+",
    }  # fmt: skip


def _pack_record(out: bytearray, raw: bytes, last: dict) -> bool:
    """Whether the record could be packed; if not, nothing was written or noted."""
    wire = None
    try:
        wire = cbor.decode(raw)
    except ProtocolError:
        pass
    if not isinstance(wire, dict) or not 0 < wire.get(0, 0) < 9 or UPTIME not in wire:
        return False
    numbers = FIELDS_OF.split(b"\0")[wire[0] - 1]
    uptime = wire[UPTIME]
    bits = wire[0]
    bit = 16
    missing = len(wire) - 2
    body = bytearray()
    _write(body, _code(uptime - last[UPTIME]))
    for number in numbers:
        value = wire.get(number)
        if value is not None:
            missing -= 1
        guess = last.get(number)
        if number == UTC and value is not None:
            value -= uptime
        elif number == TOTAL:
            guess = sum([pair[0] * pair[1] for pair in wire.get(ROWS, ())])
        whole = SHORT_BYTES if number == SHORT_NUMBER else WHOLE_BYTES
        if value is not None and number in FIXED and len(value) != whole:
            return False
        if value != guess:
            bits |= bit
            _write_value(body, value, guess, number)
        bit <<= 1
    if missing:
        return False
    out.extend(bits.to_bytes((len(numbers) + 11) >> 3, "little"))
    out.extend(body)
    last[UPTIME] = uptime
    for number in numbers:
        if number not in FIXED:
            last[number] = wire.get(number)
    if last[UTC] is not None:
        last[UTC] -= uptime
    return True


def _write_value(out: bytearray, value, guess, number: int) -> None:
    if value is None:
        out.append(0)
    elif isinstance(value, int):
        _write(out, _code(value - (guess or 0)) + 1)
    elif isinstance(value, bytes):
        if number == _RAW:
            _write(out, len(value) + 1)
        out.extend(value)
    elif isinstance(value, str):
        _write_text(out, value.encode(), (guess or "").encode())
    elif value and isinstance(value[0], str):
        _write(out, len(value) + 1)
        for text in value:
            _write(out, len(text.encode()))
            out.extend(text.encode())
    else:
        _write_pairs(out, value)


def _write_text(out: bytearray, text: bytes, guess: bytes) -> None:
    """What the two share at the left and at the right is not written again."""
    most = min(len(text), len(guess))
    left = right = 0
    while left < most and left < _SHARED_MAX and text[left] == guess[left]:
        left += 1
    most -= left
    while right < most and right < _SHARED_MAX and text[-1 - right] == guess[-1 - right]:
        right += 1
    size = len(text) - left - right
    _write(out, (size << 8 | right << 4 | left) + 1)
    out.extend(text[left : left + size])


def _write_pairs(out, pairs):
    code = 0
    for first, _ in pairs:
        bit = 2 << DENOMINATIONS.index(first) if first in DENOMINATIONS else 0
        if not bit or code and bit << 1 > (code & -code):
            code = 0
            break
        code |= bit
    _write(out, code or len(pairs) * 2 + 1)
    for first, second in pairs:
        if not code:
            _write(out, first)
        _write(out, second)


def _code(difference: int) -> int:
    return difference * 2 if difference >= 0 else -2 * difference - 1


def _write(out: bytearray, number: int) -> None:
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    out.append(number)
