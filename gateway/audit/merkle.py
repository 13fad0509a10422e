"""The Merkle tree hash of RFC 6962, leaf by leaf: what a tree head signs. No money and no ledger
in here.

Only the roots of the whole subtrees on the right edge are kept (at most 64), so a tree of a million
leaves costs a few hundred bytes, and its root can be asked for at any size on the way.
"""

import hashlib

EMPTY_ROOT = hashlib.sha256().digest()  # RFC 6962 section 2.1: the hash of an empty list
_LEAF, _NODE = b"\x00", b"\x01"  # prefixes: no leaf can pass for an inner node


class Tree:
    """An append-only tree. `size` leaves were added; `root()` is their hash."""

    def __init__(self) -> None:
        self.size = 0
        self._edge: list[
            bytes
        ] = []  # roots of whole subtrees, largest first: one for each 1 in the binary form of size

    def append(self, leaf: bytes) -> None:
        """Add one leaf, given by its bytes."""
        sha256 = hashlib.sha256
        node = sha256(_LEAF + leaf).digest()
        edge, size = self._edge, self.size
        while size & 1:  # two whole subtrees of one size become one
            node = sha256(_NODE + edge.pop() + node).digest()
            size >>= 1
        edge.append(node)
        self.size += 1

    def root(self) -> bytes:
        """32 bytes: the Merkle tree hash of the leaves so far."""
        if not self._edge:
            return EMPTY_ROOT
        node = self._edge[-1]
        for left in reversed(self._edge[:-1]):
            node = hashlib.sha256(_NODE + left + node).digest()
        return node

    def copy(self) -> "Tree":
        """Another tree with the same leaves, which grows by itself."""
        other = Tree()
        other.size, other._edge = self.size, self._edge.copy()
        return other
