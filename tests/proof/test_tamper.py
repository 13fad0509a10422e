"""A slice of ./run proof tamper: no row of facts can be edited unseen."""

from argparse import Namespace
from pathlib import Path

import pytest

from gateway.store.entries import COVERED
from tests.proof.tamper import OF_ENTRIES, OF_MESSAGES, chain, prove, rebuilt
from tests.store import server as postgres
from tests.store.conftest import MISSING

TABLES = {*COVERED, "entry", "segment", "cursor", "gap"}


def test_every_edit_of_a_row_is_found(tmp_path: Path) -> None:
    result = prove(tmp_path, Namespace(tampers=300, rows=30, seed=2))

    assert [] == result["missed"]
    assert TABLES == tables_in(result["kinds"])


@pytest.mark.skipif(postgres.programs() is None, reason=MISSING)
def test_every_edit_of_a_row_on_a_server_is_found(tmp_path: Path) -> None:
    with postgres.running() as server:
        result = prove(tmp_path, Namespace(tampers=200, rows=20, seed=5), server)

    assert [] == result["missed"]
    assert TABLES == tables_in(result["kinds"])


def tables_in(kinds: dict[str, int]) -> set[str]:
    """Which tables were edited."""
    return {kind.replace(".", " ").split()[0] for kind in kinds}


def test_every_edit_with_a_rebuilt_chain_is_found_by_one_printed_checkpoint(tmp_path: Path) -> None:
    result = rebuilt(tmp_path, Namespace(tampers=3000, rows=1500, seed=2))

    assert ([], 0) == (result["missed"], result["control"])
    assert {"prefix", "rows", *OF_MESSAGES, *OF_ENTRIES} == set(result["kinds"])


def test_a_long_chain_is_whole(tmp_path: Path) -> None:
    assert 0 == chain(tmp_path, 20_000)["broken_at"]
