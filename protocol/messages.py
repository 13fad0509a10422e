"""The payloads under a seal: `ev` carries records, `state` the heartbeat, `ack` what is durable.

ev     [epoch, boot, sent_uptime_ms, first_seq, [record bytes, ...]]     seq of the i-th record = first_seq + i
state  [epoch, boot, uptime_ms, status, last_seq, lowest_kept, acked, ledger_n, ledger_head, heap_free, heap_low]
ack    [epoch, high_water, want_from, want_to, ledger_n, ledger_head, utc_ms, echo_boot, echo_uptime_ms]

Identity of a record = (device, epoch, seq). The device comes from the topic and the kid, never from the payload.
"""

from protocol import cbor
from protocol.compat import ProtocolError, const

EVENT_BYTES_MAX = const(880)  # of record bytes, 3 more counted for each record, so that payload and seal fit in 1 KiB
STATUS = ("alive", "lost", "journal_full", "locked")
HEAD_BYTES = const(32)
_U32 = const(0xFFFFFFFF)
_U48 = const(0xFFFFFFFFFFFF)


class MessageError(ProtocolError):
    """A payload that is not one of the three shapes above."""


def encode_events(epoch: int, boot: int, sent_uptime_ms: int, first_seq: int, records) -> bytes:
    """The payload of one `ev` message; `records` are the records' own bytes, seq first_seq and up."""
    return cbor.encode([epoch, boot, sent_uptime_ms, first_seq, records])


def decode_events(payload: bytes) -> dict:
    """{epoch, boot, sent_uptime_ms, first_seq, records: list of bytes}; MessageError for any other shape."""
    parts = _array(payload, 5, "ev")
    _numbers(parts[:4], (_U32, _U32, _U48, _U32), "ev")
    records = parts[4]
    if parts[0] == 0 or parts[3] == 0:
        raise MessageError("ev: epoch and first_seq count from 1")
    if not isinstance(records, list) or not records:
        raise MessageError("ev: no records")
    for raw in records:
        if not isinstance(raw, bytes):
            raise MessageError("ev: a record is not a byte string")
    if parts[3] + len(records) - 1 > _U32:
        raise MessageError("ev: seq over 32 bits")
    return {
        "epoch": parts[0], "boot": parts[1], "sent_uptime_ms": parts[2], "first_seq": parts[3], "records": records,
    }  # fmt: skip


def encode_state(state: dict) -> bytes:
    """The payload of one heartbeat; `state` has the keys that `decode_state` gives."""
    return cbor.encode(
        [
            state["epoch"], state["boot"], state["uptime_ms"], STATUS.index(state["status"]), state["last_seq"],
            state["lowest_kept"], state["acked"], state["ledger_n"], state["ledger_head"], state["heap_free"],
            state["heap_low"],
        ]
    )  # fmt: skip


def decode_state(payload: bytes) -> dict:
    """{epoch, boot, uptime_ms, status, last_seq, lowest_kept, acked, ledger_n, ledger_head, heap_free, heap_low}.

    status is one of STATUS; lowest_kept = 0: the journal holds nothing; heap_* in bytes.
    """
    parts = _array(payload, 11, "state")
    _numbers(parts[:8], (_U32, _U32, _U48, len(STATUS) - 1, _U32, _U32, _U32, _U48), "state")
    _numbers(parts[9:], (_U32, _U32), "state")
    _head(parts[8], "state")
    return {
        "epoch": parts[0], "boot": parts[1], "uptime_ms": parts[2], "status": STATUS[parts[3]], "last_seq": parts[4],
        "lowest_kept": parts[5], "acked": parts[6], "ledger_n": parts[7], "ledger_head": parts[8], "heap_free": parts[9],
        "heap_low": parts[10],
    }  # fmt: skip


def encode_ack(ack: dict) -> bytes:
    """The payload of one acknowledgement; `ack` has the keys that `decode_ack` gives."""
    return cbor.encode(
        [
            ack["epoch"], ack["high_water"], ack["want_from"], ack["want_to"], ack["ledger_n"], ack["ledger_head"],
            ack["utc_ms"], ack["echo_boot"], ack["echo_uptime_ms"],
        ]
    )  # fmt: skip


def decode_ack(payload: bytes) -> dict:
    """{epoch, high_water, want_from, want_to, ledger_n, ledger_head, utc_ms, echo_boot, echo_uptime_ms}.

    Every record up to high_water is durable. want_from = 0: nothing is missing; else the range is asked for again.
    echo_*: boot and uptime_ms of the device's message that this answers, for its clock; 0 for none.
    """
    parts = _array(payload, 9, "ack")
    _numbers(parts[:5], (_U32, _U32, _U32, _U32, _U48), "ack")
    _head(parts[5], "ack")
    _numbers(parts[6:], (_U48, _U32, _U48), "ack")
    return {
        "epoch": parts[0], "high_water": parts[1], "want_from": parts[2], "want_to": parts[3], "ledger_n": parts[4],
        "ledger_head": parts[5], "utc_ms": parts[6], "echo_boot": parts[7], "echo_uptime_ms": parts[8],
    }  # fmt: skip


def _array(payload: bytes, size: int, what: str) -> list:
    parts = cbor.decode(payload)
    if not isinstance(parts, list) or len(parts) != size:
        raise MessageError("%s: not an array of %d" % (what, size))
    return parts


def _numbers(values, limits, what: str) -> None:
    for value, limit in zip(values, limits):
        if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= limit:
            raise MessageError("%s: %r is not an integer of 0 to %d" % (what, value, limit))


def _head(value, what: str) -> None:
    if not isinstance(value, bytes) or len(value) != HEAD_BYTES:
        raise MessageError("%s: the ledger head is not %d bytes" % (what, HEAD_BYTES))
