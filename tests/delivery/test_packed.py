"""Version 2 of `ev` at the gateway: both versions come in, an older or restored program meets newer
devices, and the ledger is the same.
"""

from collections.abc import Callable

import pytest

from firmware.journal import Journal
from firmware.uplink import Uplink
from gateway.delivery import ingest
from gateway.delivery.seals import Seals
from gateway.store.verify import verify
from protocol import packing, records, seal
from tests.delivery.bench import SITE, Device, Message, Office, ack_of
from tests.proof.fuzz_parsers import RamFlash
from tests.store.bench import insider
from tests.store.bench import kept as messages_of
from tests.world.parts import OldSeals

LIMITS = {"window_records": 64, "heartbeat_ms": 1000, "resend_ms": 400}
TURNS = 23  # no multiple of a heartbeat: a program changes between two of them


def packed(device: Device, first: int, last: int) -> Message:
    """The same message as `device.ev`, in version 2."""
    body = packing.pack(
        device.epoch, device.boot, device.uptime_ms, first, device.said[first - 1 : last], bytes(8)
    )
    topic = device.topic("ev")
    number = int(device.key.kid.rpartition(b".")[2])
    return topic, packing.seal_packed(device.key.secret, number, topic, body), False


def rows(office: Office) -> list[tuple[object, ...]]:
    return [
        (each.seq, each.kind, each.occurred_ms, each.received_ms, each.fields)
        for each in office.ledger.records(device="w1")
    ]


@pytest.mark.must("PACK-3", "PACK-2")
def test_packed_messages_make_the_same_records_as_plain_ones(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    ledgers = []
    for sender in (packed, Device.ev):
        office = Office(tmp_path_factory.mktemp("office"))
        device = office.device()
        device.say(9)
        for first, last in ((1, 4), (3, 5), (6, 9)):
            ack = ack_of(office, device, sender(device, first, last))
            assert last == ack["high_water"]
        ledgers.append(rows(office))

    assert 9 == len(ledgers[0])
    assert ledgers[1] == ledgers[0]


@pytest.mark.must("EQUIV-1")
def test_a_packed_message_is_held_against_what_a_plain_one_said(office: Office) -> None:
    device = office.device()
    device.say(3)
    office.take(device.ev(1, 3))
    device.said[1] = device.said[0]

    office.take(packed(device, 1, 3))

    assert ["equivocation"] == office.incident_kinds()


@pytest.mark.must("PACK-20", "CHAIN-14")
def test_the_ledger_keeps_a_packed_message_as_it_came_and_an_edit_of_it_is_found(
    office: Office,
) -> None:
    device = office.device()
    device.say(5)
    topic, sealed, _ = packed(device, 1, 5)
    office.take((topic, sealed, False))
    found = [finding.kind for finding in verify(office.ledger.db)]
    kept = [message.sealed for message in messages_of(office.ledger.db)]
    with insider(office.folder / "ledger.db") as db:
        db.execute("UPDATE entry SET content = spoiled(content)")

    assert [sealed] == kept
    assert [] == found
    assert ["chain"] == [finding.kind for finding in verify(office.ledger.db)][:1]


def test_a_forged_packed_message_is_quarantined_and_never_answered(office: Office) -> None:
    device = office.device()
    device.say(2)
    topic, sealed, _ = packed(device, 1, 2)
    forged = [
        (topic, sealed[:-1] + bytes((sealed[-1] ^ 1,)), False),
        (topic, sealed[:30] + b"\x07" + sealed[31:], False),
        (device.topic("state"), sealed, False),
        (topic, sealed[:12], False),
    ]

    assert [] == office.take(*forged)
    assert 4 == len(office.ledger.quarantine())
    assert [] == office.seqs()


@pytest.mark.must("PACK-4")
def test_what_is_packed_wrongly_under_a_right_seal_is_refused_every_time(office: Office) -> None:
    """The first message of a topic and the next ones take two ways to the same refusal."""
    device = office.device()
    topic = device.topic("ev")
    wrong = b"\x02" + bytes(12) + b"\xff"
    cut = packing.seal_packed(device.key.secret, 1, topic, wrong)
    whole = seal.seal(device.key.secret, device.key.kid, topic, wrong)

    for message in (cut, cut, whole):
        assert [] == office.take((topic, message, False))

    reasons = [row["reason"] for row in office.ledger.quarantine()]
    assert 2 == len([text for text in reasons if "a number is cut short" in text])
    assert 3 == len(reasons)
    assert [] == office.seqs()


# --- who speaks what ------------------------------------------------------------------------------


class Board:
    """The firmware's own journal and uplink, and which version each of its messages had."""

    def __init__(self, office: Office) -> None:
        self.key = office.device().key
        self.journal = Journal(RamFlash(6), lambda: 7)
        identity = {"site": SITE, "device": "w1", "key": self.key.secret, "key_number": 1}
        self.uplink = Uplink(self.journal, identity, LIMITS)
        self.uplink.connected(0)
        self.now = 0
        self.versions: list[int] = []

    def turn(self, office: Office, said: list[bytes]) -> None:
        """A tenth of a second: records are written, and messages go both ways."""
        self.now += 100
        for record in said:
            self.journal.append(record)
        while (message := self.uplink.poll(self.now, self.now)) is not None:
            topic, sealed, _ = message
            if topic.endswith("/ev"):
                self.versions.append(2 if sealed[0] == 2 else 1)
            for name, answer in office.take((topic, sealed, False)):
                self.uplink.message(name, answer, self.now, self.now)


def put_back(patch: pytest.MonkeyPatch, office: Office) -> None:
    """The gateway of before version 2: it opens COSE_Mac0 alone and says nothing of versions."""
    patch.setattr(office.ingest, "_seals", OldSeals(office.keys, SITE))
    patch.setattr(ingest, "VERSION", 0)


def renewed(patch: pytest.MonkeyPatch, office: Office) -> None:
    patch.setattr(office.ingest, "_seals", Seals(office.keys, SITE))
    patch.setattr(ingest, "VERSION", packing.VERSION)


@pytest.mark.must("VER-5", "PACK-16", "PACK-18")
def test_devices_and_gateways_of_both_versions_end_with_every_record_once(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The gateway is old, is renewed, is put back while records are on their way, and renewed
    again. The connection stays all the time.
    """
    device = office.device("w9")
    device.say(4 * TURNS)
    board = Board(office)
    spoken: list[set[int]] = []
    phases: tuple[Callable[[pytest.MonkeyPatch, Office], None], ...] = (
        put_back, renewed, put_back, renewed,
    )  # fmt: skip
    for number, change in enumerate(phases):
        change(monkeypatch, office)
        board.versions = []
        for turn in range(TURNS):
            at = number * TURNS + turn
            board.turn(office, device.said[at : at + 1])
        spoken.append(set(board.versions))
    refused = [row["reason"] for row in office.ledger.quarantine()]

    assert list(range(1, 4 * TURNS + 1)) == office.seqs()
    assert device.said == [
        records.encode_record(each.fields) for each in office.ledger.records(device="w1")
    ]
    assert [{1}, {1, 2}, {1, 2}, {1, 2}] == spoken
    assert [] == office.incident_kinds()
    assert 0 < len(refused) <= 10
    assert all(reason.startswith("seal: not a COSE_Mac0 message") for reason in refused)
    assert 4 * TURNS == board.journal.acked
