"""What docs/protocol.md asks of a ledger: chain and witness, locks, quarantine, times; statement by
statement.
"""

import hashlib
import shutil
import sqlite3

import pytest

from gateway.delivery import recording
from gateway.delivery.recording import QUARANTINE_ROWS, QUARANTINE_ROWS_SEALED
from gateway.facts.chain import GENESIS, first_form, occurred_ms, read_entry
from gateway.store import segments
from gateway.store.entries import touch
from gateway.store.ledger import Ledger
from gateway.store.segments import bodies_from
from protocol import messages, records
from tests.delivery.bench import NOW_MS, Device, Office, a_tally
from tests.protocol.must import proves
from tests.store.bench import bodies, insider


@pytest.fixture
def device(office: Office) -> Device:
    """w1 with twenty records, of which the office has none."""
    made = office.device()
    made.say(20)
    return made


# --- chain ----------------------------------------------------------------------------------------


@pytest.mark.must("CHAIN-1", "CHAIN-2", "CHAIN-3", "CHAIN-4", "CHAIN-5", "CHAIN-7")
def test_the_chain_as_the_page_has_it(office: Office, device: Device) -> None:
    """Hashed here by the page's words, not by the code under test."""
    sent = [[device.ev(1, 2), device.ev(3, 4)], [device.ev(5, 5)], [device.state(lowest_kept=9)]]
    for at, batch in enumerate(sent):
        office.clock.now_ms = NOW_MS + 1000 * at
        office.take(*batch)

    head, expected = bytes(32), []
    for at, batch in enumerate(sent):
        arrival, frames = (NOW_MS + 1000 * at).to_bytes(8, "big"), b""
        for topic, sealed, _ in batch:
            leaf = ["ev", "state"].index(topic.removeprefix("till/1/city/w1/"))
            frames += arrival + bytes((leaf, 2)) + len(sealed).to_bytes(2, "big") + b"w1" + sealed
        content = b"\x01\x0c" + b"till/1/city/" + len(frames).to_bytes(4, "big") + frames
        if leaf == 1:  # the gap that the heartbeat shows is told: a row of `incident`
            [row] = office.ledger.incidents()
            words = (row["kind"].encode(), row["device"].encode(), row["text"].encode())
            told = b"i1;i%d;" % row["at_ms"] + b"".join(b"s%d:%b;" % (len(w), w) for w in words)
            ids = (0).to_bytes(8, "big") + (1).to_bytes(8, "big") + (1).to_bytes(4, "big")
            content += b"\x08incident" + ids + hashlib.sha256(told + b"\n").digest()
        head = hashlib.sha256(head + content).digest()
        expected.append((at + 1, content, head))
    stored = office.ledger.db.execute("SELECT n, content, head FROM entry ORDER BY n").fetchall()
    assert expected == stored
    assert bytes(32) == GENESIS


@pytest.mark.must("CHAIN-3", "CHAIN-4")
def test_an_entry_of_before_is_a_message_alone(office: Office, device: Device) -> None:
    """Such a ledger goes on: what was hashed once is hashed so for ever."""
    topic, sealed, _ = device.ev(1, 2)

    content = first_form(topic, NOW_MS, sealed)

    assert NOW_MS.to_bytes(8, "big") + b"\x00\x11till/1/city/w1/ev" + sealed == content
    assert [(NOW_MS, topic, "w1", "ev", sealed)] == [
        each[:5] for each in read_entry(content).messages
    ]


ROWS = {
    "entry": "content",
    "segment": "last_seq",
    "gap": "cause",
    "quarantine": "bytes",
    "incident": "text",
}


@pytest.mark.parametrize("table", ROWS)
@pytest.mark.must("CHAIN-8", "CHAIN-9")
def test_what_is_written_stays_written(office: Office, device: Device, table: str) -> None:
    office.take(device.ev(1, 1), ("till/1/city/w1/ev", b"junk", False), device.state(lowest_kept=5))
    before = office.ledger.db.execute(f"SELECT * FROM {table}").fetchall()
    assert before != []

    for statement in (
        f"UPDATE {table} SET {ROWS[table]} = {ROWS[table]}",
        f"DELETE FROM {table}",
        f"INSERT OR REPLACE INTO {table} SELECT * FROM {table}",
    ):
        with pytest.raises(sqlite3.IntegrityError, match="append-only"):
            office.ledger.db.execute(statement)
    assert before == office.ledger.db.execute(f"SELECT * FROM {table}").fetchall()


