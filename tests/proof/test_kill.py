"""A slice of ./run proof kill: processes die at random moments, and every batch that was heard is
in the ledger once.
"""

from tests.proof.kill import HASTY_BOARD, HASTY_GATEWAY, control, prove


def test_no_heard_batch_is_lost_or_doubled_when_processes_are_killed() -> None:
    result = prove(20, 3)

    assert [] == result["troubles"]
    assert (20, 0, 0, 0, 0) == tuple(
        result[name] for name in ("kills", "lost", "twice", "foreign", "unsound")
    )
    assert result["heard"] > 20


def test_a_gateway_that_answers_before_its_commit_loses() -> None:
    result = control(HASTY_GATEWAY, 3, 1)

    assert result["lost"] > 0


def test_a_board_that_beeps_before_its_flash_loses() -> None:
    result = control(HASTY_BOARD, 3, 40)

    assert result["lost"] > 0
