"""A slice of ./run proof instruments: histories of every driver with its machine, and every planted
bug found.
"""

import pytest

from gateway.instruments.profiles import load_profile
from tests.proof.instruments import MODULES, _planted, cases, found_at, histories

HISTORIES = range(5001, 5101)  # other ones than those that the page's figures come from
PLANTED_MIN = 4
CASES = cases()
PLANTED = [
    pytest.param(name, old, new, id=f"{name}-{title.replace(' ', '-')}")
    for name in CASES
    for title, old, new, *only in _planted(load_profile(name).driver).PLANTED
    if not only or name in only
]


@pytest.mark.parametrize("profile_name", sorted(CASES))
def test_truth_is_credited_or_an_explicit_discrepancy(profile_name: str) -> None:
    outcomes = histories(profile_name, HISTORIES)

    assert {} == {outcome.seed: outcome.wrong for outcome in outcomes if outcome.wrong}
    assert sum(outcome.credited.total() for outcome in outcomes) > len(outcomes)
    assert any(outcome.struck for outcome in outcomes)


@pytest.mark.parametrize(("profile_name", "old", "new"), PLANTED)
def test_a_planted_bug_is_found(profile_name: str, old: str, new: str) -> None:
    assert found_at(profile_name, old, new)


def test_every_driver_has_a_case_and_planted_bugs() -> None:
    assert set(MODULES) == {load_profile(name).driver for name in CASES}
    assert {} == {
        name: len(_planted(name).PLANTED)
        for name in MODULES
        if len(_planted(name).PLANTED) < PLANTED_MIN
    }
