"""The constants that staging renders from boards.toml: the one module of the firmware that the
repository does not hold.
"""

from typing import Any

NAME: str
PLATFORM: str
HASH: bytes
INSTRUMENTS: tuple[dict[str, Any], ...]
DRAWER: dict[str, Any]
PAD: dict[str, Any]
BEEPER: int
NETWORK: dict[str, Any]
JOURNAL: dict[str, int]
BUDGET: dict[str, int]
