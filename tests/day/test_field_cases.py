"""What offices and auditors reported, as days: each case goes the whole way, from what the boards
stated and the cashiering system's files through `till import` and `till reconcile` to the report.

The files are made here; what happened, and where it was reported, stands with each case.
"""

import pytest

from tests.day import field_files, field_receipts
from tests.day.field import CASES

MODULES = (field_receipts, field_files)


@pytest.mark.parametrize("play", CASES)
def test_field_case(play, tmp_path):
    play(tmp_path)


def test_every_case_of_the_field_is_here():
    numbers = {str(each.id).split()[0] for each in CASES}

    assert {module.__name__ for module in MODULES} == {each.values[0].__module__ for each in CASES}
    assert {
        "01", "02", "03", "04", "06", "07", "07b", "09", "10", "12", "13", "14", "15", "18", "19",
        "20", "24", "26", "28", "29", "30", "31", "34", "35", "37", "39", "40", "42",
    } == numbers  # fmt: skip
