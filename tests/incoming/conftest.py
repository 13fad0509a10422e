"""Fixtures of the folder: files are imported into a ledger of either engine."""

from pathlib import Path

import pytest

from gateway.incoming.posted_file import import_posted
from gateway.store.ledger import Ledger
from tests.store.conftest import place, pytest_generate_tests, server

__all__ = ["ledger", "place", "post", "pytest_generate_tests", "server"]

NOW_MS = 1_795_200_000_000  # 20 November 2026, 18:40 UTC


@pytest.fixture
def ledger(place):
    with Ledger(place) as ledger:
        yield ledger


@pytest.fixture
def post(ledger, tmp_path):
    """Import a text or bytes; a second later each time."""
    times = iter(range(NOW_MS, NOW_MS + 1_000_000, 1_000))

    def post(content, name="posted.csv", rules=None):
        path = Path(tmp_path, name)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return import_posted(ledger.db, path, next(times), rules)

    return post
