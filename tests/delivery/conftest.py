"""Fixtures of the folder."""

from pathlib import Path

import pytest

from tests.delivery.bench import Device, Office
from tests.delivery.line import broker  # noqa: F401


@pytest.fixture
def office(tmp_path: Path) -> Office:
    return Office(tmp_path)


@pytest.fixture
def device(office: Office) -> Device:
    """w1 with nine records, of which the office has none."""
    made = office.device()
    made.say(9)
    return made
