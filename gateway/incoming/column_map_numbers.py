"""The number of a row in its receipt, where an export has none. Pure."""

from __future__ import annotations

from array import array


class LineNumbers:
    """How often each receipt has come: 1, 2, 3 ... Eight bytes and two a receipt, where a dict
    would take a hundred; two receipts whose hashes agree would share a count, which does no harm.
    """

    def __init__(self) -> None:
        self._keys = array("q", bytes(8 << 12))
        self._counts = array("H", bytes(2 << 12))
        self._used = 0

    def following(self, receipt: tuple[str, ...]) -> int:
        """The next number of this receipt."""
        mark = hash(receipt) or 1
        place = self._find(self._keys, mark)
        if not self._keys[place]:
            self._keys[place] = mark
            self._used += 1
        self._counts[place] = count = min(self._counts[place] + 1, 65_535)
        if 3 * self._used > 2 * len(self._keys):
            self._grow()
        return count

    def _find(self, keys: array[int], mark: int) -> int:
        mask = len(keys) - 1
        place = mark & mask
        while keys[place] and keys[place] != mark:
            place = (place + 1) & mask
        return place

    def _grow(self) -> None:
        keys, counts = (
            array("q", bytes(16 * len(self._keys))),
            array("H", bytes(4 * len(self._keys))),
        )
        for mark, count in zip(self._keys, self._counts, strict=True):
            if mark:
                place = self._find(keys, mark)
                keys[place], counts[place] = mark, count
        self._keys, self._counts = keys, counts
