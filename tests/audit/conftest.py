"""Fixtures of the folder."""

import shutil
from pathlib import Path

import pytest

from tests.audit.bench import Site, build


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("built")
    build(folder)
    return folder


@pytest.fixture
def site(built: Path, tmp_path: Path) -> Site:
    shutil.copytree(built, tmp_path, dirs_exist_ok=True)
    return Site(tmp_path)
