"""The wire dictionary: what a device may state, as data.

A record is a map from field numbers to values. `FIELDS` gives each number its name, type, limit and
unit; `_KINDS` says which fields each kind must and may carry. The decoder's limits, till.cddl and
docs/records.md all come from these two tables.

The tables are two texts, not dicts of tuples, and the code searches them. On the unix port's heap
that needs 3 KB instead of 13. It is fast enough: a device encodes a few records a second at most.

A record says what was seen, never what it means: money counted, a drawer opened, a key pressed.
Only the gateway concludes.
"""

from protocol import cbor
from protocol.compat import ProtocolError, const, remember

RECORD_BYTES_MAX = const(800)  # one record always fits in one sealed message

FLAG_REPRINT = const(1)  # a copy of a report that was already stated: not counted again
FLAG_ACCUMULATE = const(2)  # the machine was adding to an earlier batch
FLAG_DISCREPANCY = const(4)  # the machine itself said that some cash could not be included
FLAG_SUB_BATCH = const(8)  # a part of a batch whose own report follows: in no sum

# number:name:type:limit, and as a comment its unit or meaning
# types:
#   uint (limit = highest value), int (limit = highest magnitude), text and bytes (limit = bytes),
#   choice (limit = the names, numbered from 1),
#   pairs (limit = how many pairs of unsigned integers),
#   texts (limit = how many texts of at most 48 bytes)
FIELDS = (
    "\n"
    "0:kind:choice:boot,tally,drawer,tape,mark,instrument,quarantine,command\n"  # what was seen
    "1:boot:uint:4294967295\n"  # which start of this device, from 1
    "2:uptime_ms:uint:281474976710655\n"  # milliseconds since that start
    # the device's estimate of UTC, Unix milliseconds; absent before the gateway told it
    "3:utc_ms:uint:281474976710655\n"
    "10:instrument:text:24\n"  # name of the instrument at this window, as boards.toml has it
    "11:batch_id:text:40\n"  # the machine's own name for the count batch
    "12:currency:text:3\n"  # ISO 4217 alphabetic code
    "13:rows:pairs:32\n"  # [denomination in minor units, pieces], highest first
    "14:total_minor:uint:1099511627775\n"  # the machine's own printed total, minor units
    # [quality 1 fit 2 unfit 3 suspect 4 counterfeit 5 inked 6 unrecognized, pieces]
    "15:rejects:pairs:16\n"
    "16:flags:uint:255\n"  # 1 reprint, 2 accumulate, 4 discrepancy, 8 sub-batch
    "17:digest:bytes:8\n"  # first bytes of SHA-256 of the report's body
    # how the wire of this instrument is known
    "18:evidence:choice:specification,manual,capture,guess\n"
    "19:machine_time:text:24\n"  # what the machine's clock printed; never a key
    "20:state:choice:opened,closed,stuck,open_too_long\n"  # of the drawer
    "21:cause:choice:commanded,key_or_manual,unknown\n"  # why the drawer opened
    "22:dwell_ms:uint:4294967295\n"  # how long the drawer was in the state it left
    "30:line_no:uint:4294967295\n"  # line of the adding machine's tape, from 1 at each boot
    "31:left:text:16\n"  # what is printed at the left of the tape line (non-add, item count)
    "32:amount_minor:int:1099511627775\n"  # amount of the tape line, minor units
    "33:symbol:text:4\n"  # + - <> (subtotal) * (total) # (non-add) GT E C
    # what the cashier keyed:
    "40:mark:choice:sign_on,opening_float,drop,checks_tape,close,recount,void_last_batch,checkpoint,done,card_total,"
    "money_order,other,suspend,resume,surprise,end\n"
    # what was keyed with the mark: cashier number or declared minor units
    "41:value:uint:1099511627775\n"
    # of the instrument:
    "50:condition:choice:back,offline,jam,full,empty,key_stuck,ghost_keys,line_noise,missing_report,day_clear,"
    "reset,discrepancy,cleared_unreported,fraud,fault,stopped,swapped\n"
    "51:detail:text:96\n"  # what a person should know about it
    "52:reason:text:96\n"  # why a report was not counted
    "53:raw:bytes:512\n"  # the report's own bytes
    "54:pieces:uint:4294967295\n"  # how many pieces it concerns; absent when that cannot be known
    # why the device started
    "60:reset_cause:choice:power_on,hard,watchdog,deep_sleep,soft,unknown\n"
    "61:firmware:text:24\n"  # version of the firmware
    "62:board:text:32\n"  # board and revision, as boards.toml has it
    "63:board_hash:bytes:8\n"  # first bytes of SHA-256 of the rendered board constants
    "64:lowest_kept:uint:4294967295\n"  # lowest seq that the journal still holds; 0 for none
    # highest seq that the gateway acknowledged, as far as the journal knows
    "65:acked:uint:4294967295\n"
    "66:sectors:uint:65535\n"  # flash sectors of the journal
    "67:instruments:texts:8\n"  # name=driver/profile:evidence, one for each instrument
    "68:start_nonce:bytes:4\n"  # random at each start, so that no copy makes the same boot record
    # of a command that the device accepted:
    "70:counter:uint:4294967295\n"  # the counter of the command
    "71:verb:choice:identify,restart,log,rotate\n"  # what was asked
    "72:outcome:choice:done,refused,failed\n"  # what became of it
    "73:lines:texts:12\n"  # the device's newest log lines, oldest first
)  # fmt: skip

