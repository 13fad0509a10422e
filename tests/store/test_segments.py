"""Records are found by time and by seq: with the index, and the same ones that a plain model
finds.
"""

import random
import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.facts.segments import SPAN_MS
from gateway.store import segments, streams
from protocol import messages, records
from tests.delivery.bench import NOW_MS, Device, Message, Office, a_tally

HOUR_MS = 3_600_000


# --- by the index ---------------------------------------------------------------------------------


def plan(office: Office, query: str, values: tuple[object, ...]) -> str:
    told = office.ledger.db.execute(f"EXPLAIN QUERY PLAN {query}", values)
    return "; ".join(detail for *_, detail in told)


def bodies_of(office: Office, stream_id: int) -> dict[int, bytes]:
    """{seq: the record's own bytes} of a whole stream, as it is read: a part at a time."""
    found: dict[int, bytes] = {}
    part = segments.bodies_from(office.ledger.db, stream_id, 1)
    while part.last_seq >= part.first_seq:
        found |= dict(part.between(part.first_seq, part.last_seq))
        part = segments.bodies_from(office.ledger.db, stream_id, part.last_seq + 1)
    return found


def statements_of(office: Office, ask) -> list[str]:
    """The statements that SQLite runs meanwhile, their values in place."""
    told: list[str] = []
    office.ledger.db.set_trace_callback(told.append)
    ask()
    office.ledger.db.set_trace_callback(None)
    return [statement for statement in told if statement.startswith("SELECT")]


@pytest.fixture
def busy(office: Office) -> Office:
    """Two boards with fifty entries each, and gaps."""
    for name in ("w1", "w2"):
        device = office.device(name)
        device.say(120)
        for seq in range(1, 101, 2):
            office.clock.now_ms += HOUR_MS
            office.take(device.ev(seq, seq + 1))
        office.take(device.state(lowest_kept=110))
    return office


@pytest.mark.parametrize("device", [None, "w1"])
def test_a_span_of_time_is_found_by_its_index(busy: Office, device: str | None) -> None:
    found = plan(busy, *segments.by_time(NOW_MS, NOW_MS + HOUR_MS, device))

    assert "SEARCH segment USING INDEX segment_by_time (cursor_id=? AND from_ms>? AND" in found
    assert "TEMP B-TREE" not in found


def test_what_came_twice_is_found_by_stream_and_seq(busy: Office) -> None:
    ask = statements_of(busy, lambda: segments.bodies_from(busy.ledger.db, 1, 50))

    [query] = [each for each in ask if "JOIN entry" in each]
    found = plan(busy, query, ())
    unique = "USING INDEX sqlite_autoindex_segment_1 (cursor_id=? AND first_seq>?)"
    assert unique in found
    assert "SEARCH entry USING INTEGER PRIMARY KEY" in found
    assert "SCAN" not in found
    assert {50, 51, 52, 53} <= dict(
        segments.bodies_from(busy.ledger.db, 1, 50).between(50, 53)
    ).keys()


@pytest.mark.parametrize(
    ("ask", "index"),
    [
        (lambda office: office.ledger.gaps(NOW_MS), "gap USING INDEX gap_by_time (noted_ms>?)"),
        (
            lambda office: streams.last_command(office.ledger.db, "w1", 7),
            "heartbeat USING INDEX sqlite_autoindex_heartbeat_1 (device=?)",
        ),
        (
            lambda office: office.ledger.incidents(last=20),
            "incident USING INTEGER PRIMARY KEY (rowid<?)",
        ),
        (lambda office: office.ledger.incidents(NOW_MS), "USING INDEX incident_by_time (at_ms>?"),
        (
            lambda office: office.ledger.quarantine(20, 500),
            "quarantine USING INTEGER PRIMARY KEY (rowid<?)",
        ),
    ],
)
def test_what_is_asked_by_time_or_place_is_searched_and_not_scanned(
    busy: Office, ask, index: str
) -> None:
    [query] = statements_of(busy, lambda: ask(busy))

    assert index in plan(busy, query, ())


