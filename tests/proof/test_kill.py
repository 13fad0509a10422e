"""A slice of ./run proof kill: processes die at random moments, and every batch that was heard is
in the ledger once.
"""

import pytest

from tests.proof.kill import HASTY_BOARD, HASTY_GATEWAY, control, prove
from tests.store import server as postgres
from tests.store.conftest import MISSING


def test_no_heard_batch_is_lost_or_doubled_when_processes_are_killed() -> None:
    result = prove(20, 3)

    assert [] == result["troubles"]
    assert (20, 0, 0, 0, 0) == tuple(
        result[name] for name in ("kills", "lost", "twice", "foreign", "unsound")
    )
    assert result["heard"] > 20


@pytest.mark.skipif(postgres.programs() is None, reason=MISSING)
def test_no_heard_batch_is_lost_or_doubled_when_the_ledgers_server_is_killed_too() -> None:
    result = prove(12, 1, 1, on_server=True)

    assert [] == result["troubles"]
    assert (12, 0, 0, 0, 0) == tuple(
        result[name] for name in ("kills", "lost", "twice", "foreign", "unsound")
    )
    assert result["victims"]["server"] > 0


def test_a_gateway_that_answers_before_its_commit_loses() -> None:
    result = control(HASTY_GATEWAY, 3, 1)

    assert result["lost"] > 0


def test_a_board_that_beeps_before_its_flash_loses() -> None:
    result = control(HASTY_BOARD, 3, 40)

    assert result["lost"] > 0
