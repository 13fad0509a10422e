"""The field cases: one list of functions, each of which plays a report from the field in a folder
and says what has to be right.
"""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.office.rows import Tape, posting

CASES = []  # pytest parameters: the function, its name, its marks


def case(name: str, source: str, **marks: str) -> Callable:
    """One case: its number and what happened, and where that was reported. `unmet`: why it is not
    right yet.
    """

    def kept(play: Callable[[Path], None]) -> Callable[[Path], None]:
        assert source
        unmet = marks.get("unmet")
        marked = [pytest.mark.xfail(strict=True, reason=unmet)] if unmet else []
        CASES.append(pytest.param(play, id=name, marks=marked))
        return play

    return kept


def drawer(close_cents: int, *checks: int, tape: Tape | None = None) -> Tape:
    """Cashier 7 at one window, a float of 200.00."""
    tape = (tape or Tape()).mark(480, "sign_on", 7).count(481, "opening_float", 20000)
    if checks:
        tape.check(1000, *checks)
    return tape.count(1002, "close", close_cents)


R1, R2 = posting("R1", 600, 5000), posting("R2", 600, 6000)
