"""Fixtures of the folder: an office whose ledger is a file, and one whose ledger is on a server.

A test that takes `office` runs on both engines. Those below are about a file: its pages, its
neighbours, SQLite's own statements, or an insider who opens it.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.config import LedgerServer
from tests.delivery.bench import SITE, Office
from tests.store import server as postgres

ENGINES = ("sqlite", "postgres")
MISSING = "postgres is not installed"
ABOUT_A_FILE = {
    "test_a_backup_is_never_written_over",
    "test_a_ledger_that_is_there_moves_aside_only_when_asked_and_when_nobody_holds_it",
    "test_a_commit_is_on_disk_when_it_returns",
    "test_a_damaged_or_foreign_file_is_refused_and_left_as_it_is",
    "test_a_witness_that_does_not_fit_is_told",
    "test_an_audit_finds",
    "test_an_edited_backup_is_refused",
    "test_cutting_the_end_off_shows_against_what_a_device_witnessed",
    "test_reopened_ledger_goes_on_where_it_was",
    "test_the_chain_as_the_page_has_it",
    "test_verify_finds_an_edit",
    "test_what_is_written_stays_written",
    "test_what_came_after_the_backup_is_asked_for_again",
}


PLANS_AND_PAGES = {"test_segments", "test_verify_edits", "test_migration", "test_ledger_file"}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "engine" in metafunc.fixturenames:
        module = metafunc.module.__name__.rpartition(".")[2]
        file_only = metafunc.function.__name__ in ABOUT_A_FILE or module in PLANS_AND_PAGES
        metafunc.parametrize("engine", ENGINES[:1] if file_only else ENGINES)


@pytest.fixture(scope="session")
def server() -> Iterator[postgres.Server]:
    """A PostgreSQL server, once a test process."""
    if postgres.programs() is None:
        pytest.skip(MISSING)
    with postgres.running() as made:
        yield made


@pytest.fixture
def place(engine: str, tmp_path: Path, request: pytest.FixtureRequest) -> Path | LedgerServer:
    """Where there is no ledger yet."""
    if engine == "sqlite":
        return tmp_path / "ledger.db"
    server: postgres.Server = request.getfixturevalue("server")
    return LedgerServer(server.database(), SITE)


@pytest.fixture
def office(tmp_path: Path, place: Path | LedgerServer) -> Iterator[Office]:
    """An office with its ledger there."""
    made = Office(tmp_path, place)
    yield made
    made.ledger.close()