@pytest.mark.must("CHAIN-10", "CHAIN-11")
def test_a_mark_goes_up_alone_and_stays(office: Office, device: Device) -> None:
    office.take(device.ev(1, 5))

    for statement in (
        "UPDATE cursor SET high_water = 4",
        "DELETE FROM cursor",
        "UPDATE cursor SET device = 'w9'",
    ):
        with pytest.raises(sqlite3.IntegrityError, match="never"):
            office.ledger.db.execute(statement)


@pytest.mark.must("CHAIN-13")
def test_a_commit_is_on_disk_when_it_returns(office: Office) -> None:
    """2 is FULL. What FULL is worth is measured by ./run proof crash: no acknowledged row lost,
    NORMAL lost them.
    """
    assert 2 == office.ledger.db.execute("PRAGMA synchronous").fetchone()[0]
    assert "wal" == office.ledger.db.execute("PRAGMA journal_mode").fetchone()[0]


TAMPERS = [
    proves(
        "CHAIN-14",
        "UPDATE entry SET content = spoiled(content) WHERE n = 1",
        "chain",
        "the chain does not lead to its head",
    ),
    proves("CHAIN-15", "DELETE FROM entry WHERE n = 1", "chain", "entries are missing"),
    proves(
        "CHAIN-16",
        "UPDATE segment SET at = at + 1 WHERE first_seq = 4",
        "record",
        "the index of records says seq 4 to 6, the entries say seq 4 to 6",
    ),
    proves(
        "CHAIN-17",
        "DELETE FROM segment WHERE first_seq = 4",
        "record",
        "the index of records says seq 10 to 20, the entries say seq 4 to 6",
    ),
    proves(
        "CHAIN-18",
        "INSERT INTO segment SELECT 40, cursor_id, 40, 40, n, at, size, from_ms, until_ms"
        " FROM segment WHERE first_seq = 1",
        "record",
        "the index of records says seq 40 to 40, the entries say nothing",
    ),
    proves(
        "CHAIN-19",
        "UPDATE cursor SET high_water = 99",
        "stream",
        "high-water mark 99 over 17 records, its messages and gaps end at 20 with 17 records",
    ),
    proves("CHAIN-20", "UPDATE gap SET to_seq = to_seq - 1", "gap", "is not what entry 3 says"),
    proves("CHAIN-21", "DELETE FROM entry WHERE n = 4", "witness", "the end was cut off"),
]


@pytest.mark.parametrize(("tamper", "kind", "finding"), TAMPERS)
def test_an_audit_finds(
    office: Office, device: Device, tamper: str, kind: str, finding: str
) -> None:
    for message in (
        device.ev(1, 3),
        device.ev(3, 6),
        device.state(lowest_kept=10),
        device.ev(10, 20),
    ):
        office.take(message)
    n, head = office.ledger.head()
    office.take(device.state(acked=20, ledger_n=n, ledger_head=head))
    assert [] == office.ledger.verify()
    office.ledger.close()
    copy = office.folder / "copy.db"
    shutil.copy(office.folder / "ledger.db", copy)
    with insider(copy) as db:
        db.execute(tamper)

    with Ledger.open(copy) as ledger:
        assert kind in {each.kind for each in ledger.verify() if finding in each.text}


@pytest.mark.parametrize(
    ("witnessed", "kind"),
    [
        proves("CHAIN-23", (2, b"h" * 32), "ledger_behind"),
        proves("CHAIN-24", (1, b"h" * 32), "ledger_differs"),
    ],
)
def test_a_witness_that_does_not_fit_is_told(
    office: Office, device: Device, witnessed: tuple[int, bytes], kind: str
) -> None:
    office.take(device.ev(1, 1))
    n, head = office.ledger.head()
    office.take(device.state(acked=1, ledger_n=n, ledger_head=head))
    fits = office.incident_kinds()

    office.take(device.state(acked=1, ledger_n=witnessed[0], ledger_head=witnessed[1]))

    assert ([], [kind]) == (fits, office.incident_kinds())


# --- equivocation ---------------------------------------------------------------------------------


