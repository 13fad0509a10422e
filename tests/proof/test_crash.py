"""A slice of ./run proof crash: what was acknowledged survives the power going at any write, and
NORMAL would not do.
"""

import pytest

from tests.proof.crash import prove


@pytest.mark.must("CHAIN-13")
def test_no_acknowledged_row_is_lost_when_the_power_goes() -> None:
    full, control = prove(1500, 2, "FULL"), prove(300, 2, "NORMAL")

    assert (1500, 0, 0) == (full["images"], full["lost"], full["broken"])
    assert control["lost"] > 30
