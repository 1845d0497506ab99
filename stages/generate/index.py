"""A map of 64-bit integers in two flat arrays: the journal's names and places, in little memory.

A name is 16 hex digits. As a dict of strings a hundred thousand of them take 20 MB, here 4.
"""

from array import array
from collections.abc import Iterator

GOLDEN = 0x9E3779B97F4A7C15  # spreads keys that differ by little (Knuth, TAOCP 3, 6.4)
MASK = 2**64 - 1


class Index:
    """Open addressing with linear probing; keys 0 .. 2**64 - 1, values 0 .. 2**64 - 2.

    Nothing is ever taken out.
    """

    def __init__(self) -> None:
        self._bits = 8
        self._count = 0
        self._keys = array("Q", bytes(8 << self._bits))
        self._values = array("Q", bytes(8 << self._bits))  # value + 1; 0: a free slot

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[int]:
        """Yield the keys, in the order of the slots."""
        return (key for key, value in zip(self._keys, self._values, strict=True) if value)

    def _slot(self, key: int) -> int:
        """Return where a key is, or where it would be put."""
        slot = (key * GOLDEN & MASK) >> (64 - self._bits)
        keys, values = self._keys, self._values
        while values[slot] and keys[slot] != key:
            slot = (slot + 1) & ((1 << self._bits) - 1)
        return slot

    def get(self, key: int) -> int | None:
        """Return the value of a key, or None."""
        value = self._values[self._slot(key)]
        return value - 1 if value else None

    def put(self, key: int, value: int) -> int | None:
        """Set the value of a key; return the one it had, or None."""
        slot = self._slot(key)
        before = self._values[slot]
        self._keys[slot] = key
        self._values[slot] = value + 1
        if before:
            return before - 1
        self._count += 1
        if self._count * 3 > 2 << self._bits:
            self._grow()
        return None

    def _grow(self) -> None:
        keys, values = self._keys, self._values
        self._bits += 1
        self._keys = array("Q", bytes(8 << self._bits))
        self._values = array("Q", bytes(8 << self._bits))
        for key, value in zip(keys, values, strict=True):
            if value:
                slot = self._slot(key)
                self._keys[slot], self._values[slot] = key, value
