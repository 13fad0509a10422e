"""How fast messages are judged: the fast readers as a ratio to the decoders, in one run.

    ./run bench reader [--rounds 60]

`read` is the payload of an `ev` message with all its records, `packed` one of version 2, `open`
topic, seal and key. Both sides judge the same bytes in turn; the best of the rounds counts, since a
busy machine only adds.
"""

import argparse
import sys
import tempfile
import timeit
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from gateway.delivery.seals import KeysOf, Seals
from gateway.devices.keys import KeyStore, create_key
from gateway.facts.chain import occurred_ms
from gateway.facts.events import Reader
from gateway.facts.patterns import shape_of
from protocol import messages, packing, records, seal, topics, unpacking

NOW_MS = 1_790_000_000_000
SITE = "bench"
KINDS = {
    "mark": {"kind": "mark", "mark": "close", "value": 120_000},
    "tally": {
        "kind": "tally", "instrument": "coins", "batch_id": "1234", "currency": "USD",
        "rows": [(25, 40), (10, 12)], "total_minor": 1120, "evidence": "manual",
    },
    "tally of notes": {
        "kind": "tally", "instrument": "bills", "batch_id": "20261120-093011", "currency": "USD",
        "rows": [(10000, 3), (5000, 2), (2000, 41), (1000, 12), (500, 30), (100, 77)],
        "total_minor": 156_700, "rejects": [(3, 1)], "flags": 0, "digest": b"8 bytes.",
        "evidence": "manual",
    },
}  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=60)
    rounds = parser.parse_args().rounds
    print("what                              decoders us    fast us   ratio")
    for name, fields in KINDS.items():
        for count in (1, 12 if name != "tally of notes" else 7):
            bodies = [
                records.encode_record(
                    {**fields, "boot": 1, "uptime_ms": 61_000 + seq, "utc_ms": NOW_MS + seq}
                )
                for seq in range(count)
            ]
            payload = messages.encode_events(0x5EC0_11D5, 1, 1_000_000, 4711, bodies)
            reader = Reader()
            reader.make([shape_of(records.decode_record(bodies[0]))])
            assert reader.read(payload, NOW_MS).records == bodies
            show(
                f"read {count:2d} x {name}",
                lambda payload=payload: strictly(payload),
                lambda payload=payload, reader=reader: reader.read(payload, NOW_MS),
                rounds,
            )
            packed = packing.pack(0x5EC0_11D5, 1, 1_000_000, 4711, bodies, bytes(8))
            reader = Reader(make_after=8)
            for _ in range(100):  # until it has its functions
                reader.read_packed(packed, NOW_MS)
            assert reader.packed.read(packed, NOW_MS) is not None
            show(
                f"packed {count:2d} x {name}",
                lambda packed=packed: strictly(unpacking.unpack(packed)),
                lambda packed=packed, reader=reader: reader.read_packed(packed, NOW_MS),
                rounds,
            )
    with tempfile.TemporaryDirectory() as folder:
        key = create_key(Path(folder) / "keys", "w1")
        keys = KeyStore(Path(folder) / "keys")
        topic = topics.topic(SITE, "w1", "ev")
        for size in (90, 800):
            sealed = seal.seal(key.secret, key.kid, topic, bytes(size))
            seals = Seals(keys, SITE)
            seals.open(topic, sealed)
            show(
                f"open a payload of {size} bytes",
                lambda sealed=sealed: opened(keys, topic, sealed),
                lambda sealed=sealed, seals=seals: seals.open(topic, sealed),
                rounds,
            )


def strictly(payload: bytes) -> list[int]:
    """A payload judged by the decoders alone: when its records were."""
    event = messages.decode_events(payload)
    return [
        occurred_ms(records.decode_record(raw), event["boot"], event["sent_uptime_ms"], NOW_MS)
        for raw in event["records"]
    ]


def opened(keys: KeyStore, topic: str, sealed: bytes) -> tuple[bytes, bytes]:
    """A sealed message judged by topics and seal alone, with a look at its key file."""
    _, device, _ = topics.parse_topic(topic)
    return seal.open_seal(sealed, topic, KeysOf(keys, device))


def show(
    what: str, decoders: Callable[[], object], fast: Callable[[], object], rounds: int
) -> None:
    best = [min(timed) * 1e6 for timed in zip(*(
        (timeit.timeit(decoders, number=50) / 50, timeit.timeit(fast, number=500) / 500)
        for _ in range(rounds)
    ), strict=True)]  # fmt: skip
    print(f"{what:32s} {best[0]:12.2f} {best[1]:10.2f} {best[0] / best[1]:7.2f}")


if __name__ == "__main__":
    main()
