"""Identity and Sequence of docs/protocol.md on a device: the journal over flash in RAM, with the
power going at every step.
"""

from firmware.journal import SECTOR_BYTES, Journal, JournalError, JournalFull
from must import PowerCut, Ram, run


def body(seq):
    return b"%d-" % seq * (3 + seq % 40)


def a_journal(flash, epoch=9):
    return Journal(flash, lambda: epoch)


def random_epoch():
    """Without a source of its own the journal takes the system's random numbers: 40 lives have 40
    epochs of 32 bits.
    """
    epochs = {Journal(Ram(3)).epoch for _ in range(40)}
    assert len(epochs) == 40 and max(epochs) < 2**32 and max(epochs) > 2**24


def never_zero():
    assert a_journal(Ram(), 0).epoch != 0


def blank_flash_begins_an_epoch():
    flash = Ram()
    assert a_journal(flash, 9).epoch == 9 and a_journal(flash, 10).epoch == 9
    for sector in flash.sectors:
        sector[:] = b"\xff" * SECTOR_BYTES
    wiped = a_journal(flash, 11)
    assert (wiped.epoch, wiped.last_seq, wiped.acked, wiped.command) == (11, 0, 0, 0)
    for sector in flash.sectors:
        sector[:] = b"\x5a" * SECTOR_BYTES
    assert a_journal(flash, 12).epoch == 12


def through_every_cut(check, appends=150, every=5, sectors=4):
    """Append and acknowledge until the power goes at step 1, 6, 11, ...; `check` judges what the
    next start finds.
    """
    flash = Ram(sectors)
    shift(flash, [], appends)
    for cut in range(1, flash.steps, every):
        torn = Ram(sectors)
        torn.cut_at = cut
        confirmed = []
        try:
            shift(torn, confirmed, appends)
        except PowerCut:
            pass
        torn.cut_at = -1
        check(torn, confirmed)


def shift(flash, confirmed, appends):
    journal = a_journal(flash)
    while journal.last_seq < appends:
        confirmed.append(journal.append(body(journal.next_seq)))
        if journal.last_seq % 7 == 0 and journal.last_seq > 20:
            journal.mark_acked(journal.last_seq - 20, 5, b"h" * 32)
        if journal.last_seq % 5 == 0:
            journal.tidy()


def epoch_stays():
    def check(flash, confirmed):
        assert not confirmed or a_journal(flash, 10).epoch == 9

    through_every_cut(check)


def epoch_is_on_flash():
    """As soon as a journal can be asked for its epoch, another start finds the same one."""
    flash = Ram()
    journal = a_journal(flash, 9)
    assert a_journal(flash, 10).epoch == journal.epoch


def boot_rises():
    def check(flash, confirmed):
        if not confirmed:
            return  # the first start was cut short: nothing was ever said
        boots = [a_journal(flash).boot for _ in range(4)]
        assert boots == list(range(boots[0], boots[0] + 4)) and boots[0] >= 2, boots

    through_every_cut(check, every=9)


def boot_rises_when_sectors_turn():
    flash = Ram(8)  # a start uses at least a page, and `acked` is written every 64 records
    boots = []
    for _ in range(300):
        journal = a_journal(flash)
        boots.append(journal.boot)
        journal.mark_acked(journal.append(body(1)), 1, bytes(32))
        journal.tidy()
        journal.tidy()
    assert boots == list(range(1, 301))


def counts_from_one():
    assert a_journal(Ram()).append(b"x") == 1


def none_left_out():
    def check(flash, confirmed):
        last = confirmed[-1] if confirmed else 0
        journal = a_journal(flash)
        assert confirmed == list(range(1, last + 1))
        assert journal.last_seq in (last, last + 1)
        assert journal.append(b"next") == journal.last_seq

    through_every_cut(check)


def never_the_same_seq():
    """The record that was cut off is either there whole or its seq is free; what follows never
    takes a seq that is there.
    """

    def check(flash, confirmed):
        journal = a_journal(flash)
        seq = journal.append(b"behind the cut")
        assert seq not in confirmed and journal.read(seq) == b"behind the cut"
        if seq - 1 > journal.acked:
            assert journal.read(seq - 1) == body(seq - 1)

    through_every_cut(check)


class Forgetful(Ram):
    """Flash that says yes and keeps nothing from some moment on."""

    works = True

    def writeblocks(self, n, buf, offset):
        if self.works:
            Ram.writeblocks(self, n, buf, offset)


def read_back():
    flash = Forgetful()
    journal = a_journal(flash)
    journal.append(b"kept")
    flash.works = False
    try:
        journal.append(b"not kept")
        raise AssertionError("confirmed what flash does not hold")
    except JournalError:
        assert journal.last_seq == 1


def confirmed_survive():
    def check(flash, confirmed):
        journal = a_journal(flash)
        for seq in confirmed:
            assert seq <= journal.acked or journal.read(seq) == body(seq), seq

    through_every_cut(check, every=3)


def torn_is_no_record():
    def check(flash, confirmed):
        journal = a_journal(flash)
        for seq in range(journal.lowest_kept or 1, journal.next_seq):
            assert journal.read(seq) in (body(seq), None), seq

    through_every_cut(check)
    flash = Ram()
    a_journal(flash).append(b"whole record")
    for n, sector in enumerate(flash.sectors):
        at = bytes(sector).find(b"whole")
        if at > 0:
            flash.sectors[n][at] &= 0x0F
    assert a_journal(flash).last_seq == 0


