"""A slice of ./run proof world: nothing lost, doubled or foreign; planted bugs show; MicroPython answers the same."""

import argparse

import pytest
from proof.world import found_at, prove, shrunk

SLICE = argparse.Namespace(jobs=2, micropython=False, only=None, trace=False)


def test_histories_lose_nothing_and_double_nothing() -> None:
    result = prove(range(1, 301), SLICE)

    assert {} == result["failed"]
    assert (0, 0, 0) == (result["lost"], result["twice"], result["foreign"])
    assert len(result["faults"]) >= 14
    assert result["counts"]["piles"] > 1000


def test_micropython_answers_the_same() -> None:
    result = prove(range(1, 5), argparse.Namespace(**{**vars(SLICE), "micropython": True}))

    assert {} == result["failed"]
    assert result["micropython_calls"] > 100


@pytest.mark.parametrize(
    "title", ["an answer before COMMIT", "seq is given in RAM", "a hole is no hole", "nobody is told of the old life's tail"]
)
def test_a_planted_bug_shows(title: str) -> None:
    number, why = found_at(title)

    assert 1 <= number <= 500, why


def test_a_history_is_the_same_every_time_and_says_how_to_see_it_again() -> None:
    first = prove(range(7, 9), SLICE)
    again = prove(range(7, 9), SLICE)

    assert first["counts"] == again["counts"]
    assert shrunk(7).startswith("./run proof world --seed 7 --histories 1 --trace")
