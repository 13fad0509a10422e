"""The wire dictionary: what a device may state, as data.

A record is a map from field numbers to values. `FIELDS` gives each number its name, type, limit and unit; `KINDS` says which
fields each kind must and may carry. The decoder's limits, till.cddl and docs/records.md all come from these two tables.

A record says what was seen, never what it means: money counted, a drawer opened, a key pressed. Only the gateway concludes.
"""

from protocol import cbor
from protocol.compat import ProtocolError, const

RECORD_BYTES_MAX = const(800)  # one record always fits in one sealed message

FLAG_REPRINT = const(1)  # a copy of a report that was already stated: heard, not counted
FLAG_ACCUMULATE = const(2)  # the machine was adding to an earlier batch
FLAG_DISCREPANCY = const(4)  # the machine itself said that some cash could not be included
FLAG_SUB_BATCH = const(8)  # a part of a batch whose own report follows: not summed twice

# number: (name, type, limit),  # unit or meaning: a comment, because it would cost the device 4 KB of heap as a value
# types: uint (limit = highest value), int (limit = highest magnitude), text and bytes (limit = bytes),
#        choice (limit = the names, numbered from 1), pairs (limit = how many pairs of unsigned integers),
#        texts (limit = how many texts of at most 48 bytes)
FIELDS = {
    0: ("kind", "choice", ("boot", "tally", "drawer", "tape", "mark", "instrument", "quarantine")),  # what was seen
    1: ("boot", "uint", 0xFFFFFFFF),  # which start of this device, from 1
    2: ("uptime_ms", "uint", 0xFFFFFFFFFFFF),  # milliseconds since that start
    3: ("utc_ms", "uint", 0xFFFFFFFFFFFF),  # the device's estimate of UTC, Unix milliseconds; absent before the gateway told it
    10: ("instrument", "text", 24),  # name of the instrument at this window, as boards.toml has it
    11: ("batch_id", "text", 40),  # the machine's own identity of the count batch
    12: ("currency", "text", 3),  # ISO 4217 alphabetic code
    13: ("rows", "pairs", 32),  # [denomination in minor units, pieces], highest first
    14: ("total_minor", "uint", 0xFFFFFFFFFF),  # the machine's own printed total, minor units
    15: ("rejects", "pairs", 16),  # [quality 1 fit 2 unfit 3 suspect 4 counterfeit 5 inked 6 unrecognized, pieces]
    16: ("flags", "uint", 255),  # 1 reprint, 2 accumulate, 4 discrepancy, 8 sub-batch
    17: ("digest", "bytes", 8),  # first bytes of SHA-256 of the report's body
    18: ("evidence", "choice", ("specification", "manual", "capture", "guess")),  # how the wire of this instrument is known
    19: ("machine_time", "text", 24),  # what the machine's clock printed; never a key
    20: ("state", "choice", ("opened", "closed", "stuck", "open_too_long")),  # of the drawer
    21: ("cause", "choice", ("commanded", "key_or_manual", "unknown")),  # why the drawer opened
    22: ("dwell_ms", "uint", 0xFFFFFFFF),  # how long the drawer was in the state it left
    30: ("line_no", "uint", 0xFFFFFFFF),  # line of the adding machine's tape, from 1 at each boot
    31: ("left", "text", 16),  # what stands at the left of the tape line (non-add, item count)
    32: ("amount_minor", "int", 0xFFFFFFFFFF),  # amount of the tape line, minor units
    33: ("symbol", "text", 4),  # + - <> (subtotal) * (total) # (non-add) GT E C
    40: (  # what the cashier keyed
        "mark", "choice",
        (
            "sign_on", "opening_float", "drop", "checks_tape", "close", "recount", "void_last_batch",
            "checkpoint", "done", "card_total",
        ),
    ),
    41: ("value", "uint", 0xFFFFFFFFFF),  # what was keyed with the mark: cashier number or declared minor units
    50: (  # of the instrument
        "condition", "choice",
        (
            "back", "offline", "jam", "full", "empty", "key_stuck", "ghost_keys", "line_noise",
            "missing_report", "day_clear",
        ),
    ),
    51: ("detail", "text", 96),  # what a person should know about it
    52: ("reason", "text", 96),  # why a report was not counted
    53: ("raw", "bytes", 512),  # the report's own bytes
    60: ("reset_cause", "choice", ("power_on", "hard", "watchdog", "deep_sleep", "soft", "unknown")),  # why the device started
    61: ("firmware", "text", 24),  # version of the firmware
    62: ("board", "text", 32),  # board and revision, as boards.toml has it
    63: ("board_hash", "bytes", 8),  # first bytes of SHA-256 of the rendered board constants
    64: ("lowest_kept", "uint", 0xFFFFFFFF),  # lowest seq that the journal still holds; 0 for none
    65: ("acked", "uint", 0xFFFFFFFF),  # highest seq that the gateway acknowledged, as far as the journal knows
    66: ("sectors", "uint", 65535),  # flash sectors of the journal
    67: ("instruments", "texts", 8),  # name=driver/profile:evidence, one an instrument
}  # fmt: skip

