"""Records and Messages of docs/protocol.md, statement by statement: each limit from its inner and
from its outer side.
"""

from must import refused, run
from protocol import cbor, messages, records

U32 = 2**32 - 1
U48 = 2**48 - 1
HEAD = bytes(range(32))
TALLY = {
    "kind": "tally", "boot": 1, "uptime_ms": 5, "instrument": "bills", "batch_id": "7",
    "currency": "USD", "rows": [(2000, 5)], "total_minor": 10000,
}  # fmt: skip
TAPE = {"kind": "tape", "boot": 1, "uptime_ms": 5, "line_no": 1, "amount_minor": -1, "symbol": "+"}
BOOT = {
    "kind": "boot", "boot": 1, "uptime_ms": 5, "reset_cause": "hard", "firmware": "1", "board": "b",
    "lowest_kept": 0, "acked": 0,
}  # fmt: skip


def wire_of(record):
    """The map of a good record: {field number: value}."""
    return cbor.decode(records.encode_record(record))


def without(values, *keys):
    left = {}
    for key in values:
        if key not in keys:
            left[key] = values[key]
    return left


def with_(values, more):
    out = dict(values)
    out.update(more)
    return out


def wire(reason, record, good, bad):
    """On the wire each value of `good` is taken in its field, each of `bad` refused: pairs of field
    name and value.
    """
    base = wire_of(record)
    for name, value in good:
        records.decode_record(cbor.encode(with_(base, {records.number_of(name): value})))
    for name, value in bad:
        refused(
            reason,
            records.decode_record,
            cbor.encode(with_(base, {records.number_of(name): value})),
        )


def is_a_map():
    records.decode_record(records.encode_record(TALLY))
    for value in ([1, 2], 7, b"x", "x", []):
        refused("not a map", records.decode_record, cbor.encode(value))


def bytes_max():
    """No record of these tables comes near the limit, so what tells is which refusal answers 800
    and which 801 bytes.
    """
    refused("limit 800", records.decode_record, bytes(801))
    refused("trailing bytes", records.decode_record, bytes(800))
    wide = with_(
        TALLY,
        {
            "rows": [(U32, U32)] * 32,
            "rejects": [(U32, U32)] * 16,
            "batch_id": "b" * 40,
            "machine_time": "m" * 24,
        },
    )
    assert 500 < len(records.encode_record(wide)) <= 800


def kind_known():
    base = wire_of(TALLY)
    for value in (0, len(records.limit_of("kind")) + 1, 255, "tally", b"\2", [2]):
        refused("", records.decode_record, cbor.encode(with_(base, {0: value})))
    refused("unknown kind", records.decode_record, cbor.encode(without(base, 0)))
    refused("unknown kind", records.encode_record, with_(TALLY, {"kind": "count"}))


def boot_and_uptime():
    base = wire_of(TALLY)
    for number, name in ((1, "boot"), (2, "uptime_ms")):
        refused("tally lacks " + name, records.decode_record, cbor.encode(without(base, number)))
        refused("tally lacks " + name, records.encode_record, without(TALLY, name))


def a_value(name):
    _, type_name, limit = records.spec_of(records.number_of(name))
    if type_name == "choice":
        return limit[0]
    return {"uint": 1, "int": -1, "text": "x", "bytes": b"x", "pairs": [(1, 1)], "texts": ["x"]}[
        type_name
    ]


def smallest(kind):
    record = {"kind": kind, "boot": 1, "uptime_ms": 1}
    for name in records.kinds()[kind][0]:
        record[name] = a_value(name)
    return record


def musts():
    for kind in records.kinds():
        record = smallest(kind)
        raw = records.encode_record(record)
        for name in records.kinds()[kind][0]:
            refused("%s lacks %s" % (kind, name), records.encode_record, without(record, name))
            part = without(cbor.decode(raw), records.number_of(name))
            refused("%s lacks %s" % (kind, name), records.decode_record, cbor.encode(part))


