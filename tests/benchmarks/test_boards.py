"""The boards of the benchmarks say what the wire's own encoders would, and the gateway takes it."""

from pathlib import Path

import pytest

from benchmarks.kit.boards import SITE, WIRES, Board, Day, office_says
from gateway.delivery.ingest import Ingest
from gateway.devices.keys import DeviceKey, KeyStore, create_key
from gateway.store.ledger import Ledger
from protocol import messages, packing, records, seal, unpacking
from tests.delivery.bench import NOW_MS, FixedClock

OPEN_MS = 6 * 3_600_000


@pytest.fixture
def key(tmp_path: Path) -> DeviceKey:
    return create_key(tmp_path / "keys", "w1")


def opened(key: DeviceKey, sealed: bytes, topic: str) -> dict:
    _, payload = unpacking.open_message(sealed, topic, {key.kid: key.secret}.get)
    return dict(messages.decode_events(payload))


@pytest.mark.parametrize("wire", WIRES)
@pytest.mark.parametrize("per_message", [1, 12])
def test_messages_are_those_of_the_encoders(key: DeviceKey, per_message: int, wire: int) -> None:
    before = bytes(messages.FINGERPRINT_BYTES)
    for message in Board(key, wire).say(Day(300, NOW_MS, OPEN_MS, 60), per_message):
        event = opened(key, message.sealed, message.topic)
        if wire == 2:
            packed = packing.pack(**event)
            sealed = packing.seal_packed(key.secret, key.number, message.topic, packed)
        else:
            payload = messages.encode_events(**event)
            sealed = seal.seal(key.secret, key.kid, message.topic, payload)

        assert per_message == message.records == len(event["records"])
        assert before == event["before"]
        assert sealed == message.sealed
        for raw in event["records"]:
            assert records.encode_record(records.decode_record(raw)) == raw
        before = messages.fingerprint_of(event["records"][-1])


def test_a_count_batch_is_as_long_as_a_real_one_and_adds_up(key: DeviceKey) -> None:
    tallies = []
    for message in Board(key).say(Day(1, NOW_MS, OPEN_MS, 60), 12):
        for raw in opened(key, message.sealed, message.topic)["records"]:
            fields = records.decode_record(raw)
            if fields["kind"] == "tally":
                tallies.append(raw)
                assert fields["total_minor"] == sum(
                    value * pieces for value, pieces in fields["rows"]
                )

    assert {86} == {len(raw) for raw in tallies}
    assert len(tallies) == len(set(tallies))


def test_an_office_of_two_days_is_taken_whole(tmp_path: Path, key: DeviceKey) -> None:
    boards = [Board(key), Board(create_key(tmp_path / "keys", "w2"))]
    clock = FixedClock()
    with Ledger(tmp_path / "ledger.db") as ledger:
        ingest = Ingest(ledger, KeyStore(tmp_path / "keys"), clock, SITE)
        for number in (1, 2):
            clock.now_ms = NOW_MS + number * 86_400_000
            day = Day(number, clock.now_ms - OPEN_MS - 600_000, OPEN_MS, 31)
            said = list(office_says(boards, day, 12))
            ingest.commit([ingest.accept(each.topic, each.sealed, False) for each in said])

        assert {"w1": 62, "w2": 62} == {each.device: each.records for each in ledger.stats()}
        assert [] == ledger.verify()
        assert [] == ledger.incidents()
