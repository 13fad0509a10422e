"""Fixtures of the folder."""

from pathlib import Path

import pytest

from tests.delivery.bench import Office


@pytest.fixture
def office(tmp_path: Path) -> Office:
    return Office(tmp_path)