def steps_of_taking(office: Office, message: Message) -> int:
    """How many instructions of SQLite's machine the commit of one message takes."""
    steps = 0

    def step() -> int:
        nonlocal steps
        steps += 1
        return 0

    office.ledger.db.set_progress_handler(step, 1)
    office.take(message)
    office.ledger.db.set_progress_handler(None, 1)
    return steps


def test_a_commit_takes_no_longer_when_the_ledger_has_more(office: Office) -> None:
    device = office.device()
    device.say(210)
    steps, steps_of_gaps = [], []
    for seq in range(1, 202, 2):
        office.clock.now_ms += HOUR_MS
        steps.append(steps_of_taking(office, device.ev(seq, seq)))
        gone = device.state(lowest_kept=seq + 2)  # the record after it is in nobody's flash
        steps_of_gaps.append(steps_of_taking(office, gone))

    assert 101 == len(list(segments.all_segments(office.ledger.db)))
    assert 101 == len(streams.gaps(office.ledger.db))
    assert steps[100] < steps[9] + 50
    assert steps_of_gaps[100] < steps_of_gaps[9] + 100


def test_what_follows_a_late_record_in_its_batch_has_its_own_times(office: Office) -> None:
    device = office.device()
    device.say(4)
    office.take(device.ev(1, 1))
    office.take(device.state(last_seq=2, lowest_kept=3))  # seq 2 is gone, says the board
    office.take(device.ev(3, 3))
    office.take(device.ev(2, 3), device.ev(4, 4))  # and then it comes

    assert [] == office.ledger.verify()


# --- against a plain model ------------------------------------------------------------------------


def test_messages_of_one_commit_that_overlap_give_each_record_once(office: Office) -> None:
    device = office.device()
    device.say(9)

    office.take(device.ev(1, 4), device.ev(3, 7), device.ev(5, 9))

    assert list(range(1, 10)) == office.seqs()
    assert [(1, 9)] == [row[1:3] for row in segments.all_segments(office.ledger.db)]
    assert list(range(1, 10)) == [each.seq for each in office.ledger.records(0, 1 << 60)]
    assert 9 == office.ledger.stats()[0].records


class Said(Device):
    """A board whose records happened whenever, and a plain model of what the ledger must hold."""

    def tell(self, count: int, chance: random.Random) -> None:
        for _ in range(count):
            number, fields = len(self.said) + 1, {}
            if chance.random() < 0.7:
                hours = chance.choice((0, 0, 0, 1, 5, 7, 30))
                fields["utc_ms"] = NOW_MS - hours * HOUR_MS - chance.randrange(HOUR_MS)
            body = records.encode_record(a_tally(number, **fields))
            self.said.append(body if chance.random() < 0.95 else b"\x00 no record")


class Model:
    """{(device, epoch): {seq: (body, occurred_ms)}} and how far each stream is."""

    def __init__(self) -> None:
        self.held: dict[tuple[str, int], dict[int, tuple[bytes, int]]] = {}
        self.marks: dict[tuple[str, int], int] = {}

    def take(self, board: Said, first: int, last: int, now_ms: int) -> None:
        key = (board.key.device, board.epoch)
        mark = self.marks.setdefault(key, 0)
        if first > mark + 1:
            return
        for seq in range(first, last + 1):
            body = board.said[seq - 1]
            at_ms = self._time(board, body, now_ms)
            self.held.setdefault(key, {}).setdefault(seq, (body, at_ms))
        self.marks[key] = max(mark, last)

    def lose(self, board: Said, lowest_kept: int) -> None:
        key = (board.key.device, board.epoch)
        self.marks[key] = max(self.marks.get(key, 0), lowest_kept - 1)

    @staticmethod
    def _time(board: Said, body: bytes, now_ms: int) -> int:
        if body.startswith(b"\x00"):
            return now_ms
        fields = records.decode_record(body)
        if "utc_ms" in fields:
            return int(fields["utc_ms"])
        return now_ms - (board.uptime_ms - int(fields["uptime_ms"]))

    def all(self) -> set[tuple[str, int, int, int]]:
        return {
            (device, epoch, seq, at_ms)
            for (device, epoch), stream in self.held.items()
            for seq, (_, at_ms) in stream.items()
        }


