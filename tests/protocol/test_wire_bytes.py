"""What a record takes on the wire, alone in a message and in a full one, in both versions.

./run test -s tests/protocol/test_wire_bytes.py prints the table. A packet is what the device gives
to TCP: MQTT's header, a topic of 20 bytes, the sealed message.
"""

import random
from collections.abc import Callable
from typing import Any

import pytest

from firmware import mqtt
from protocol import messages, packing, records, seal, unpacking
from protocol.topics import kid, topic

SITE, DEVICE = "city", "lane1"
KEY = bytes(range(32))
EV = topic(SITE, DEVICE, "ev")
UTC_MS = 1_790_000_300_001
A_DAY_MS = 28_800_000
SEEDS = range(20)


def batch(chance: random.Random, number: int, **fields: Any) -> dict[str, Any]:
    total = sum(denomination * pieces for denomination, pieces in fields["rows"])
    return {
        "kind": "tally", "batch_id": str(number), "currency": "USD", "total_minor": total,
        "digest": chance.randbytes(8), **fields,
    }  # fmt: skip


def coins(chance: random.Random, number: int) -> dict[str, Any]:
    """A coin batch as it was first measured: six denominations, rejects, no time of the machine."""
    rows = [(value, chance.randint(0, 60)) for value in (100, 50, 25, 10, 5)]
    return batch(
        chance, number, instrument="coins", rows=[*rows, (1, chance.randint(100, 400))],
        rejects=[(6, 1)], evidence="manual",
    )  # fmt: skip


def sorter(chance: random.Random, number: int) -> dict[str, Any]:
    """A coin batch as the profile mach states it."""
    rows = [(value, chance.randint(10, 60)) for value in (25, 10, 5)]
    return batch(
        chance, number, instrument="coins", rows=[*rows, (1, chance.randint(100, 400))],
        batch_id=f"3-{number}-0", flags=0, evidence="manual",
        machine_time=f"{8 + number // 60:02d}:{number % 60:02d} 03/02/2026",
    )  # fmt: skip


def bills(chance: random.Random, number: int) -> dict[str, Any]:
    """A bill batch as the profile jetscan states it."""
    values = (10000, 5000, 2000, 1000, 500, 100)
    rows = [(value, chance.randint(0, 40)) for value in values]
    return batch(
        chance, number, instrument="bills", rows=rows,
        batch_id=f"3-{number}-0", flags=0, evidence="guess",
        machine_time=f"03/02/2026 08:{number % 60:02d}:{chance.randint(0, 59):02d}",
    )  # fmt: skip


def mark(chance: random.Random, number: int) -> dict[str, Any]:
    return {"kind": "mark", "mark": "drop", "value": chance.randint(1, 60000)}


def drawer(chance: random.Random, number: int) -> dict[str, Any]:
    if number % 2:
        return {"kind": "drawer", "state": "closed", "dwell_ms": chance.randint(80, 9000)}
    dwell_ms = chance.randint(1000, 300000)
    return {
        "kind": "drawer", "state": "opened", "cause": "key_or_manual", "dwell_ms": dwell_ms
    }  # fmt: skip


def tape(chance: random.Random, number: int) -> dict[str, Any]:
    return {
        "kind": "tape", "currency": "USD", "line_no": number, "left": "",
        "amount_minor": chance.randint(100, 30000), "symbol": "+",
    }  # fmt: skip


def packets(
    say: Callable[[random.Random, int], dict[str, Any]], seed: int, most: int
) -> tuple[int, int, int]:
    """(records, bytes in version 1, bytes in version 2) of one message with at most so many."""
    chance = random.Random(seed)
    uptime_ms = chance.randint(1_000_000, A_DAY_MS)
    said: list[bytes] = []
    while len(said) < most:
        fields = say(chance, 41 + len(said))
        times = {"boot": 3, "uptime_ms": uptime_ms, "utc_ms": UTC_MS + uptime_ms}
        raw = records.encode_record({**times, **fields})
        if sum(len(each) + 3 for each in [*said, raw]) > messages.EVENT_BYTES_MAX:
            break
        said.append(raw)
        uptime_ms += chance.randint(2000, 60000)
    sent_ms = records.decode_record(said[-1])["uptime_ms"] + 9
    event = chance.getrandbits(32), 3, sent_ms, chance.randint(100, 9000), said, chance.randbytes(8)
    payload, packed = messages.encode_events(*event), packing.pack(*event)
    assert payload == unpacking.unpack(packed)
    sealed = seal.seal(KEY, kid(DEVICE, 1), EV, payload)
    short = packing.seal_packed(KEY, 1, EV, packed)
    return len(said), len(mqtt.publish(EV, sealed, 7)), len(mqtt.publish(EV, short, 7))


# at most so many bytes of version 2: alone, and for each of a full message
GOALS = [
    (coins, 110, 45), (sorter, 110, 45), (bills, 125, 50), (mark, 75, 20), (drawer, 75, 20),
    (tape, 75, 20),
]  # fmt: skip


@pytest.mark.parametrize(
    ("say", "alone_max", "full_max"), GOALS, ids=[each[0].__name__ for each in GOALS]
)
def test_bytes_on_the_wire(
    say: Callable[[random.Random, int], dict[str, Any]], alone_max: int, full_max: int
) -> None:
    alone = [packets(say, seed, 1) for seed in SEEDS]
    full = [packets(say, seed, 12) for seed in SEEDS]
    longest = max(size for _, _, size in alone)
    longest_full = max(size / count for count, _, size in full)
    old, new = (sum(each[n] for each in alone) / len(alone) for n in (1, 2))
    count = sum(each[0] for each in full) / len(full)
    old_full, new_full = (sum(each[n] / each[0] for each in full) / len(full) for n in (1, 2))
    print(
        f"{say.__name__:8} alone {old:5.1f} -> {new:5.1f} (at most {longest}), {count:4.1f} in a"
        f" message {old_full:5.1f} -> {new_full:5.1f} each (at most {longest_full:.1f})"
    )

    assert longest <= alone_max
    assert longest_full <= full_max
