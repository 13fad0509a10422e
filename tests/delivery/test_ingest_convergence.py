"""Whatever the line does, the ledger ends with every record once, in order, and nothing that nobody
said.
"""

import random
import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.delivery.bench import Device, Office

RECORDS = 40


class Board(Device):
    """What a board does with answers: it believes `high_water`, and sends again what is asked for
    or not yet acknowledged.
    """

    acked = 0
    ledger_n = 0
    ledger_head = bytes(32)

    def outgoing(self, chance: random.Random) -> list[tuple[str, bytes, bool]]:
        messages = []
        first = self.acked + 1
        while first <= len(self.said):
            last = min(first + chance.randrange(6), len(self.said))
            messages.append(self.ev(first, last))
            first = last + 1
        heartbeat = self.state(
            acked=self.acked, ledger_n=self.ledger_n, ledger_head=self.ledger_head
        )
        return [*messages, heartbeat]

    def hear(self, topic: str, sealed: bytes) -> int:
        ack = self.open_ack(topic, sealed)
        self.acked, self.ledger_n, self.ledger_head = (
            ack["high_water"],
            ack["ledger_n"],
            ack["ledger_head"],
        )
        return self.acked


def on_the_line(
    messages: list[tuple[str, bytes, bool]], chance: random.Random
) -> list[tuple[str, bytes, bool]]:
    """Lost, doubled, reordered, and with a byte flipped here and there."""
    out = [message for message in messages for _ in range(chance.choice((0, 1, 1, 1, 2)))]
    if chance.random() < 0.5:
        chance.shuffle(out)
    for at, (topic, sealed, retained) in enumerate(out):
        if chance.random() < 0.1:
            broken = bytearray(sealed)
            broken[chance.randrange(len(broken))] ^= 1 << chance.randrange(8)
            out[at] = (topic, bytes(broken), retained)
    return out


@pytest.mark.must("SEQ-19", "SEQ-21", "ACK-20")
@settings(max_examples=25)
@given(seed=st.integers(0, 2**32))
def test_every_record_ends_up_once_under_loss_duplication_reordering_and_restarts(
    seed: int,
) -> None:
    chance = random.Random(seed)
    folder = Path(tempfile.mkdtemp(prefix="till-"))
    try:
        office = Office(folder)
        boards = [Board(office.device(name).key, epoch) for name, epoch in (("w1", 7), ("w2", 7))]
        for _ in range(30):
            for board in boards:
                board.say(min(chance.randrange(4), RECORDS - len(board.said)))
            arrived = on_the_line(
                [message for board in boards for message in board.outgoing(chance)], chance
            )
            for topic, sealed in office.take(*arrived):
                board = boards[0] if "/w1/" in topic else boards[1]
                if chance.random() < 0.7:
                    believed = board.hear(topic, sealed)
                    # an answer that is not durable would be a lie
                    assert believed <= office.ledger.high_water(board.key.device, board.epoch)
            if chance.random() < 0.1:
                office.ledger.close()
                office = Office(folder)
        for board in boards:
            for answer in office.take(*board.outgoing(chance)):
                board.hear(*answer)

        for board in boards:
            records = list(office.ledger.records(device=board.key.device))
            assert list(range(1, len(board.said) + 1)) == [record.seq for record in records]
            assert sum(range(1, len(board.said) + 1)) == sum(
                record.fields["total_minor"] for record in records
            )
        assert [] == office.ledger.verify()
        assert [] == office.ledger.incidents()
        office.ledger.close()
    finally:
        shutil.rmtree(folder)


@pytest.mark.must("WANT-7", "CHAIN-21")
@settings(max_examples=25)
@given(seed=st.integers(0, 2**32))
def test_a_ledger_restored_from_a_backup_gets_everything_again_that_still_exists(seed: int) -> None:
    chance = random.Random(seed)
    folder = Path(tempfile.mkdtemp(prefix="till-"))
    try:
        office = Office(folder)
        board = Board(office.device().key)
        lowest_kept = chance.randrange(1, 21)
        for saved in (True, False):
            board.say(10)
            for answer in office.take(*board.outgoing(chance)):
                board.hear(*answer)
            if saved:
                office.ledger.close()
                shutil.copy(folder / "ledger.db", folder / "backup.db")
                office = Office(folder)
        office.ledger.close()
        shutil.copy(folder / "backup.db", folder / "ledger.db")
        office = Office(folder)

        kept = board.state(
            acked=20,
            lowest_kept=lowest_kept,
            ledger_n=board.ledger_n,
            ledger_head=board.ledger_head,
        )
        [answer] = office.take(kept)
        ack = board.open_ack(*answer)
        assert ["witness"] == [finding.kind for finding in office.ledger.verify()]
        if ack["want_from"]:
            [answer] = office.take(board.ev(ack["want_from"], ack["want_to"]))
        board.hear(*answer)
        office.take(
            board.state(
                acked=20,
                lowest_kept=lowest_kept,
                ledger_n=board.ledger_n,
                ledger_head=board.ledger_head,
            )
        )

        missing = list(range(11, lowest_kept))
        assert [seq for seq in range(1, 21) if seq not in missing] == office.seqs()
        assert len(missing) == office.ledger.stats()[0].missing
        assert "ledger_behind" in office.incident_kinds()
        assert [] == office.ledger.verify()
        office.ledger.close()
    finally:
        shutil.rmtree(folder)
