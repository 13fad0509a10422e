"""What a packed message says, read at once and by the decoders: never two answers."""

from typing import Any

import pytest

from gateway.facts import packed
from gateway.facts.events import Reader
from protocol import messages, packing, records
from protocol.compat import ProtocolError
from tests.delivery.bench import NOW_MS, a_tally
from tests.proof.judges import outcome, strictly_unpacked

SENT_MS = 1_000_000


def tally(number: int, **more: Any) -> bytes:
    synced = {"utc_ms": NOW_MS + number, "uptime_ms": 900_000 + number}
    return bytes(records.encode_record(a_tally(number, **synced, **more)))


def packed_of(*bodies: bytes, first_seq: int = 5) -> bytes:
    return bytes(packing.pack(7, 1, SENT_MS, first_seq, list(bodies), bytes(8)))


def met(*often: bytes) -> Reader:
    """One that has met these messages often: the second record of a message is met when there is a
    way for the first.
    """
    reader = Reader()
    for _ in range(16 * 8):
        for data in often:
            reader.read_packed(data, NOW_MS)
    return reader


def test_a_packed_message_says_who_when_and_what() -> None:
    bodies = [tally(1), tally(9), tally(3)]
    data = packed_of(*bodies)

    said = met(data).read_packed(data, NOW_MS)

    assert (7, 1, SENT_MS, 5, bytes(8)) == said[:5]
    assert (bodies, {}, 7) == (said.records, dict(said.unreadable), said.last_seq)
    assert (NOW_MS + 1, NOW_MS + 9) == (said.from_ms, said.until_ms)


def test_what_comes_often_is_told_at_once_and_what_is_rare_is_not() -> None:
    often = packed_of(tally(1), tally(2))
    rare = packed_of(tally(1, machine_time="12:01"))
    reader = met(often)

    assert reader.packed.read(often, NOW_MS) is not None
    assert reader.packed.read(rare, NOW_MS) is None
    assert outcome(strictly_unpacked, rare, NOW_MS) == outcome(reader.read_packed, rare, NOW_MS)


@pytest.mark.parametrize("size", [0, 1, 13, 20, -1])
def test_a_message_that_is_cut_short_is_refused_with_the_judges_words(size: int) -> None:
    data = packed_of(tally(1), tally(2))
    reader = met(data)

    with pytest.raises(ProtocolError) as told:
        strictly_unpacked(data[:size], NOW_MS)
    with pytest.raises(ProtocolError) as ours:
        reader.read_packed(data[:size], NOW_MS)
    assert str(told.value) == str(ours.value)


def test_records_over_what_a_message_may_hold_are_refused_although_each_is_good() -> None:
    fits = packed_of(*[tally(number) for number in range(3)])
    reader = met(fits)
    one = len(tally(1)) + 3
    over = packed_of(*[tally(number) for number in range(messages.EVENT_BYTES_MAX // one + 1)])

    with pytest.raises(ProtocolError, match="unpacks to over 880 bytes"):
        reader.read_packed(over, NOW_MS)


def test_who_packs_in_all_ways_there_are_has_a_limit_of_functions(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made: list[bytes] = []
    held: set[int] = set()
    monkeypatch.setattr(packed, "make", lambda head, is_first: made.append(head))
    monkeypatch.setattr(packed, "_WAYS_MAX", 3)
    reader = packed.PackedReader(make_after=2)
    for value in range(2, 9):
        mark = {"kind": "mark", "boot": 1, "uptime_ms": 5, "utc_ms": NOW_MS, "mark": "done"}
        other = {**mark, "kind": "drawer", "state": "opened", "dwell_ms": value}
        del other["mark"]
        some = [mark, other, {**mark, "value": value}, {**other, "boot": 2}, {**mark, "boot": 2},
                {**other, "instrument": "drawer"}]  # fmt: skip
        for each in some:
            for _ in range(2):
                assert reader.read(packed_of(records.encode_record(each)), NOW_MS) is None
                reader.meet()
                held.add(reader.ways())

    assert {0, 1, 2, 3} == held
    assert 7 * 6 == len(made), "the judges were asked twice for each"
