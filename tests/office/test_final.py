"""A day is final when nothing is left to bring, to decide or to count; otherwise it says why."""

import pytest

from gateway.office.final import open_points
from gateway.office.reconcile import reconcile
from gateway.office.sessions import drawer_sessions
from gateway.office.tenders import tenders_of
from tests.office.rows import DAY, Tape, posting


def points(tape, rows, is_posted=True, refused=0):
    (session,) = drawer_sessions(tape.rows)
    proof = reconcile(session, tenders_of(rows), DAY)
    return [point.kind for point in open_points([proof], is_posted, refused)]


def closed(cents):
    return Tape().count(481, "opening_float", 20000).count(1000, "close", cents)


def test_a_balanced_day_is_final():
    assert points(closed(25000), [posting("R1", 600, 5000)]) == []


@pytest.mark.parametrize(
    ("tape", "rows", "kind"),
    [
        (closed(25000), [posting("R1", 600, 4000)], "differs"),
        (closed(20000), [posting("R1", 600, 5000, status="unknown")], "unknown_posting"),
        (closed(20000), [posting("R1", 1030, 5000)], "after_close"),
        (closed(20000), [posting("M1", 600, 5000, "money_order")], "proof_missing"),
        (closed(20000).count(1010, "close", 19970), [], "closed_again"),
        (Tape().count(481, "opening_float", 20000), [], "not_closed"),
    ],
)
def test_a_day_that_is_not_final_says_why(tape, rows, kind):
    assert points(tape, rows) == [kind]


def test_what_is_of_the_whole_day_comes_first():
    assert points(closed(25000), [], is_posted=False, refused=2) == [
        "nothing_posted", "refused", "differs",
    ]  # fmt: skip