@pytest.fixture
def locked(office: Office, device: Device) -> tuple[str, bytes, bool]:
    """The message that locked w1's stream: records 4 to 6, of which 5 is another one than the
    ledger holds.
    """
    office.take(device.ev(1, 5))
    message = device.ev(4, 6, [device.said[3], records.encode_record(a_tally(77)), device.said[5]])
    office.take(message)
    return message


@pytest.mark.must("EQUIV-1", "EQUIV-2", "EQUIV-3", "EQUIV-4", "EQUIV-5")
def test_two_records_with_one_identity_lock_the_stream(
    office: Office, device: Device, locked: tuple[str, bytes, bool]
) -> None:
    assert [1] == [row["locked"] for row in office.ledger.cursors()]
    assert [locked[1]] == [row["bytes"] for row in office.ledger.quarantine()]
    assert ["equivocation"] == office.incident_kinds()
    assert [1, 2, 3, 4, 5] == [record.fields["total_minor"] for record in office.ledger.records()]


@pytest.mark.must("EQUIV-6", "EQUIV-7", "EQUIV-8", "EQUIV-9")
@pytest.mark.usefixtures("locked")
def test_a_locked_stream_takes_nothing_and_is_answered(office: Office, device: Device) -> None:
    acks = [device.open_ack(*answer) for answer in office.take(device.ev(6, 8))]
    acks += [device.open_ack(*answer) for answer in office.take(device.state(lowest_kept=9))]

    assert [5, 5] == [ack["high_water"] for ack in acks]
    assert ([1, 2, 3, 4, 5], []) == (office.seqs(), office.ledger.gaps())
    assert 3 == office.ledger.counters()[("w1", "held")]


@pytest.mark.must("EQUIV-10")
@pytest.mark.usefixtures("locked")
def test_a_lock_is_there_after_a_restart(office: Office, device: Device) -> None:
    office.ledger.close()

    again = Office(office.folder, office.ledger.path)
    again.take(device.ev(6, 8))

    assert [1, 2, 3, 4, 5] == again.seqs()


@pytest.mark.must("EQUIV-11", "EQUIV-12")
@pytest.mark.usefixtures("locked")
def test_a_person_releases_and_is_named(office: Office, device: Device) -> None:
    office.take(device.ev(1, 5), device.ev(6, 6), device.state())
    still = [row["locked"] for row in office.ledger.cursors()]

    assert office.ledger.release("w1", 7, "the supervisor", NOW_MS)
    office.take(device.ev(6, 9))

    assert ([1], list(range(1, 10))) == (still, office.seqs())
    assert "by the supervisor" in office.ledger.incidents()[-1]["text"]
    assert not office.ledger.release("w1", 7, "nobody", NOW_MS)


@pytest.mark.must("SEQ-19")
@pytest.mark.parametrize("read_ahead", [1, 7, 1_000])
def test_a_whole_day_that_comes_again_is_counted_and_adds_nothing(
    office: Office, device: Device, monkeypatch: pytest.MonkeyPatch, read_ahead: int
) -> None:
    monkeypatch.setattr(segments, "READ_AHEAD_RECORDS", read_ahead)
    device.say(40)  # and the twenty
    said = []
    for first in range(1, 61, 5):
        before = messages.fingerprint_of(device.said[first - 2]) if first > 1 else bytes(8)
        said.append(device.ev(first, first + 4, before=before))
        office.take(said[-1])
    ended = office.ledger.head()

    acks = [device.open_ack(*answer) for answer in office.take(*said) + office.take(*said[3:])]

    assert [60, 60] == [ack["high_water"] for ack in acks]
    assert ended == office.ledger.head()
    assert 60 + 45 == office.ledger.counters()[("w1", "duplicates")]
    assert [] == office.incident_kinds()


@pytest.mark.must("EQUIV-19")
def test_known_records_after_another_one_than_the_ledger_holds_lock_the_stream(
    office: Office, device: Device
) -> None:
    office.take(device.ev(1, 6))

    office.take(device.ev(4, 6, before=messages.fingerprint_of(device.said[1])))

    assert ["equivocation"] == office.incident_kinds()
    assert [1, 2, 3, 4, 5, 6] == office.seqs()


