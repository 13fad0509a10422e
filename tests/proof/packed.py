"""The part of ./run proof reader about packed messages: what is judged at once is judged as
`unpack` and the decoders judge it, and whatever is declined gets their words.
"""

import random
from typing import Any

from gateway.facts import packed_code
from tests.proof.judges import outcome, strictly_unpacked
from tests.proof.mutants import NOW_MS
from tests.proof.packed_mutants import PackedMutants

WAYS_MAX = 1500
REDRAWN = 25_000  # mutants of one draw of good messages
WHOLLY = 10  # one of so many declined is judged wholly


class Ways(dict[bytes, Any]):
    """A function for every way that is asked for, up to a limit."""

    def __init__(self, code: Any, is_first: bool) -> None:
        self._code = code
        self._is_first = is_first

    def get(self, head: bytes, default: Any = None) -> Any:  # type: ignore[override]
        way = super().get(head)
        if (
            way is None
            and head
            and self._code.head_of(head, 0) == head
            and len(self) < WAYS_MAX
            and self._code.has_way(head)
        ):
            way = self[head] = self._code.make(head, self._is_first)
        return way


def run_packed(
    seed: str, mutants: int, reader: Any, code: Any = packed_code, stop_at_first: bool = False
) -> dict[str, Any]:
    """So many mutants of packed messages. `told`: judged at once. `wrong`: judged otherwise than by
    the judges.
    """
    count: dict[str, Any] = {"packed": 0, "told": 0, "wrong": []}
    while count["packed"] < mutants and not (stop_at_first and count["wrong"]):
        rng = random.Random(f"{seed}/{count['packed']}")
        source = PackedMutants(rng)
        reader.packed._first, reader.packed._later = Ways(code, True), Ways(code, False)
        for _ in range(min(REDRAWN, mutants - count["packed"])):
            data = source.message()
            received_ms = NOW_MS + rng.choice((-6000, 0, 0, 0, 1 << 40, 1 << 50))
            count["packed"] += 1
            told = _told(reader, data, received_ms)
            count["told"] += told is not None
            if told is None and count["packed"] % WHOLLY:
                continue
            ours = outcome(reader.read_packed, data, received_ms)
            if ours != outcome(strictly_unpacked, data, received_ms):
                count["wrong"].append(f"seed {seed} packed {data.hex()} at {received_ms}: {ours}")
                if stop_at_first:
                    break
    return count


def _told(reader: Any, data: bytes, received_ms: int) -> Any:
    try:
        return reader.packed.read(data, received_ms)
    except Exception as error:
        return error  # and `outcome` tells it again
