"""A slice of ./run proof tamper: no row of facts can be edited unseen."""

from argparse import Namespace
from pathlib import Path

from proof.tamper import chain, prove


def test_every_edit_of_a_row_is_found(tmp_path: Path) -> None:
    result = prove(tmp_path, Namespace(tampers=1500, rows=3000, seed=2))

    assert [] == result["missed"]
    assert {"message.received_ms", "message.topic", "record.body", "record deleted", "gap.cause"} <= set(result["kinds"])


def test_a_long_chain_is_whole(tmp_path: Path) -> None:
    assert 0 == chain(tmp_path, 20_000)["broken_at"]
