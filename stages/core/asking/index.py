"""Where in the journal the entries of each name are, in little memory.

A name is 16 hex digits. As a dict of strings a hundred thousand of them take 20 MB, here 4.
"""

from array import array
from collections.abc import Iterator
from typing import NamedTuple

GOLDEN = 0x9E3779B97F4A7C15  # spreads keys that differ by little (Knuth, TAOCP 3, 6.4)
MASK = 2**64 - 1


class Index:
    """A map of 64-bit integers in two flat arrays.

    Open addressing with linear probing; keys 0 .. 2**64 - 1, values 0 .. 2**64 - 2.

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


class Spot(NamedTuple):
    """Where an entry begins, in bytes, and whether a limit cut its reply."""

    place: int
    cut: bool


class Places:
    """The spots of each name (16 hex digits); a later one takes the place of an earlier one."""

    def __init__(self) -> None:
        self._latest = Index()  # name -> twice its place, and one where it was cut
        self._before = Index()  # place -> the same of the entry that it took over

    def __len__(self) -> int:
        """Return how many names there are."""
        return len(self._latest)

    def names(self) -> Iterator[str]:
        """Yield the names, in no order that means anything."""
        return (f"{name:016x}" for name in self._latest)

    def put(self, name: str, spot: Spot) -> None:
        """Put an entry before those of its name."""
        before = self._latest.put(int(name, 16), spot.place << 1 | spot.cut)
        if before is not None:
            self._before.put(spot.place, before)

    def of(self, name: str) -> Iterator[Spot]:
        """Yield the spots of a name, the latest first."""
        found = self._latest.get(int(name, 16))
        while found is not None:
            yield Spot(found >> 1, bool(found & 1))
            found = self._before.get(found >> 1)