def no_such_number():
    base = wire_of(TALLY)
    known = records.fields()
    for number in (4, 9, 39, 99, 200, 2**32, 2**64 - 1):
        assert number not in known
        refused(
            "unknown field number", records.decode_record, cbor.encode(with_(base, {number: 0}))
        )
    refused("has no field", records.encode_record, with_(TALLY, {"cents": 1}))


def not_of_this_kind():
    for kind in records.kinds():
        record = smallest(kind)
        must, may = records.kinds()[kind]
        for spec in records.fields().values():
            name = spec[0]
            if name in must or name in may or name in ("kind", "boot", "uptime_ms", "utc_ms"):
                continue
            refused(
                "%s has no field" % kind,
                records.encode_record,
                with_(record, {name: a_value(name)}),
            )


def unsigned():
    for number in sorted(records.fields()):
        name, type_name, limit = records.spec_of(number)
        if type_name != "uint":
            continue
        kind = [
            k
            for k in records.kinds()
            if name
            in records.kinds()[k][0]
            + records.kinds()[k][1]
            + (
                "boot",
                "uptime_ms",
                "utc_ms",
            )
        ]
        record = smallest(sorted(kind)[0])
        wire("out of range", record, ((name, 0), (name, limit)), ((name, limit + 1), (name, -1)))
        wire("is not an integer", record, (), ((name, b"\1"), (name, "1"), (name, [1])))


