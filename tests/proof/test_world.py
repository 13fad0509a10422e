"""A slice of ./run proof world: nothing lost, doubled or foreign; planted bugs show; MicroPython
answers the same.
"""

import argparse
from typing import Any

import pytest

from tests.house.planting import planted
from tests.proof import world
from tests.proof.world import ROOT, found_at, ground, play, prove, shrunk
from tests.store import server as postgres
from tests.store.conftest import MISSING
from tests.world.planted import PLANTED
from tests.world.world import World

SLICE = argparse.Namespace(jobs=2, micropython=0, only=None, trace=False, server=False)


def test_histories_lose_nothing_and_double_nothing() -> None:
    result = prove(range(1, 101), SLICE)

    assert {} == result["failed"]
    assert (0, 0, 0) == (result["lost"], result["twice"], result["foreign"])
    assert len(result["faults"]) >= 14
    assert result["counts"]["piles"] > 500


@pytest.mark.skipif(postgres.programs() is None, reason=MISSING)
def test_histories_on_a_server_lose_nothing_and_double_nothing() -> None:
    result = prove(range(1, 31), argparse.Namespace(**{**vars(SLICE), "server": True, "jobs": 1}))

    assert {} == result["failed"]
    assert (0, 0, 0) == (result["lost"], result["twice"], result["foreign"])
    assert {"ledger restored", "the office writes"} <= set(result["faults"])


@pytest.mark.parametrize("title, file, old, new", PLANTED, ids=[each[0] for each in PLANTED])
def test_each_planted_bug_has_its_place_in_the_code(
    title: str, file: str, old: str, new: str
) -> None:
    """A bug that is planted nowhere would be called found by nobody."""
    source = (ROOT / file).read_text()
    assert source != planted(source, old, new, title)


def test_micropython_answers_the_same() -> None:
    result = prove(range(1, 5), argparse.Namespace(**{**vars(SLICE), "micropython": 1}))

    assert {} == result["failed"]
    assert result["micropython_calls"] > 100


@pytest.mark.parametrize(
    "title",
    [
        "an answer before COMMIT",
        "seq is given in RAM",
        "a hole is no hole",
        "nobody is told of the old life's tail",
    ],
)
def test_a_planted_bug_shows(title: str) -> None:
    number, why = found_at(title)

    assert 1 <= number <= 500, why


def test_a_history_that_fails_anyway_finds_no_bug(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(world, "first_failure", lambda *_: (1, "something else"))

    assert (0, "history 1 fails without the bug: something else") == found_at(
        "an answer before COMMIT"
    )


def test_a_history_is_the_same_every_time() -> None:
    first = prove(range(7, 9), SLICE)
    again = prove(range(7, 9), SLICE)

    assert first["counts"] == again["counts"]


def test_a_failure_is_cut_down_to_the_faults_that_it_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails_with_noise(*arguments: Any) -> tuple[Any, list[str]]:
        world, _ = play(*arguments)
        return world, ["wrong"] if [name for _, name, _ in world.plan].count("noise") else []

    monkeypatch.setattr(world, "play", fails_with_noise)
    seed = next(
        seed
        for seed in range(1, 1000)
        if planned(seed).count("noise") == 1 and len(planned(seed)) == 3
    )
    found = shrunk(seed)

    assert ["noise"] == found["faults"]
    assert (
        f"./run proof world --seed {seed} --histories 1 --trace --only"
        f" {planned(seed).index('noise')}" == found["replay"]
    )


def planned(seed: int) -> list[str]:
    with ground() as (folder, place):
        world = World(seed, folder / "history", place)
        try:
            world.build()
            world.draw()
        finally:
            world.close_gateway()
    return [name for _, name, _ in world.plan]
