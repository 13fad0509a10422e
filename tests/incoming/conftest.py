"""Fixtures of the folder: a file is imported into a ledger of either engine."""

from tests.store.conftest import place, pytest_generate_tests, server

__all__ = ["place", "pytest_generate_tests", "server"]
