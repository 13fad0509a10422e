"""Bugs to plant in the SC-350's driver."""

from typing import Any

from proof.history import Case

CASES: list[Case] = []
PLANTED: list[Any] = [
    (
        "believes memory at the first reading",
        "if self._agreed < (2 if self._drops and rise == self._floor else 3):",
        "if False:",
    ),
    ("states what memory holds, not its rise", "self._state_transfer(events, rise)", "self._state_transfer(events, value)"),
    ("says nothing of a cleared display", "if self._drops > 1 and self._calm > 1:", "if False:"),
    (
        "counts memory again after a restart",
        "self._epoch, self._memory, self._revision = epoch, memory, revision",
        "self._epoch, self._memory, self._revision = epoch, 0, revision",
    ),
    ("takes a memory that fell for a transfer", "or rise < 0 or", "or"),
]
