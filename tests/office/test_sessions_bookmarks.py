"""A driver's bookmark, a tally without rows, is in the ledger and in no count."""

import pytest

from gateway.office.sessions import drawer_sessions
from protocol.records import FLAG_REPRINT
from tests.office.rows import Tape


def bookmark(tape: Tape, minute: int, flags: int) -> Tape:
    fields = {
        "instrument": "coins", "batch_id": "12345-0-7-00", "currency": "USD", "rows": [],
        "total_minor": 0, "flags": flags, "evidence": "specification",
    }  # fmt: skip
    return tape.add("tally", minute, **fields)


@pytest.mark.parametrize("flags", [0, FLAG_REPRINT])
def test_a_bookmark_is_neither_shown_nor_counted(flags: int) -> None:
    tape = bookmark(Tape().mark(0, "sign_on", 7), 1, flags).mark(2, "close")
    tape = bookmark(tape.tally(3, 5000), 4, flags).mark(5, "done")
    (session,) = drawer_sessions(tape.rows)

    assert [5000] == [tally.total_cents for tally in session.close.tallies]
    assert 5000 == session.close.counted_cents
    assert "tally_outside_count" not in {remark.kind for remark in session.remarks}
