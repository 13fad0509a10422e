"""What keeps a worker from recording for a device that another worker hears by now: see shares.py,
which decides. Without several workers there is no fence.
"""

from collections.abc import Sequence
from typing import Protocol

from gateway.delivery.outcomes import Accepted, Rejected
from gateway.store.engine import Db


class Fence(Protocol):
    """Looked at inside the transaction of a batch."""

    def __call__(self, db: Db, devices: Sequence[str], /) -> frozenset[str]:
        """Those of the devices whose messages are another worker's business now."""


def fenced(db: Db, batch: Sequence[Accepted | Rejected], fence: Fence | None) -> frozenset[str]:
    """The devices of a batch of which nothing may be recorded."""
    if fence is None:
        return frozenset()
    return fence(db, sorted({item.device for item in batch if not isinstance(item, Rejected)}))


def without(
    batch: Sequence[Accepted | Rejected], devices: frozenset[str]
) -> list[Accepted | Rejected]:
    """The batch without what came from these devices."""
    return [item for item in batch if isinstance(item, Rejected) or item.device not in devices]
