"""A slice of ./run proof backlog: what waits at a real broker, by TLS too, is durable in one run,
whatever fails in the middle.
"""

from pathlib import Path
from typing import Any

import pytest

from gateway.broker.process import MosquittoBroker
from tests.proof.backlog import BROKERS, Stock, prove

MESSAGES = 3_000
FAILING_S = 3


@pytest.fixture(scope="module")
def stock(tmp_path_factory: pytest.TempPathFactory) -> Stock:
    return Stock(tmp_path_factory.mktemp("proof") / "stock", MESSAGES)


@pytest.fixture(params=BROKERS)
def broker(request: pytest.FixtureRequest) -> str:
    if request.param != "iotcore" and not MosquittoBroker.is_installed():
        pytest.skip("mosquitto is not on PATH")
    return str(request.param)


def counts(result: dict[str, Any]) -> tuple[int, ...]:
    return tuple(result[name] for name in ("waiting", "durable", "records", "lost", "twice"))


ALL = (MESSAGES, MESSAGES, MESSAGES, 0, 0)


def test_all_that_waits_is_durable_in_one_run(tmp_path: Path, stock: Stock, broker: str) -> None:
    result = prove(tmp_path / "case", stock, broker, "nothing", FAILING_S)

    assert [] == result["failed"]
    assert ALL == counts(result)
    # under TLS too, where mosquitto sends each message as a record of its own
    assert result["commits"] < MESSAGES / 10


def test_a_storage_that_fails_in_the_middle_costs_nothing(
    tmp_path: Path, stock: Stock, broker: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It fails for three keep-alive times, after which a broker cuts who said nothing."""
    monkeypatch.setattr("gateway.delivery.service.KEEPALIVE_S", 1)
    monkeypatch.setattr("gateway.delivery.batch.RETRY_MS", (20, 200))

    result = prove(tmp_path / "case", stock, broker, "storage", FAILING_S)

    assert [] == result["failed"]
    assert ALL == counts(result)
    assert result["seconds"] > FAILING_S


@pytest.mark.must("BROKER-18")
def test_a_broker_that_is_killed_in_the_middle_costs_nothing(
    tmp_path: Path, stock: Stock, broker: str
) -> None:
    """The board states again what has no acknowledgement, and what mosquitto saved comes again."""
    result = prove(tmp_path / "case", stock, broker, "kill", FAILING_S)

    assert [] == result["failed"]
    assert ALL == counts(result)


def test_a_gateway_that_forgets_what_has_no_room_is_found(
    tmp_path: Path, stock: Stock, broker: str
) -> None:
    result = prove(tmp_path / "case", stock, broker, "nothing", FAILING_S, is_control=True)

    assert f"lost {result['lost']}" in result["failed"]
    assert result["lost"] > MESSAGES / 2