@pytest.mark.must("EQUIV-17")
def test_a_device_that_sees_another_ones_records_under_its_name_locks_the_stream(
    office: Office, device: Device
) -> None:
    office.take(device.ev(1, 5))
    device.uptime_ms += 1
    [(topic, sealed)] = office.take(device.state(status="locked"))
    office.take(device.ev(6, 8))

    assert [1] == [row["locked"] for row in office.ledger.cursors()]
    assert ["equivocation"] == office.incident_kinds()
    assert 5 == device.open_ack(topic, sealed)["high_water"]
    assert [1, 2, 3, 4, 5] == office.seqs()


@pytest.mark.must("EQUIV-19")
def test_a_record_after_another_one_than_the_ledger_holds_locks_the_stream(
    office: Office, device: Device
) -> None:
    """A copy of the board was recorded at seq 5; the board's own message with its seq 5 got lost,
    the next one comes.
    """
    office.take(device.ev(1, 4), device.ev(5, 5, [records.encode_record(a_tally(77))]))
    payload = messages.encode_events(
        7, 1, 1, 6, device.said[5:7], messages.fingerprint_of(device.said[4])
    )
    office.take((device.topic("ev"), device.sealed("ev", payload), False))

    assert ([1], [1, 2, 3, 4, 5]) == (
        [row["locked"] for row in office.ledger.cursors()],
        office.seqs(),
    )
    assert ["equivocation"] == office.incident_kinds()


@pytest.mark.must("EQUIV-18")
def test_an_old_heartbeat_locks_nothing_again(office: Office, device: Device) -> None:
    office.take(device.ev(1, 5))
    old = device.state(status="locked")
    office.take(old)
    office.ledger.release("w1", 7, "the supervisor", NOW_MS)
    office.take(old)

    assert [0] == [row["locked"] for row in office.ledger.cursors()]


@pytest.mark.must("ACK-12", "ACK-13")
def test_an_answer_names_the_record_at_its_mark(office: Office, device: Device) -> None:
    [nothing] = office.take(device.state())
    [five] = office.take(device.ev(1, 5))
    [gone] = office.take(device.state(lowest_kept=8, acked=5))

    marks = [device.open_ack(*answer)["fingerprint"] for answer in (nothing, five, gone)]
    assert [bytes(8), hashlib.sha256(device.said[4]).digest()[:8], bytes(8)] == marks


@pytest.mark.must("EQUIV-13")
@pytest.mark.usefixtures("locked")
def test_a_lock_holds_up_nobody_else(office: Office, device: Device) -> None:
    other = office.device("w2")
    other.say(2)
    device.epoch = 8

    office.take(other.ev(1, 2), device.ev(1, 2))

    assert ([1, 2], 2) == (office.seqs("w2"), office.ledger.high_water("w1", 8))


# --- quarantine -----------------------------------------------------------------------------------


@pytest.mark.must("QUAR-1")
def test_refused_bytes_are_kept_with_topic_and_reason(office: Office, device: Device) -> None:
    topic, sealed, _ = device.ev(1, 1)
    broken = sealed[:-1] + bytes((sealed[-1] ^ 1,))

    office.take((topic, broken, False))

    [row] = office.ledger.quarantine()
    assert (topic, broken, NOW_MS) == (row["source"], row["bytes"], row["received_ms"])
    assert "wrong tag" in row["reason"]


@pytest.mark.must("QUAR-3")
def test_refused_messages_hold_up_nobody(office: Office, device: Device) -> None:
    junk = [("till/1/city/w1/ev", bytes((number,)) * number, False) for number in range(50)]

    office.take(*junk[:25], device.ev(1, 9), *junk[25:])

    assert (list(range(1, 10)), 50) == (office.seqs(), len(office.ledger.quarantine()))


def fill_quarantine(office: Office, rows: int) -> None:
    flood = [(n, 0, "flood", "", b"") for n in range(1, rows + 1)]
    with office.ledger.transaction() as db:
        touch(db, "quarantine")
        db.executemany("INSERT INTO quarantine VALUES (?, ?, ?, ?, ?)", flood)


