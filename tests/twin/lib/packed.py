"""Messages to pack: what the drivers say, the odd ones among it, from a seed."""

from protocol import messages, records

KINDS = ("boot", "tally", "drawer", "tape", "mark", "instrument", "quarantine", "command")


def a_value(source, spec):
    """A value of a field as it may stand in a record."""
    name, kind, limit = spec
    if kind == "choice":
        return source.one_of(limit)
    if kind == "uint":
        return source.number(limit)
    if kind == "int":
        return source.number(limit) - source.number(limit)
    if kind == "text":
        return source.text(source.below(limit + 1))
    if kind == "bytes":
        size = source.below(limit + 1) if source.below(4) == 0 else min(limit, 8)
        return bytes([source.below(256) for _ in range(size)])
    if kind == "texts":
        return [source.text(12) for _ in range(source.below(4))]
    denominations = (1, 5, 10, 25, 100, 2000, 10000, 3, 0)
    return [(source.one_of(denominations), source.number(600)) for _ in range(source.below(8))]


def a_record(source, before):
    """The fields of a record: of any kind, often with values of the one before."""
    kind = source.one_of(KINDS)
    must, may = records.fields_of(kind)
    record = {"kind": kind, "boot": source.one_of((3, 3, 3, 4)), "uptime_ms": source.number(10**8)}
    names = list(must) + [name for name in may if source.below(2)] + ["utc_ms"] * source.below(2)
    for name in names:
        if name in before and source.below(2):
            record[name] = before[name]
        else:
            record[name] = a_value(source, records.spec_of(records.number_of(name)))
    if kind == "tally" and source.below(4):
        record["total_minor"] = sum([pair[0] * pair[1] for pair in record["rows"]])
    return record


def a_message(source):
    """The arguments of `messages.encode_events`, whose payload fits."""
    said = []
    room = 600
    before = {}
    for _ in range(1 + source.below(8)):
        if source.below(9) == 0:
            raw = source.data(40)  # what no dictionary knows
        else:
            before = a_record(source, before)
            raw = records.encode_record(before)
        room -= len(raw) + 3
        if said and room < 0:
            break
        said.append(raw)
    before = bytes([source.below(256) for _ in range(messages.FINGERPRINT_BYTES)])
    first_seq = 1 + source.number(0xFFFFFF00)
    epoch = source.number(0xFFFFFFFE) + 1
    return epoch, source.number(9), source.number(10**8), first_seq, said, before
