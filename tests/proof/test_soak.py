"""A slice of ./run proof soak: real firmware, broker and gateway on a bad network, and the control
that must lose.
"""

from tests.proof.chaos import Weather
from tests.proof.soak import CONTROL, SOON, is_sound, soak
from tests.proof.soak_parts import Plan

SLICE = Plan(
    600, windows=2, seconds_max=60, partitions=2, partition_ms=2_000,
    partition_length_ms=(300, 1_000), instruments=1, budget=SOON, report_ms=20,
    board_weather=Weather(5_000), gateway_weather=Weather(50_000),
)  # fmt: skip


def test_every_count_is_in_the_ledger_once_whatever_the_network_does() -> None:
    result = soak(SLICE)
    print(result)

    assert is_sound(result)
    assert result["records"] == result["stated"] >= 600
    assert result["beeped"] + 2 == result["records"]  # and a boot each
    assert result["reconnects"] > 0


def test_an_acknowledgement_before_commit_loses_records() -> None:
    result = soak(CONTROL)
    print(result)

    assert result["kills"] > 0
    assert result["lost"] > 0
    assert result["gaps"] > 0