@pytest.mark.must("QUAR-5", "QUAR-6", "QUAR-7")
def test_quarantine_is_bounded_and_strangers_do_not_push_key_holders_out(
    office: Office, device: Device
) -> None:
    fill_quarantine(office, 9_999)

    office.take(
        ("till/1/city/w1/ev", b"one", False),
        ("till/1/city/w1/ev", b"two", False),
        ("nowhere", b"three", False),
    )
    office.take(device.ev(1, 1, [b"\xa0"]))

    assert (10_000, 20_000) == (QUARANTINE_ROWS, QUARANTINE_ROWS_SEALED)
    assert [b"one", b"\xa0"] == [row["bytes"] for row in office.ledger.quarantine()[9_999:]]
    assert 2 == office.ledger.counters()[("", "not_kept")]


@pytest.mark.must("QUAR-6")
def test_key_holders_have_a_bound_too(office: Office, device: Device) -> None:
    fill_quarantine(office, 19_999)

    office.take(device.ev(1, 3, [b"\xa0", b"\xa1\x00\x00", b"\x80"]))

    assert (20_000, 2) == (
        len(office.ledger.quarantine()),
        office.ledger.counters()[("", "not_kept")],
    )
    assert [1, 2, 3] == office.seqs()


@pytest.mark.must("QUAR-8", "QUAR-9")
def test_of_one_message_so_much_is_kept(office: Office) -> None:
    topic = "t" * 5_000

    office.take((topic, b"x" * 5_000, False))

    [row] = office.ledger.quarantine()
    assert (b"x" * 4_096, 200) == (row["bytes"], len(row["source"]))
    assert len(row["reason"]) <= 200


# a kind, and a field, that nobody knows yet
UNKNOWN = [b"\xa1\x00\x18\x63", b"\xa4\x00\x08\x01\x01\x02\x01\x18\x63\x00"]


@pytest.mark.must("QUAR-10", "QUAR-11", "QUAR-12", "VER-3")
@pytest.mark.parametrize("body", UNKNOWN)
def test_a_sealed_record_that_cannot_be_read_is_kept_in_its_place(
    office: Office, device: Device, body: bytes
) -> None:
    office.take(device.ev(1, 3, [device.said[0], body, device.said[2]]))
    office.take(device.ev(4, 5))

    assert [1, 2, 3, 4, 5] == office.seqs()
    assert {"raw": body} == list(office.ledger.records())[1].fields
    assert [body] == [row["bytes"] for row in office.ledger.quarantine()]
    assert ["undecodable"] == office.incident_kinds()
    assert [] == office.ledger.verify()


# --- times ----------------------------------------------------------------------------------------

ARRIVAL = NOW_MS
BOOT, SENT = 3, 10_000


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        proves(
            "CLOCK-6", {"boot": BOOT, "uptime_ms": 1, "utc_ms": ARRIVAL + 5_000}, ARRIVAL + 5_000
        ),
        proves("CLOCK-6", {"boot": 1, "uptime_ms": 1, "utc_ms": 5}, 5),
        proves("CLOCK-6", {"boot": BOOT, "uptime_ms": SENT, "utc_ms": ARRIVAL + 5_001}, ARRIVAL),
        proves("CLOCK-7", {"boot": BOOT, "uptime_ms": 9_400}, ARRIVAL - 600),
        proves(
            "CLOCK-7", {"boot": BOOT, "uptime_ms": 9_400, "utc_ms": ARRIVAL + 9_000}, ARRIVAL - 600
        ),
        proves("CLOCK-8", {"boot": BOOT - 1, "uptime_ms": 9_400}, ARRIVAL),
        proves("CLOCK-9", {"boot": BOOT, "uptime_ms": SENT + 1}, ARRIVAL),
    ],
)
def test_when_it_happened(fields: dict[str, int], expected: int) -> None:
    assert expected == occurred_ms(fields, BOOT, SENT, ARRIVAL)


@pytest.mark.must("REC-20")
def test_a_record_has_its_own_bytes_in_the_ledger(office: Office, device: Device) -> None:
    """Also one whose bytes are the longer way to say the same: nothing on its way decodes and
    encodes it.
    """
    body = device.said[1][:-1] + b"\x18\x02"  # no record the encoder would write
    office.take(device.ev(1, 2, [device.said[0], body]))

    assert [device.said[0], body] == list(bodies(office.ledger.db).values())
    assert {1: device.said[0], 2: body} == dict(bodies_from(office.ledger.db, 1, 1).between(1, 2))
    assert recording.UNDECODABLE == list(office.ledger.records())[1].kind
