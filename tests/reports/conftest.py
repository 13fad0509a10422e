"""Fixtures of the folder."""

from tests.reports.bench import report  # noqa: F401
