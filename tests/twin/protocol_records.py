"""records: seeded records of every kind to bytes and back, inside and just outside the limits."""

from protocol import records
from protocol.compat import ProtocolError
from seeded import Seeded, digest


def field_value(source: Seeded, type_name: str, limit):
    if type_name == "choice":
        return source.one_of(limit)
    if type_name == "uint":
        return source.number(limit)
    if type_name == "int":
        return source.number(limit) * source.one_of((1, -1))
    if type_name == "text":
        return source.text(limit)
    if type_name == "bytes":
        return source.data(limit)
    if type_name == "texts":
        return [source.text(48) for _ in range(source.below(limit + 1))]
    return [
        (source.number(0xFFFFFFFF), source.number(0xFFFFFFFF))
        for _ in range(source.below(limit + 1))
    ]


def record(source: Seeded, kind: str) -> dict:
    by_name = {spec[0]: spec for spec in records.fields().values()}
    must, may = records.kinds()[kind]
    names = ("boot", "uptime_ms") + must
    for name in may + ("utc_ms",):
        if source.below(2):
            names += (name,)
    out = {"kind": kind}
    for name in names:
        out[name] = field_value(source, by_name[name][1], by_name[name][2])
    return out


def outcome(original: dict) -> bytes:
    try:
        raw = records.encode_record(original)
        assert records.decode_record(raw) == original
        return raw
    except ProtocolError as error:
        return str(error).encode()


def main():
    numbers = sorted(records.fields())
    for kind in sorted(records.kinds()):
        out = []
        for seed in range(12):
            source = Seeded(seed)
            original = record(source, kind)
            out.append(outcome(original))
            name, type_name, limit = records.fields()[source.one_of(numbers)]
            if type_name in ("uint", "int"):
                original[name] = limit + 1
            elif type_name == "bytes":
                original[name] = b"x" * (limit + 1)
            else:
                original[name] = "x" * 100
            out.append(outcome(original))
        print(kind, len(out), digest(out))


main()
