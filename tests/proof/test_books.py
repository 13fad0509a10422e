"""A slice of ./run proof books: generated days against the books, and every planted bug found."""

import pytest

from tests.proof.books import found_on, prove
from tests.proof.planted_books import BUGS

DAYS, SEED = 40, 5_001  # other ones than those that the page's figures come from


def test_the_books_of_generated_days_are_their_truth() -> None:
    outcomes = prove(DAYS, SEED)

    assert {} == {each.seed: each.differences for each in outcomes if each.differences}
    assert DAYS // 10 == sum(each.by_ledger for each in outcomes)
    assert sum(each.receipts for each in outcomes) > 5_000
    assert len({each.error for each in outcomes}) == 8  # seven kinds, and none


def test_the_rules_find_in_generated_days_what_was_dealt_and_nothing_else() -> None:
    outcomes = prove(12, SEED, every=1)

    assert {} == {each.seed: each.differences for each in outcomes if each.differences}
    assert {"R10", "R13", "R15"} == {found.rule for each in outcomes for found in each.findings}


@pytest.mark.parametrize(("title", "module", "old", "new"), BUGS, ids=[bug[0] for bug in BUGS])
def test_a_planted_bug_is_found(title: str, module: str, old: str, new: str) -> None:
    assert found_on(module, old, new, within=40) > 0, title