def never_after_a_torn_tail():
    """Bits of a torn write stay in their sector: what comes next is in another one, and
    readable.
    """
    flash = Ram()
    journal = a_journal(flash)
    journal.append(b"first")
    flash.cut_at = flash.steps + 1
    try:
        journal.append(b"torn" * 50)
    except PowerCut:
        pass
    flash.cut_at = -1
    before = [bytes(sector) for sector in flash.sectors]
    journal = a_journal(flash)
    seq = journal.append(b"second")
    assert journal.read(seq) == b"second" and journal.read(1) == b"first"
    grown = [n for n in range(4) if b"first" in before[n] and b"second" in bytes(flash.sectors[n])]
    assert grown == [], grown


def fill(journal):
    try:
        while True:
            journal.append(body(journal.next_seq))
    except JournalFull:
        return journal.last_seq


def never_overwritten():
    flash = Ram(3)
    journal = a_journal(flash)
    last = fill(journal)
    for _ in range(20):
        journal.tidy()
    for _ in range(2):
        assert [journal.read(seq) == body(seq) for seq in range(1, last + 1)] == [True] * last
        journal = a_journal(flash)
    erases = flash.erases
    fill(journal)
    assert flash.erases == erases


def full_uses_no_seq():
    journal = a_journal(Ram(3))
    last = fill(journal)
    for _ in range(3):
        try:
            journal.append(b"x" * 900)
            raise AssertionError("taken")
        except JournalFull:
            assert (journal.last_seq, journal.room()) == (last, 0)
    journal.mark_acked(last, 1, bytes(32))
    assert journal.append(b"x" * 900) == last + 1


class Worn(Ram):
    """A place of the first sector is stuck at some bits."""

    def writeblocks(self, n, buf, offset):
        Ram.writeblocks(self, n, buf, offset)
        self.sectors[0][2000] = 0x55


def worn_place():
    journal = a_journal(Worn())
    for seq in range(1, 31):
        assert journal.append(body(seq) + b"w" * 200) == seq
    assert [journal.read(seq) == body(seq) + b"w" * 200 for seq in range(1, 31)] == [True] * 30


def next_seq_from_flash():
    flash = Ram()
    journal = a_journal(flash)
    for seq in range(1, 200):
        assert journal.append(body(seq)) == seq
        journal.mark_acked(seq, 1, bytes(32))
        if seq % 13 == 0:
            journal.tidy()
        if seq % 17 == 0:
            journal = a_journal(flash)
            assert journal.next_seq == seq + 1


def acked_is_no_more_than_was():
    def check(flash, confirmed):
        told = 0
        for seq in confirmed:
            if seq % 7 == 0 and seq > 20:
                told = seq - 20
        assert a_journal(flash).acked <= told

    through_every_cut(check)


def sizes():
    journal = a_journal(Ram())
    for raw in (b"", bytes(1025)):
        try:
            journal.append(raw)
            raise AssertionError("taken")
        except ValueError:
            assert journal.last_seq == 0
    assert journal.append(b"\1" * 1024) == 1 and journal.read(1) == b"\1" * 1024


def witness_after_a_start():
    """The pair comes back if it is on flash. If not, the device says that it has seen nothing."""
    flash = Ram(6)
    journal = a_journal(flash)
    seen = set()
    for seq in range(1, 400):
        journal.append(b"r" * 40)
        journal.mark_acked(seq, 1000 + seq, b"%032d" % seq)
        journal.tidy()
        if seq % 11 == 0:
            journal = a_journal(flash)
            n, head = journal.ledger_n, journal.ledger_head
            seen.add(n > 0)
            assert (n, head) == (0, bytes(32)) or head == b"%032d" % (n - 1000), (n, head)
            if n:
                assert n - 1000 <= seq
    assert True in seen


def command_survives():
    flash = Ram()
    journal = a_journal(flash)
    assert journal.command == 0
    for counter in range(1, 60):
        journal.note_command(counter)
        journal = a_journal(flash)
        assert journal.command == counter
        for _ in range(9):
            journal.mark_acked(journal.append(body(journal.next_seq)), 1, bytes(32))
        journal.tidy()
        journal = a_journal(flash)
        assert journal.command == counter


def command_before_the_act():
    """At whatever step the power goes while a counter is noted: once note_command has returned, it
    is never below again.
    """
    for step in range(1, 40):
        flash = Ram(3)
        journal = a_journal(flash)
        for _ in range(1, 40):
            journal.mark_acked(journal.append(b"r" * 90), 1, bytes(32))
        flash.cut_at = flash.steps + step
        noted = 0
        try:
            for counter in range(1, 30):
                journal.note_command(counter)
                noted = counter
        except PowerCut:
            pass
        flash.cut_at = -1
        assert a_journal(flash).command in (noted, noted + 1), (step, noted)


run(
    (
        ("IDENT-2", random_epoch), ("IDENT-3", never_zero),
        ("IDENT-4", blank_flash_begins_an_epoch), ("IDENT-5", epoch_stays),
        ("IDENT-6", epoch_is_on_flash), ("IDENT-7", boot_rises),
        ("IDENT-7", boot_rises_when_sectors_turn), ("SEQ-1", counts_from_one),
        ("SEQ-2", none_left_out), ("SEQ-3", never_the_same_seq), ("SEQ-4", read_back),
        ("SEQ-8", confirmed_survive), ("SEQ-9", torn_is_no_record),
        ("SEQ-10", never_after_a_torn_tail), ("SEQ-11", never_overwritten),
        ("SEQ-12", full_uses_no_seq), ("SEQ-14", worn_place), ("SEQ-15", next_seq_from_flash),
        ("SEQ-16", acked_is_no_more_than_was), ("SEQ-17", sizes),
        ("CHAIN-22", witness_after_a_start), ("CMD-8", command_survives),
        ("CMD-9", command_before_the_act),
    )
)  # fmt: skip
