"""A slice of ./run proof reader: the fast reader takes nothing that the decoders refuse, and reads
what they read.
"""

import pytest

from tests.proof.reader import BUGS, found_at, prove


def test_mutants_are_judged_as_the_decoders_judge_them() -> None:
    result = prove(6_000, seed=3)

    assert [] == result["wrong"]
    assert result["taken"] > 600
    assert result["read"] > 90
    assert result["told"] > 600


@pytest.mark.parametrize(("title", "module", "old", "new"), BUGS)
def test_a_planted_bug_is_found(title: str, module: str, old: str, new: str) -> None:
    assert found_at(module, old, new) > 0, title
