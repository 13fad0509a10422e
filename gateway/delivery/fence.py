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


def ours(
    db: Db, batch: Sequence[Accepted | Rejected], fence: Fence | None
) -> tuple[Sequence[Accepted | Rejected], frozenset[str]]:
    """What of a batch may be recorded, and the devices that were left out."""
    if fence is None:
        return batch, frozenset()
    left_out = fence(db, sorted({item.device for item in batch if not isinstance(item, Rejected)}))
    return (without(batch, left_out) if left_out else batch), left_out


def without(
    batch: Sequence[Accepted | Rejected], devices: frozenset[str]
) -> list[Accepted | Rejected]:
    """The batch without what came from these devices."""
    return [item for item in batch if isinstance(item, Rejected) or item.device not in devices]
