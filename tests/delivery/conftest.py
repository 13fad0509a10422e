"""Fixtures of the folder."""

from tests.delivery.line import broker  # noqa: F401
