"""cbor: seeded values to bytes and back, and seeded damage refused for the same reason."""

from protocol import cbor
from seeded import Seeded, digest


def value(source: Seeded, depth: int):
    kind = source.below(6 if depth < cbor.DEPTH_MAX else 4)
    if kind == 0:
        return source.number(0xFFFFFFFFFFFFFFFF)
    if kind == 1:
        return -1 - source.number(0xFFFFFFFFFFFFFFFF)
    if kind == 2:
        return source.data(30)
    if kind == 3:
        return source.text(20)
    if kind == 4:
        return [value(source, depth + 1) for _ in range(source.below(5))]
    pairs = {}
    for _ in range(source.below(5)):
        # not in a comprehension: MicroPython makes the value of a pair before its key
        key = source.number(0xFFFFFFFF)
        pairs[key] = value(source, depth + 1)
    return pairs


def damaged(source: Seeded, raw: bytes) -> bytes:
    broken = bytearray(raw)
    for _ in range(1 + source.below(3)):
        broken[source.below(len(broken))] = source.below(256)
    return bytes(broken[: len(broken) - source.one_of((0, 0, 0, 1))])


def main():
    for seed in range(30):
        source = Seeded(seed)
        out = []
        for _ in range(10):
            original = value(source, 1)
            raw = cbor.encode(original)
            assert cbor.decode(raw) == original
            out.append(raw)
            for _ in range(4):
                broken = damaged(source, raw)
                try:
                    again = cbor.encode(cbor.decode(broken))
                    assert again == broken
                except cbor.CborError as error:
                    again = str(error).encode()
                out.append(again)
        print(seed, digest(out))


main()