def play(office: Office, model: Model, boards: list[Said], chance: random.Random) -> None:
    """Batches with repeats, holes, several streams in one commit, gaps, and what comes late."""
    for _ in range(chance.randrange(2, 12)):
        office.clock.now_ms += chance.choice((1_000, HOUR_MS, 9 * HOUR_MS))
        batch, told = [], []
        for board in chance.sample(boards, chance.randrange(1, len(boards) + 1)):
            board.tell(chance.randrange(1, 9), chance)
            board.uptime_ms += 60_000
            mark = model.marks.get((board.key.device, board.epoch), 0)
            for _ in range(chance.randrange(1, 5)):
                first = max(1, min(mark + chance.choice((1, 1, 1, 0, -3, 3)), len(board.said)))
                last = min(first + chance.randrange(6), len(board.said))
                batch.append(board.ev(first, last))
                told.append((board, first, last))
                mark = max(mark, last) if first <= mark + 1 else mark
        chance.shuffle(batch)
        for board, first, last in sorted(told, key=lambda each: each[1]):
            model.take(board, first, last, office.clock.now_ms)
        office.take(*batch)
        if chance.random() < 0.3:
            board = chance.choice(boards)
            lowest = len(board.said) + chance.randrange(2)
            if lowest - 1 > model.marks.get((board.key.device, board.epoch), 0):
                office.take(board.state(lowest_kept=lowest))
                model.lose(board, lowest)
        if chance.random() < 0.2:
            office.ledger.close()
            office = Office(office.folder)
            office.clock.now_ms = NOW_MS + 100 * HOUR_MS
    office.ledger.close()


@settings(max_examples=30)
@given(seed=st.integers(0, 2**32))
def test_records_are_those_of_a_plain_model_and_a_span_is_the_filtered_whole(seed: int) -> None:
    chance = random.Random(seed)
    folder = Path(tempfile.mkdtemp(prefix="till-"))
    try:
        office, model = Office(folder), Model()
        boards = [Said(office.device(name).key, epoch) for name, epoch in (("w1", 7), ("w2", 9))]
        boards.append(Said(boards[0].key, 8))
        play(office, model, boards, chance)

        office = Office(folder)
        found = list(office.ledger.records())
        assert sorted(model.all()) == sorted(
            (each.device, each.epoch, each.seq, each.occurred_ms) for each in found
        )
        assert [] == office.ledger.verify()
        for stream in streams.all_streams(office.ledger.db):
            held = model.held.get((stream.device, stream.epoch), {})
            bodies = bodies_of(office, stream.id)
            assert {seq: body for seq, (body, _) in held.items()} == bodies
            assert model.marks[(stream.device, stream.epoch)] == stream.high_water
            last = bodies.get(stream.high_water)
            assert (messages.fingerprint_of(last) if last else bytes(8)) == stream.fingerprint
        for _ in range(5):
            since = NOW_MS + chance.randrange(-40 * HOUR_MS, 60 * HOUR_MS)
            until = since + chance.choice((1, HOUR_MS, SPAN_MS, SPAN_MS + 1, 40 * HOUR_MS))
            device = chance.choice((None, "w1", "w2"))
            assert [
                each
                for each in found
                if since <= each.occurred_ms < until and device in (None, each.device)
            ] == list(office.ledger.records(since, until, device))
            after_n = chance.randrange(20)
            assert [each for each in found if each.entry_n > after_n] == list(
                office.ledger.records(after_n=after_n)
            )
        office.ledger.close()
    finally:
        shutil.rmtree(folder)