# kind:fields it must carry:fields it may carry; every kind carries kind, boot and uptime_ms and may
# carry utc_ms
_KINDS = const(
    "\n"
    "boot:reset_cause,firmware,board,lowest_kept,acked:board_hash,sectors,instruments,start_nonce\n"
    "tally:instrument,batch_id,currency,rows,total_minor:rejects,flags,digest,evidence,machine_time\n"
    "drawer:state:instrument,cause,dwell_ms\n"
    "tape:line_no,amount_minor,symbol:left,currency\n"
    "mark:mark:value\n"
    "instrument:instrument,condition:detail,pieces,evidence\n"
    "quarantine:instrument,reason:raw,evidence\n"
    "command:counter,verb,outcome:detail,lines\n"
)  # fmt: skip

_COMMON = const(("kind", "boot", "uptime_ms"))


@remember
def spec_of(number: int) -> tuple:
    """(name, type, limit) of a field; the limit of a choice is the tuple of its names. Empty if no
    field has this number.
    """
    found = _line_from(FIELDS, FIELDS.find("\n%d:" % number))
    if found is None:
        return ()
    _, name, type_name, limit = found.split(":")
    return name, type_name, tuple(limit.split(",")) if type_name == "choice" else int(limit)


@remember
def number_of(name: str) -> int:
    """The number of the field with this name; ProtocolError when there is none."""
    at = FIELDS.find(":" + name + ":")
    if at < 0:
        raise ProtocolError("record: no field %r" % name)
    return int(FIELDS[FIELDS.rfind("\n", 0, at) + 1 : at])


def limit_of(name: str):
    """The limit of the field with this name, as `spec_of` has it."""
    return spec_of(number_of(name))[2]


@remember
def fields_of(kind: str):
    """(names that a record of this kind must carry, names that it may carry), without the common
    ones; None if the kind does not exist.
    """
    found = _line_from(_KINDS, _KINDS.find("\n" + kind + ":"))
    return (
        None if found is None else tuple([tuple(part.split(",")) for part in found.split(":")[1:]])
    )


def fields() -> dict:
    """{number: (name, type, limit)} of all fields: for documentation and tests."""
    return {
        number: spec_of(number) for number in [int(line.split(":")[0]) for line in FIELDS.split()]
    }


def kinds() -> dict:
    """{kind: (must carry, may carry)}: for documentation and tests."""
    return {kind: fields_of(kind) for kind in limit_of("kind")}


def _line_from(text: str, at: int):
    return None if at < 0 else text[at + 1 : text.find("\n", at + 1)]


