"""Fixtures of the folder."""

from tests.devices.board import board, office  # noqa: F401
