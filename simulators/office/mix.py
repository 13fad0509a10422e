"""How much of everything a day holds: shares that a caller sets."""

import random
from dataclasses import dataclass


@dataclass(frozen=True)
class Mix:
    """Each number is a percentage, of what its group says; 0 leaves it out."""

    # of the payments
    money_order: int = 0
    other: int = 0  # a tender of no other kind, such as a voucher
    split: int = 0  # cash and a check on one receipt
    several_accounts: int = 0  # one tender pays two or three accounts
    other_service: int = 0  # permits, bus passes, licences
    refund: int = 0  # cash goes back for an earlier receipt, of today or of days ago
    taken_back: int = 0  # a void after a while: the money is handed back
    past_cut_off: int = 0  # a check of before the cut-off may be taken back after it
    mistake: int = 3  # entered wrongly, seen at once, voided; no money moved
    # of the sessions
    checkpoints_max: int = 1  # a number, not a percentage: 1 is always one, 3 is none to three
    recount: int = 0  # the closing count is wrong at first
    tape_again: int = 0  # the check tape is run twice
    two_batches: int = 0  # the card total is keyed for two batches
    float_differs: int = 0  # less than was issued lies in the drawer in the morning
    bag_misdeclared: int = 0  # of the drops: the bag says another amount than is in it
    drop_uncounted: int = 0  # of the drops: no machine counts it
    sale_at_count: int = 0  # the last sale before a count is rung up while the drawer is counted
    # of the windows
    hand_over: int = 0  # two cashiers, one after the other
    twice: int = 0  # one cashier, before and after lunch
    over_midnight: int = 0  # an evening session that ends after midnight
    next_day: int = 0  # receipts after the cut-off, in the drawer at its close
    held_in: int = 0  # the same on the business day before, for the deposit of today
    late: int = 0  # receipts posted after the closing count, no cash in the drawer
    late_in_next: int = 0  # such a receipt while the same cashier has the next session already
    returned: int = 0  # a check of earlier days comes back
    voided_twice: int = 0
    # of the days
    clock_off: int = 0  # the posting system's clock, by two to nine minutes
    one_session_id: int = 0  # the export names all sessions of a window alike
    no_minus: int = 0  # the export writes what is taken back without a minus
    shuffled: int = 0  # the rows of the export are in no order


PLAIN = Mix()
# The demo's day: what costs it little time. A person keys it, and its clock is not exact enough for
# a sale that falls into a count.
SOME_OF_EACH = Mix(
    money_order=3, other=1, split=3, several_accounts=6, refund=2, taken_back=2, bag_misdeclared=20,
    float_differs=10, hand_over=0, next_day=50, late=40, returned=40, voided_twice=30,
)  # fmt: skip
EVERYTHING = Mix(
    money_order=4, other=2, split=5, several_accounts=10, refund=3, taken_back=3, mistake=4,
    checkpoints_max=3, recount=20, tape_again=10, two_batches=15, float_differs=8,
    bag_misdeclared=10, drop_uncounted=10, sale_at_count=10, hand_over=20, twice=15,
    over_midnight=8, next_day=30, held_in=15, late=25, returned=20, voided_twice=10, clock_off=15,
    one_session_id=30, no_minus=20, shuffled=30, past_cut_off=30, late_in_next=50,
)  # fmt: skip


def happens(rng: random.Random, percent: int) -> bool:
    """Whether something of this share happens this time."""
    return rng.randrange(100) < percent


def some_of(rng: random.Random, names: list[str], percent: int) -> set[str]:
    """So many of them: the share is kept to the nearest whole, and not drawn for each alone."""
    whole = (percent * len(names) + rng.randrange(100)) // 100
    return set(rng.sample(names, whole))