def encode_record(record: dict) -> bytes:
    """The wire bytes of a record given as {field name: value}.

    Raises ProtocolError when a field is unknown, missing, of the wrong type or over its limit.
    """
    _check_fields(record)
    wire = {}
    for name, value in record.items():
        number = number_of(name)
        wire[number] = _checked(spec_of(number), value)
    raw = cbor.encode(wire)
    if len(raw) > RECORD_BYTES_MAX:
        raise ProtocolError("record: %d bytes, limit %d" % (len(raw), RECORD_BYTES_MAX))
    return raw


def decode_record(raw) -> dict:
    """{field name: value} of a record's wire bytes; choices as their names, pairs as lists of (int,
    int).

    Raises ProtocolError or cbor.CborError for anything that `encode_record` would not have written.
    """
    if len(raw) > RECORD_BYTES_MAX:
        raise ProtocolError("record: %d bytes, limit %d" % (len(raw), RECORD_BYTES_MAX))
    wire = cbor.decode(raw)
    if not isinstance(wire, dict):
        raise ProtocolError("record: not a map")
    record = {}
    for number, value in wire.items():
        spec = spec_of(number)
        if not spec:
            raise ProtocolError("record: unknown field number %d" % number)
        if spec[1] == "choice":
            if (
                isinstance(value, bool)
                or not isinstance(value, int)
                or not 1 <= value <= len(spec[2])
            ):
                raise ProtocolError(
                    "record: %s %r is not one of 1 to %d" % (spec[0], value, len(spec[2]))
                )
            value = spec[2][value - 1]
        else:
            _checked(spec, value)
            if spec[1] == "pairs":
                value = [(pair[0], pair[1]) for pair in value]
        record[spec[0]] = value
    _check_fields(record)
    return record


def _check_fields(record: dict) -> None:
    kind = record.get("kind")
    allowed = fields_of(kind) if isinstance(kind, str) else None
    if allowed is None:
        raise ProtocolError("record: unknown kind %r" % (kind,))
    must, may = allowed
    for name in _COMMON + must:
        if name not in record:
            raise ProtocolError("record: %s lacks %s" % (kind, name))
    for name in record:
        if name not in _COMMON and name != "utc_ms" and name not in must and name not in may:
            raise ProtocolError("record: %s has no field %r" % (kind, name))


def _checked(spec: tuple, value):
    """The wire value of one field, or ProtocolError."""
    name, type_name, limit = spec
    if type_name == "choice":
        if value not in limit:
            raise ProtocolError("record: %s %r is not one of %s" % (name, value, ", ".join(limit)))
        return limit.index(value) + 1
    if type_name in ("uint", "int"):
        if isinstance(value, bool) or not isinstance(value, int):
            raise ProtocolError("record: %s %r is not an integer" % (name, value))
        if value > limit or value < (-limit if type_name == "int" else 0):
            raise ProtocolError("record: %s %d is out of range (limit %d)" % (name, value, limit))
        return value
    if type_name in ("text", "bytes"):
        wanted = str if type_name == "text" else bytes
        if not isinstance(value, wanted):
            raise ProtocolError("record: %s is not %s" % (name, type_name))
        size = len(value.encode() if isinstance(value, str) else value)
        if size > limit:
            raise ProtocolError("record: %s of %d bytes, limit %d" % (name, size, limit))
        return value
    if not isinstance(value, (list, tuple)) or len(value) > limit:
        raise ProtocolError("record: %s is not a list of at most %d" % (name, limit))
    for item in value:
        if type_name == "texts":
            if not isinstance(item, str) or len(item.encode()) > 48:
                raise ProtocolError(
                    "record: %s holds %r, want a text of at most 48 bytes" % (name, item)
                )
            continue
        if not isinstance(item, (list, tuple)) or len(item) != 2:
            raise ProtocolError("record: %s holds %r, want a pair" % (name, item))
        for part in item:
            if isinstance(part, bool) or not isinstance(part, int) or not 0 <= part <= 0xFFFFFFFF:
                raise ProtocolError(
                    "record: %s holds %r, want unsigned 32-bit integers" % (name, item)
                )
    return value
