"""What the decoders alone say of a payload: whatever is faster must say the same."""

from typing import Any

from gateway.facts.chain import occurred_ms
from protocol import messages, unpacking
from protocol import records as wire
from protocol.compat import ProtocolError


def outcome(read: Any, payload: bytes, received_ms: int) -> Any:
    """What was read, as a plain tuple, or the refusal."""
    try:
        found = tuple(read(payload, received_ms))
    except ProtocolError as error:
        return f"{type(error).__name__} {error}"
    except Exception as error:
        return f"fell over: {error!r}"
    return (*found[:6], dict(found[6]), *found[7:])


def strictly(payload: bytes, received_ms: int) -> tuple[Any, ...]:
    """The same as `Reader.read`, by the decoders alone."""
    event = messages.decode_events(payload)
    unreadable, times = {}, []
    for index, raw in enumerate(event["records"]):
        fields = None
        try:
            fields = wire.decode_record(raw)
        except ProtocolError as error:
            unreadable[index] = str(error)
        times.append(occurred_ms(fields, event["boot"], event["sent_uptime_ms"], received_ms))
    return (
        event["epoch"], event["boot"], event["sent_uptime_ms"], event["first_seq"],
        event["before"], event["records"], unreadable, min(times), max(times),
    )  # fmt: skip


def strictly_unpacked(packed: bytes, received_ms: int) -> tuple[Any, ...]:
    """The same as `Reader.read_packed`."""
    return strictly(unpacking.unpack(packed), received_ms)