# kind: (fields it must carry, fields it may carry); every kind carries kind, boot and uptime_ms and may carry utc_ms
KINDS = {
    "boot": (("reset_cause", "firmware", "board", "lowest_kept", "acked"), ("board_hash", "sectors", "instruments")),
    "tally": (
        ("instrument", "batch_id", "currency", "rows", "total_minor"),
        ("rejects", "flags", "digest", "evidence", "machine_time"),
    ),
    "drawer": (("state",), ("instrument", "cause", "dwell_ms")),
    "tape": (("line_no", "amount_minor", "symbol"), ("left", "currency")),
    "mark": (("mark",), ("value",)),
    "instrument": (("instrument", "condition"), ("detail", "evidence")),
    "quarantine": (("instrument", "reason"), ("raw", "evidence")),
}

_COMMON = ("kind", "boot", "uptime_ms")
_NUMBER = {spec[0]: number for number, spec in FIELDS.items()}


class RecordError(ProtocolError):
    """A record that breaks the wire dictionary. The text names the field, the value and the limit."""


def encode_record(record: dict) -> bytes:
    """The wire bytes of a record given as {field name: value}.

    Raises RecordError when a field is unknown, missing, of the wrong type or over its limit.
    """
    _check_fields(record)
    wire = {}
    for name, value in record.items():
        number = _NUMBER[name]
        wire[number] = _checked(number, value)
    raw = cbor.encode(wire)
    if len(raw) > RECORD_BYTES_MAX:
        raise RecordError("record: %d bytes, limit %d" % (len(raw), RECORD_BYTES_MAX))
    return raw


def decode_record(raw) -> dict:
    """{field name: value} of a record's wire bytes; choices as their names, pairs as lists of (int, int).

    Raises RecordError or cbor.CborError for anything that `encode_record` would not have written.
    """
    if len(raw) > RECORD_BYTES_MAX:
        raise RecordError("record: %d bytes, limit %d" % (len(raw), RECORD_BYTES_MAX))
    wire = cbor.decode(raw)
    if not isinstance(wire, dict):
        raise RecordError("record: not a map")
    record = {}
    for number, value in wire.items():
        spec = FIELDS.get(number)
        if spec is None:
            raise RecordError("record: unknown field number %d" % number)
        if spec[1] == "choice":
            value = _choice_name(spec, value)
        record[spec[0]] = value
    _check_fields(record)
    for name, value in record.items():
        _checked(_NUMBER[name], value)
        if FIELDS[_NUMBER[name]][1] == "pairs":
            record[name] = [(pair[0], pair[1]) for pair in value]
    return record


def _choice_name(spec: tuple, value) -> str:
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= len(spec[2]):
        raise RecordError("record: %s %r is not one of 1 to %d" % (spec[0], value, len(spec[2])))
    return spec[2][value - 1]


def _check_fields(record: dict) -> None:
    kind = record.get("kind")
    if kind not in KINDS:
        raise RecordError("record: unknown kind %r" % (kind,))
    must, may = KINDS[kind]
    for name in _COMMON + must:
        if name not in record:
            raise RecordError("record: %s lacks %s" % (kind, name))
    for name in record:
        if name not in _COMMON and name != "utc_ms" and name not in must and name not in may:
            raise RecordError("record: %s has no field %r" % (kind, name))


def _checked(number: int, value):
    """The wire value of one field, or RecordError."""
    name, type_name, limit = FIELDS[number]
    if type_name == "choice":
        if value not in limit:
            raise RecordError("record: %s %r is not one of %s" % (name, value, ", ".join(limit)))
        return limit.index(value) + 1
    if type_name in ("uint", "int"):
        if isinstance(value, bool) or not isinstance(value, int):
            raise RecordError("record: %s %r is not an integer" % (name, value))
        if value > limit or value < (-limit if type_name == "int" else 0):
            raise RecordError("record: %s %d is out of range (limit %d)" % (name, value, limit))
        return value
    if type_name in ("text", "bytes"):
        wanted = str if type_name == "text" else bytes
        if not isinstance(value, wanted):
            raise RecordError("record: %s is not %s" % (name, type_name))
        size = len(value.encode() if isinstance(value, str) else value)
        if size > limit:
            raise RecordError("record: %s of %d bytes, limit %d" % (name, size, limit))
        return value
    return _checked_list(name, type_name, limit, value)


def _checked_list(name: str, type_name: str, limit: int, value):
    if not isinstance(value, (list, tuple)) or len(value) > limit:
        raise RecordError("record: %s is not a list of at most %d" % (name, limit))
    for item in value:
        if type_name == "texts":
            if not isinstance(item, str) or len(item.encode()) > 48:
                raise RecordError("record: %s holds %r, want a text of at most 48 bytes" % (name, item))
            continue
        if not isinstance(item, (list, tuple)) or len(item) != 2:
            raise RecordError("record: %s holds %r, want a pair" % (name, item))
        for part in item:
            if isinstance(part, bool) or not isinstance(part, int) or not 0 <= part <= 0xFFFFFFFF:
                raise RecordError("record: %s holds %r, want unsigned 32-bit integers" % (name, item))
    return value
