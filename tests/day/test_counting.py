"""Errors of counting: a machine that adds up, a stack that ran twice, notes that were given back.
They are causes as far as facts prove them, and no more.
"""

import pytest

from protocol.records import FLAG_ACCUMULATE
from tests.day.bench import OfficeDay
from tests.office.rows import Tape, posting

TWENTIES, TENS = (2000, 5), (1000, 10)  # 100.00 each
SALE = posting("R1", 600, 5000)


def adds_up(tape, minute, *rows):
    cents = sum(value * pieces for value, pieces in rows)
    return tape.tally(minute, cents, rows=list(rows), flags=FLAG_ACCUMULATE)


def counted(tape, minute, mark, *rows):
    return adds_up(tape.mark(minute, mark), minute, *rows).mark(minute + 1, "done")


def proved(folder, tape, *rows):
    office = OfficeDay(folder, tape)
    office.post(list(rows) or [SALE])
    (found,) = office.day().proofs
    return found


def cash(found):
    return found.reconciliation.opening_cents, found.reconciliation.line("cash").over_short_cents


def told(found, *kinds):
    return [remark.text for remark in found.reconciliation.remarks if remark.kind in kinds]


def causes(found):
    return [
        (cause.kind, cause.strength, cause.title)
        for variance in found.variances
        for cause in variance.causes
    ]


# --- a machine that adds up -----------------------------------------------------------------------


@pytest.mark.parametrize("days", [1, 3, 20])
def test_what_an_accumulating_machine_held_of_yesterday_is_not_this_sessions(tmp_path, days):
    """Nobody cleared it overnight, or over the weekend: its first report holds 100.00 too much."""
    tape = Tape().mark(481 - days * 1440, "opening_float")
    adds_up(tape, 482 - days * 1440, TWENTIES).mark(1000 - days * 1440, "close", 10000)
    counted(tape, 481, "opening_float", (2000, 15))  # 300.00, and 200.00 lie there
    found = proved(tmp_path, counted(tape, 1000, "close", (2000, 25), (1000, 5)))

    assert (20000, 0) == cash(found)
    assert [
        "bills adds up and printed 300.00, 100.00 of it before this count: 200.00 counted",
        "bills adds up and printed 550.00, 300.00 of it before this count: 250.00 counted",
    ] == told(found, "running_sum_held")


def test_a_machine_that_was_cleared_between_counts_is_told(tmp_path):
    """Its report holds less than the one before: so much shows by itself."""
    tape = counted(Tape(), 481, "opening_float", (2000, 10))
    found = proved(tmp_path, counted(tape, 1000, "close", (2000, 5), (5000, 3)))

    assert (20000, 0) == cash(found)
    (text,) = told(found, "running_sum_cleared")
    assert "printed 250.00 and lacks what it held before (200.00): it was cleared" in text


def test_a_machine_that_may_have_been_cleared_is_a_cause_to_the_cent(tmp_path):
    """The new sum happens to hold all that the old one held: nobody can tell them apart."""
    tape = counted(Tape(), 481, "opening_float", (2000, 10))
    found = proved(tmp_path, counted(tape, 1000, "close", (2000, 10), (5000, 1)))

    assert (20000, -20000) == cash(found)
    assert ["running_sum_held"] == [
        r.kind for r in found.reconciliation.remarks if "sum" in r.kind
    ][1:]
    assert ("machine_cleared", "possible", "bills was cleared before the close") in causes(found)


def test_a_running_sum_without_a_past_says_so(tmp_path):
    tape = counted(Tape(), 481, "opening_float", (2000, 10))
    found = proved(tmp_path, counted(tape, 1000, "close", (2000, 20), (5000, 1)))

    assert (20000, 0) == cash(found)
    assert 1 == len(told(found, "running_sum_unknown"))


def test_several_batches_of_one_count_tell_the_jump_once(tmp_path):
    tape = counted(Tape(), 481, "opening_float", (2000, 10)).mark(1000, "close")
    adds_up(tape, 1001, (2000, 15))
    found = proved(tmp_path, adds_up(tape, 1002, (2000, 15), (5000, 3)).mark(1003, "done"))

    assert (20000, 0) == cash(found)
    assert 1 == len(told(found, "running_sum_held"))


# --- twice ----------------------------------------------------------------------------------------


