"""A slice of ./run proof powercut, and what it found in the journal: bits that read either way,
headers that are not there.
"""

import random
from collections import Counter

import pytest

from firmware import commands
from firmware.journal import Journal
from tests.proof import littlefs_cuts
from tests.proof.flash_model import Flash, PowerCut
from tests.proof.planted_journal import PLANTED
from tests.proof.powercut import Truth, every_cut, found_at, history, shift

# found within some hundred cuts; the others take thousands
SLOW = ("the ack mark", "a half-written header", "an erase ahead", "a place that reads blank")
QUICK = [each for each in PLANTED if not each[0].startswith(SLOW)]


def test_no_confirmed_record_is_lost_and_no_seq_given_twice_in_random_histories() -> None:
    counts: Counter[str] = Counter()
    wrong = [failure for seed in range(1, 61) if (failure := history(seed, Journal, counts))]

    assert [] == wrong
    assert counts.total() == 60 * 60


def test_a_shift_survives_the_power_going_in_the_middle_of_it() -> None:
    """A few of the shift's cuts; all of them are in ./run proof powercut."""
    counts: Counter[str] = Counter()
    wrong = [
        failure
        for only in (1, 77, 1003, 3671, 5555)
        if (failure := every_cut(Journal, counts, only))
    ]

    assert [] == wrong
    assert counts.total() == 5


def test_the_shift_fills_the_journal_and_goes_round_it_several_times() -> None:
    flash = Flash(5, random.Random(1))
    shift(flash, truth := Truth(), Journal)

    assert min(flash.erases) > 2
    assert truth.command > 5


@pytest.mark.parametrize(
    ("title", "old", "new"), QUICK, ids=lambda value: value[:40].replace(" ", "_")
)
def test_a_planted_bug_is_found(title: str, old: str, new: str) -> None:
    assert found_at(old, new, within=3000), title


def test_a_key_is_the_old_or_the_new_one_whenever_the_power_goes() -> None:
    counts, wrong = littlefs_cuts.every_cut(1, 12, commands.rotated_key)

    assert [] == wrong
    assert counts.total() > 100
    assert littlefs_cuts.every_cut(1, 4, littlefs_cuts.in_two_steps)[1] != []


def started(flash: Flash, mood: str) -> Journal:
    flash.power_on(mood)
    return Journal(flash, lambda: 7)


def cut_append(flash: Flash, journal: Journal, body: bytes, tear: str, cut_in: int = 1) -> None:
    flash.cut_in, flash.tear = cut_in, tear
    with pytest.raises(PowerCut):
        journal.append(body)


def test_an_entry_of_half_programmed_bits_that_once_read_whole_stays_whole() -> None:
    flash = Flash(4, random.Random(1))
    cut_append(flash, started(flash, "high"), b"x" * 100, "all but one bit")
    journal = started(flash, "low")
    second = journal.append(b"behind it")
    again = started(flash, "high")

    assert (2, 2) == (second, again.last_seq)
    assert [b"x" * 100, b"behind it"] == [again.read(1), again.read(2)]


def test_a_header_that_once_read_whole_stays_whole() -> None:
    flash = Flash(4, random.Random(1))
    journal = started(flash, "high")
    for _ in range(4):
        journal.append(b"x" * 1000)
    cut_append(
        flash, journal, b"y" * 1000, "all but one bit", cut_in=2
    )  # after the erase: the header
    journal = started(flash, "low")
    seqs = [journal.append(b"z" * 1000) for _ in range(3)]

    assert [5, 6, 7] == seqs
    assert [b"z" * 1000] * 3 == [started(flash, "high").read(seq) for seq in seqs]


def test_a_header_that_read_torn_never_comes_back() -> None:
    flash = Flash(4, random.Random(1))
    journal = started(flash, "high")
    for _ in range(3):
        journal.append(b"x" * 1000)
    cut_append(flash, journal, b"y" * 1024, "all but one bit", cut_in=2)
    journal = started(flash, "high")
    assert journal.append(b"in the sector before") == 4

    assert started(flash, "low").read(4) == b"in the sector before"


def test_a_blank_place_that_is_not_quite_blank_is_not_written_on() -> None:
    flash = Flash(4, random.Random(1))
    cut_append(flash, started(flash, "high"), b"\x00" * 100, "one bit")
    journal = started(flash, "high")
    assert journal.append(b"\xff" * 100) == 1

    assert started(flash, "low").read(1) == b"\xff" * 100


def test_a_worn_header_costs_a_sector_and_no_record() -> None:
    flash = Flash(4, random.Random(1))
    journal = started(flash, "coin")
    flash.worn = (1, 9, 0x55)
    bodies = [bytes([number]) * 900 for number in range(1, 9)]
    for body in bodies:
        journal.append(body)
    again = started(flash, "coin")

    assert bodies == [again.read(seq) for seq in range(1, 9)]


def test_a_mark_that_a_restored_gateway_lowered_is_lower_after_a_power_cut() -> None:
    flash = Flash(4, random.Random(1))
    journal = started(flash, "coin")
    for _ in range(100):
        journal.append(b"x")
    journal.mark_acked(90, 1, bytes(32))
    while journal.tidy():
        pass
    journal.mark_acked(10, 1, bytes(32))
    while journal.tidy():
        pass

    assert 10 == started(flash, "coin").acked


def test_a_record_is_found_forwards_and_backwards_across_the_sectors() -> None:
    journal = started(Flash(16, random.Random(1)), "coin")
    while journal.room():
        journal.append(b"%d" % journal.next_seq * 60)
    seqs = [*range(1, journal.next_seq), *range(journal.last_seq, 0, -1)]

    assert [b"%d" % seq * 60 for seq in seqs] == [journal.read(seq) for seq in seqs]


def test_a_cut_fill_leaves_no_weak_bit_in_an_entry_that_reads_whole_next_time() -> None:
    """Found by this history: a weak zero of the entry and a weak one of the fill; it read whole
    once, and never again.
    """
    assert "" == history(994, Journal, Counter())
