"""A slice of ./run proof reader: the fast reader takes nothing that the decoders refuse, and reads
what they read.
"""

import pytest

from tests.proof.reader import BUGS, found_at, prove


def test_mutants_are_judged_as_the_decoders_judge_them() -> None:
    result = prove(20_000, seed=3)

    assert [] == result["wrong"]
    assert result["taken"] > 2_000
    assert result["read"] > 300
    assert result["told"] > 2_000


@pytest.mark.parametrize(("title", "module", "old", "new"), BUGS)
def test_a_planted_bug_is_found(title: str, module: str, old: str, new: str) -> None:
    assert found_at(module, old, new) > 0, title