def close_with(*stacks, opening=(20000,)):
    tape = Tape().count(481, "opening_float", *opening).mark(1000, "close")
    for n, cents in enumerate(stacks):
        tape.tally(1001 + n, cents)
    return tape.mark(1030, "done")


def test_the_same_stack_run_twice_is_a_cause(tmp_path):
    """250.00 over: it has another batch number, and the same pieces."""
    found = proved(tmp_path, close_with(25000, 25000))

    assert (20000, 25000) == cash(found)
    assert (
        "counted_twice", "possible", "A stack of 250.00 counted twice in the close",
    ) == causes(found)[0]  # fmt: skip
    assert "batch 2" in str(found.variances) and "batch 3" in str(found.variances)


def test_one_of_two_stacks_run_twice_is_a_cause(tmp_path):
    found = proved(tmp_path, close_with(20000, 5000, 5000))

    assert ("counted_twice", 5000) == (causes(found)[0][0], cash(found)[1])


def test_all_stacks_run_twice_are_a_cause(tmp_path):
    assert "counted_twice" == causes(proved(tmp_path, close_with(20000, 5000, 20000, 5000)))[0][0]


def test_a_float_that_was_counted_twice_makes_a_short(tmp_path):
    found = proved(tmp_path, close_with(25000, opening=(12000, 8000, 8000)))

    assert (28000, -8000) == cash(found)
    assert "counted twice in the opening float" in causes(found)[0][2]


def test_a_drop_that_was_counted_twice_makes_an_over(tmp_path):
    tape = Tape().count(481, "opening_float", 20000).count(700, "drop", 3000, 3000)
    found = proved(tmp_path, tape.count(1000, "close", 22000))

    assert (20000, 3000) == cash(found)
    assert "counted twice in the drop" in causes(found)[0][2]


def test_two_stacks_alike_are_no_cause_of_another_difference(tmp_path):
    """Straps are alike; only what is over by one of them may have been counted twice."""
    found = proved(tmp_path, close_with(15000, 5000, 5000, 1733))

    assert (1733, []) == (cash(found)[1], [kind for kind, *_ in causes(found)])


def test_a_recount_that_replaced_the_double_count_leaves_no_cause(tmp_path):
    tape = close_with(25000, 25000).mark(1040, "recount").tally(1041, 25000).mark(1042, "done")

    assert ((20000, 0), []) == (cash(found := proved(tmp_path, tape)), causes(found))


# --- given back -----------------------------------------------------------------------------------


@pytest.mark.parametrize("quality", [2, 3, 4, 5, 6])
def test_a_note_that_the_machine_gave_back_is_a_cause(tmp_path, quality):
    tape = Tape().count(481, "opening_float", 20000).mark(1000, "close")
    tape.tally(1001, 23000, rejects=[[quality, 1]]).mark(1002, "done")
    found = proved(tmp_path, tape)

    assert (20000, -2000) == cash(found)
    assert (
        "given_back", "possible", "20.00 in the 1 piece that the machine gave back",
    ) == causes(found)[0]  # fmt: skip
    assert "wrong_change" in [kind for kind, *_ in causes(found)]  # one fact more, not the proof


def test_what_was_given_back_when_the_float_was_counted_makes_an_over(tmp_path):
    tape = Tape().mark(481, "opening_float").tally(482, 18000, rejects=[[3, 2]]).mark(483, "done")
    found = proved(tmp_path, tape.count(1000, "close", 25000))

    assert ((18000, 2000), "given_back") == (cash(found), causes(found)[0][0])


def test_what_was_given_back_and_cannot_be_the_difference_is_no_cause(tmp_path):
    tape = Tape().count(481, "opening_float", 20000).mark(1000, "close")
    tape.tally(1001, 25000 - 1733, rejects=[[3, 1]]).mark(1002, "done")

    assert [] == causes(proved(tmp_path, tape))


def test_notes_that_were_given_back_and_run_again_are_no_cause(tmp_path):
    tape = Tape().count(481, "opening_float", 20000).mark(1000, "close")
    tape.tally(1001, 23000, rejects=[[6, 1]]).tally(1002, 2000).mark(1003, "done")

    assert ((20000, 0), []) == (cash(found := proved(tmp_path, tape)), causes(found))