def strings(kind_wanted, other):
    for number in sorted(records.fields()):
        name, type_name, limit = records.spec_of(number)
        if type_name != kind_wanted:
            continue
        kind = [k for k in records.kinds() if name in records.kinds()[k][0] + records.kinds()[k][1]]
        record = smallest(sorted(kind)[0])
        one = "x" if kind_wanted == "text" else b"x"
        good, bad = [(name, one * limit), (name, one * 0)], [(name, one * (limit + 1))]
        if kind_wanted == "text":
            # fewer characters than the limit, more bytes
            bad.append((name, "\xe9" * (limit // 2 + 1)))
        wire("bytes, limit %d" % limit, record, good, bad)
        wire("is not " + kind_wanted, record, (), ((name, other), (name, 1), (name, [])))


def choices():
    for number in sorted(records.fields()):
        name, type_name, limit = records.spec_of(number)
        if type_name != "choice" or name == "kind":
            continue
        kind = [k for k in records.kinds() if name in records.kinds()[k][0] + records.kinds()[k][1]]
        record = smallest(sorted(kind)[0])
        wire(
            "is not one of 1 to",
            record,
            ((name, 1), (name, len(limit))),
            ((name, 0), (name, len(limit) + 1), (name, -1)),
        )
        wire("is not one of 1 to", record, (), ((name, limit[0]), (name, b"\1")))
        refused("is not one of", records.encode_record, with_(record, {name: "nonsense"}))


def pairs_max():
    for name in ("rows", "rejects"):
        limit = records.limit_of(name)
        wire(
            "not a list of at most",
            TALLY,
            ((name, [[1, 1]] * limit), (name, [])),
            ((name, [[1, 1]] * (limit + 1)),),
        )
        wire("not a list of at most", TALLY, (), ((name, {1: 1}), (name, 1), (name, b"")))


def pair_of_two():
    wire(
        "want a pair",
        TALLY,
        (),
        (
            ("rows", [[1]]),
            ("rows", [[1, 1, 1]]),
            ("rows", [1]),
            ("rejects", [[]]),
            ("rows", [{1: 1}]),
        ),
    )


def pair_of_u32():
    good = (("rows", [[0, U32]]), ("rows", [[U32, 0]]))
    bad = (
        ("rows", [[U32 + 1, 1]]),
        ("rows", [[1, U32 + 1]]),
        ("rows", [[-1, 1]]),
        ("rejects", [[1, -1]]),
        ("rows", [["1", 1]]),
    )
    wire("want unsigned 32-bit integers", TALLY, good, bad)


def texts_max():
    for kind, name in (("boot", "instruments"),):
        limit = records.limit_of(name)
        wire(
            "not a list of at most",
            smallest(kind),
            ((name, ["x"] * limit),),
            ((name, ["x"] * (limit + 1)), (name, "x")),
        )


def text_of_list():
    bad = (
        ("instruments", ["x" * 49]),
        ("instruments", [1]),
        ("instruments", [b"x"]),
        ("instruments", ["\xe9" * 25]),
    )
    wire(
        "want a text of at most 48 bytes",
        BOOT,
        (("instruments", ["x" * 48]), ("instruments", [""])),
        bad,
    )


def encoder_refuses():
    for record, name, value in (
        (TALLY, "total_minor", -1), (TALLY, "total_minor", 2**40), (TALLY, "total_minor", "1"),
        (TALLY, "currency", "EURO"), (TALLY, "rows", [(1, 2, 3)]), (TALLY, "rows", [(1, True)]),
        (TALLY, "rows", [(-1, 1)]), (TALLY, "digest", bytes(9)), (TALLY, "flags", 256),
        (TALLY, "flags", True), (TALLY, "evidence", "hope"), (TAPE, "amount_minor", -(2**40)),
        (TALLY, "currency", b"USD"), (BOOT, "instruments", ["x" * 49]),
        (TALLY, "rows", [(1, 1)] * 33), (TALLY, "boot", True), (TALLY, "uptime_ms", 2**48),
    ):  # fmt: skip
        refused("record: ", records.encode_record, with_(record, {name: value}))


def fits_alone():
    # the seal around it: test_full_event_message_fits_under_the_seal counts the whole
    sealed = 8 + 24 + 12 + 32
    assert records.RECORD_BYTES_MAX + 3 <= messages.EVENT_BYTES_MAX
    raw = messages.encode_events(U32, U32, U48, U32 - 1, [bytes(records.RECORD_BYTES_MAX)])
    assert len(raw) + sealed <= 1024 and messages.decode_events(raw)["records"] == [bytes(800)]


RECORDS = (
    ("REC-1", is_a_map), ("REC-2", bytes_max), ("REC-3", kind_known), ("REC-4", boot_and_uptime),
    ("REC-5", musts), ("REC-6", no_such_number), ("REC-7", not_of_this_kind), ("REC-8", unsigned),
    ("REC-9", wire, "out of range", TAPE,
     (("amount_minor", 2**40 - 1), ("amount_minor", 1 - 2**40), ("amount_minor", 0)),
     (("amount_minor", 2**40), ("amount_minor", -(2**40)))),
    ("REC-10", strings, "text", b"x"), ("REC-11", strings, "bytes", "x"), ("REC-12", choices),
    ("REC-13", pairs_max), ("REC-14", pair_of_two), ("REC-15", pair_of_u32), ("REC-16", texts_max),
    ("REC-17", text_of_list), ("REC-18", encoder_refuses), ("REC-19", fits_alone),
)  # fmt: skip

GOOD = {
    "ev": [1, 1, 1, 1, [b"x"], bytes(8)],
    "state": [1, 1, 1, 0, 1, 1, 1, 1, HEAD, 1, 1, 0],
    "ack": [1, 1, 0, 0, 1, HEAD, 1, 1, 1, bytes(8)],
    "cmd": [1, 1, bytes(16), 0, ""],
}
NAMES = {
    "ev": "epoch boot sent_uptime_ms first_seq records before",
    "state": (
        "epoch boot uptime_ms status last_seq lowest_kept acked ledger_n ledger_head heap_free"
        " heap_low command"
    ),
    "ack": (
        "epoch high_water want_from want_to ledger_n ledger_head utc_ms echo_boot echo_uptime_ms"
        " fingerprint"
    ),
    "cmd": "epoch counter nonce verb argument",
}


def decode(leaf, parts):
    function = {
        "ev": messages.decode_events,
        "state": messages.decode_state,
        "ack": messages.decode_ack,
    }.get(leaf)
    return (function or messages.decode_command)(cbor.encode(parts))


def element(leaf, names, good, bad):
    """Each named element of a payload takes each value of `good` and gives it back under its name;
    none of `bad` is taken.
    """
    for name in names.split():
        at = NAMES[leaf].split().index(name)
        for value in good:
            parts = list(GOOD[leaf])
            parts[at] = value
            found = decode(leaf, parts)[name]
            assert found == value or name in ("status", "verb"), (name, value, found)
        for value in bad:
            parts = list(GOOD[leaf])
            parts[at] = value
            refused(leaf + ": ", decode, leaf, parts)


def array_of(leaf):
    size = len(GOOD[leaf])
    for parts in (GOOD[leaf][:-1], GOOD[leaf] + [0], [], {0: 1}, 5, b""):
        refused("%s: not an array of %d" % (leaf, size), decode, leaf, parts)


def words(leaf, name, expected):
    at = NAMES[leaf].split().index(name)
    for number, word in enumerate(expected):
        parts = list(GOOD[leaf])
        parts[at] = number
        assert decode(leaf, parts)[name] == word
    element(leaf, name, (), (len(expected), -1, expected[0], b"\0"))


def last_seq():
    assert len(decode("ev", [1, 1, 1, U32 - 1, [b"x", b"y"], bytes(8)])["records"]) == 2
    refused("seq over 32 bits", decode, "ev", [1, 1, 1, U32, [b"x", b"y"], bytes(8)])


NOT_U32 = (U32 + 1, -1, "1", b"\1", [1], 2**64 - 1)
NOT_U48 = (U48 + 1, -1, "1", b"\1", [1], 2**64 - 1)
NOT_HEAD = (HEAD[:31], HEAD + b"x", "x" * 32, 0, [])

MESSAGES = (
    ("EV-1", array_of, "ev"),
    ("EV-2", element, "ev", "epoch", (1, U32), (0,) + NOT_U32),
    ("EV-3", element, "ev", "boot", (0, U32), NOT_U32),
    ("EV-4", element, "ev", "sent_uptime_ms", (0, U48), NOT_U48),
    ("EV-5", element, "ev", "first_seq", (1, U32), (0,) + NOT_U32),
    ("EV-6", element, "ev", "records", ([b"x"], [b"x"] * 64), ([], {}, b"", 0)),
    ("EV-7", element, "ev", "records", ([b""],), (["x"], [1], [[b"x"]], [b"x", "y"], [{0: 1}])),
    ("EV-8", last_seq),
    ("EV-13", element, "ev", "before", (bytes(8), b"m" * 8), (bytes(7), bytes(9), b"", "m" * 8, 0)),
    ("STATE-1", array_of, "state"),
    (
        "STATE-2",
        element,
        "state",
        "epoch boot last_seq lowest_kept acked heap_free heap_low command",
        (0, U32),
        NOT_U32,
    ),
    ("STATE-3", element, "state", "uptime_ms ledger_n", (0, U48), NOT_U48),
    ("STATE-4", words, "state", "status", ("alive", "lost", "journal_full", "locked")),
    ("STATE-5", element, "state", "ledger_head", (HEAD,), NOT_HEAD),
    ("ACK-1", array_of, "ack"),
    ("ACK-2", element, "ack", "epoch high_water want_from want_to echo_boot", (0, U32), NOT_U32),
    ("ACK-3", element, "ack", "ledger_n utc_ms echo_uptime_ms", (0, U48), NOT_U48),
    ("ACK-4", element, "ack", "ledger_head", (HEAD,), NOT_HEAD),
    (
        "ACK-11",
        element,
        "ack",
        "fingerprint",
        (bytes(8), b"m" * 8),
        (bytes(7), bytes(9), b"", "m" * 8, 0),
    ),
    ("CMD-1", array_of, "cmd"),
    ("CMD-2", element, "cmd", "epoch counter", (1, U32), (0,) + NOT_U32),
    (
        "CMD-3",
        element,
        "cmd",
        "nonce",
        (bytes(16), b"n" * 16),
        (bytes(15), bytes(17), b"", "n" * 16, 0),
    ),
    ("CMD-4", words, "cmd", "verb", ("identify", "restart", "log", "rotate")),
    (
        "CMD-5",
        element,
        "cmd",
        "argument",
        ("", "x" * 64, "\xe9" * 32),
        ("x" * 65, "\xe9" * 33, b"x", 0),
    ),
)

run(RECORDS)
run(MESSAGES)
