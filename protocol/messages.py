"""The payloads under a seal: `ev` carries records, `state` the heartbeat, `ack` what is committed,
`cmd` what to do.

ev     [epoch, boot, sent_uptime_ms, first_seq, [record bytes, ...], before]
state  [epoch, boot, uptime_ms, status, last_seq, lowest_kept, acked, ledger_n, ledger_head,
        heap_free, heap_low, command]
ack    [epoch, high_water, want_from, want_to, ledger_n, ledger_head, utc_ms, echo_boot,
        echo_uptime_ms, fingerprint]
cmd    [epoch, counter, nonce, verb, argument]

The seq of the i-th record is first_seq + i. Identity of a record = (device, epoch, seq). The device
comes from the topic and the kid, never from the payload.
"""

import hashlib

from protocol import cbor
from protocol.compat import ProtocolError, const, remember

# of record bytes in one message, so that payload and seal fit in 1 KiB
EVENT_BYTES_MAX = const(880)
STATUS = ("alive", "lost", "journal_full", "locked")
VERBS = ("identify", "restart", "log", "rotate")
HEAD_BYTES = const(32)
NONCE_BYTES = const(16)
FINGERPRINT_BYTES = const(8)
_ARGUMENT_BYTES_MAX = const(64)

# name:size of each element in order; size = bytes of an unsigned integer, s a status, v a verb, h a
# ledger head, n a nonce, m a fingerprint, t a text, r records
_EVENTS = const("epoch:4 boot:4 sent_uptime_ms:6 first_seq:4 records:r before:m")
_STATE = const(
    "epoch:4 boot:4 uptime_ms:6 status:s last_seq:4 lowest_kept:4 acked:4 ledger_n:6 ledger_head:h"
    " heap_free:4 heap_low:4 command:4"
)
_ACK = const(
    "epoch:4 high_water:4 want_from:4 want_to:4 ledger_n:6 ledger_head:h utc_ms:6 echo_boot:4"
    " echo_uptime_ms:6 fingerprint:m"
)
_COMMAND = const("epoch:4 counter:4 nonce:n verb:v argument:t")


def encode_events(
    epoch: int,
    boot: int,
    sent_uptime_ms: int,
    first_seq: int,
    records,
    before=bytes(FINGERPRINT_BYTES),
) -> bytes:
    """The payload of one `ev` message; `records` are the records' own bytes, seq first_seq and up.

    before  fingerprint of the record at first_seq - 1; eight zero bytes if the device holds none
    """
    return cbor.encode([epoch, boot, sent_uptime_ms, first_seq, records, before])


def decode_events(payload: bytes) -> dict:
    """{epoch, boot, sent_uptime_ms, first_seq, records: list of bytes, before}; ProtocolError for
    any other shape.
    """
    event = _decode("ev", _EVENTS, payload)
    if event["epoch"] == 0 or event["first_seq"] == 0:
        raise ProtocolError("ev: epoch and first_seq count from 1")
    if event["first_seq"] + len(event["records"]) - 1 > 0xFFFFFFFF:
        raise ProtocolError("ev: seq over 32 bits")
    return event


def encode_state(state: dict) -> bytes:
    """The payload of one heartbeat; `state` has the keys that `decode_state` gives."""
    return _encode(_STATE, state)


def decode_state(payload: bytes) -> dict:
    """{epoch, boot, uptime_ms, status (of STATUS), last_seq, lowest_kept, acked, ledger_n,
    ledger_head, heap_free, heap_low, command}; command = highest counter of a command that the
    device accepted.
    """
    return _decode("state", _STATE, payload)


def encode_ack(ack: dict) -> bytes:
    """The payload of one acknowledgement; `ack` has the keys that `decode_ack` gives."""
    return _encode(_ACK, ack)


def decode_ack(payload: bytes) -> dict:
    """{epoch, high_water, want_from, want_to, ledger_n, ledger_head, utc_ms, echo_boot,
    echo_uptime_ms, fingerprint}.

    Every record up to high_water is committed. want_from = 0: nothing is missing; otherwise the
    device is asked to send this range again. echo_*: boot and uptime_ms of the device's message
    that this answers, for its clock; 0 for none. fingerprint: that of the record at high_water;
    eight zero bytes if the ledger holds none (nothing yet, or a gap).
    """
    return _decode("ack", _ACK, payload)


def fingerprint_of(record: bytes) -> bytes:
    """The fingerprint of a record: the first 8 bytes of its SHA-256.

    It says which record is meant by a seq.
    """
    return hashlib.sha256(record).digest()[:FINGERPRINT_BYTES]


def encode_command(command: dict) -> bytes:
    """The payload of one command; `command` has the keys that `decode_command` gives."""
    return _encode(_COMMAND, command)


def decode_command(payload: bytes) -> dict:
    """{epoch, counter (from 1), nonce (16 bytes), verb (of VERBS), argument (text of at most 64
    bytes)}.
    """
    command = _decode("cmd", _COMMAND, payload)
    if command["epoch"] == 0 or command["counter"] == 0:
        raise ProtocolError("cmd: epoch and counter count from 1")
    return command


_WORDS = {"s": STATUS, "v": VERBS}
_SIZES = {"h": HEAD_BYTES, "n": NONCE_BYTES, "m": FINGERPRINT_BYTES}


@remember
def _shape(text: str):
    return [word.split(":") for word in text.split()]


def _encode(text: str, values: dict) -> bytes:
    return cbor.encode(
        [
            _WORDS[size].index(values[name]) if size in _WORDS else values[name]
            for name, size in _shape(text)
        ]
    )


def _decode(leaf: str, text: str, payload: bytes) -> dict:
    parts = cbor.decode(payload)
    names = _shape(text)
    if not isinstance(parts, list) or len(parts) != len(names):
        raise ProtocolError("%s: not an array of %d" % (leaf, len(names)))
    found = {}
    for (name, size), value in zip(names, parts):
        if size in _SIZES:
            if not isinstance(value, bytes) or len(value) != _SIZES[size]:
                raise ProtocolError(
                    "%s: the %s is not %d bytes" % (leaf, name.replace("_", " "), _SIZES[size])
                )
        elif size == "t":
            if not isinstance(value, str) or len(value.encode()) > _ARGUMENT_BYTES_MAX:
                raise ProtocolError(
                    "%s: the %s is not a text of at most %d bytes"
                    % (leaf, name, _ARGUMENT_BYTES_MAX)
                )
        elif size == "r":
            if not isinstance(value, list) or not value:
                raise ProtocolError("%s: no records" % leaf)
            for raw in value:
                if not isinstance(raw, bytes):
                    raise ProtocolError("%s: a record is not a byte string" % leaf)
        else:
            limit = len(_WORDS[size]) - 1 if size in _WORDS else (1 << 8 * int(size)) - 1
            if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= limit:
                raise ProtocolError("%s: %r is not an integer of 0 to %d" % (leaf, value, limit))
        # pyright: ignore[reportArgumentType, reportCallIssue]
        found[name] = _WORDS[size][value] if size in _WORDS else value
    return found
