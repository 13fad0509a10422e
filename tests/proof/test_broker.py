"""A slice of ./run proof broker: where mosquitto loses what it acknowledged, every record on flash
reaches the ledger once.
"""

import pytest

from gateway.broker.process import MosquittoBroker
from tests.proof.broker import prove


@pytest.mark.parametrize("number", [1, 4, 9])
def test_what_qos_1_alone_loses_is_in_the_ledger_once(number: int) -> None:
    if not MosquittoBroker.is_installed():
        pytest.skip("mosquitto is not on PATH")

    result = prove(number, 40, silence_s=1)

    assert [] == result["failed"]
    assert (40, 40, 0, 0) == tuple(
        result[name] for name in ("acked", "plain_lost", "lost", "twice")
    )
    assert result["held"] >= 40
