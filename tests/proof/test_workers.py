"""A slice of ./run proof workers, and that its bugs show."""

import pytest

from tests.proof.workers import played, prove
from tests.world.workers import PLANTS

HISTORIES = range(1, 7)
UNTIL_FOUND = range(1, 41)


def test_workers_lose_and_double_nothing() -> None:
    result = prove(HISTORIES)

    assert [] == result["told"]
    assert result["records"] > 1_000


@pytest.mark.parametrize("plant", PLANTS)
def test_planted_bug_is_found(plant: str) -> None:
    result = prove(UNTIL_FOUND, plant)

    assert not result["failed"], result["told"]


def test_without_a_fence_the_lock_alone_keeps_the_truth() -> None:
    worlds = [played(seed, "no fence") for seed in HISTORIES]

    assert [] == [text for world in worlds for text in world.truth]
    assert [] != [text for world in worlds for text in world.order]
