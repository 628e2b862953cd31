"""Which rows a search may return."""

from collections.abc import Hashable

import numpy as np
from numpy.typing import NDArray
from pyroaring import BitMap

_WORD_BITS = 64
_KEPT_POSITIONS = 1 << 16
"""More would take more memory than finding them again takes time."""


class Selection:
    """A set of row positions as packed bits; immutable. What is derived from it is kept with it.

    Keep a selection as long as the set stays the same (the rows alive after a commit, a filter's rows within it): the
    second search under it is faster.

    Args:
        bits: uint8 of shape (ceil(rows / 8),), little-endian within a byte; bit i stands for row i. Not copied.
        rows: how many rows there are; bits behind them must be 0.
        count: how many bits are set, where known.

    Raises:
        ValueError: `bits` is of another length, or the wrong type.
    """

    __slots__ = ("_counts", "_positions", "bits", "count", "rows")

    def __init__(self, bits: NDArray[np.uint8], rows: int, count: int | None = None) -> None:
        if bits.dtype != np.uint8 or bits.shape != (-(-rows // 8),):
            raise ValueError(f"{rows} rows take {-(-rows // 8)} bytes of bits, got {bits.dtype} of {bits.shape}")
        self.bits = np.ascontiguousarray(bits)
        self.rows = rows
        self.count = int(np.bitwise_count(self.bits).sum()) if count is None else count
        self._positions: NDArray[np.int64] | None = None
        self._counts: dict[Hashable, NDArray[np.float32]] = {}

    @classmethod
    def of(cls, positions: NDArray[np.integer], rows: int) -> "Selection":
        """The selection of these positions, each from 0 to rows - 1."""
        chosen = np.zeros(rows, np.bool_)
        chosen[positions] = True
        return cls(np.packbits(chosen, bitorder="little"), rows)

    def without(self, rows: BitMap) -> "Selection":
        """The selection but for some rows."""
        left = ~Selection.of(np.frombuffer(rows.to_array(), np.uint32), self.rows).bits
        return Selection(self.bits & left, self.rows)

    def positions(self) -> NDArray[np.int64]:
        """All positions, ascending: int64 of shape (count,)."""
        if self._positions is not None:
            return self._positions
        positions = _positions(*self._words())
        if len(positions) <= _KEPT_POSITIONS:
            self._positions = positions
        return positions

    def sample(self, limit: int) -> tuple[NDArray[np.int64], int]:
        """Positions from all over, and how many each stands for.

        Args:
            limit: about how many are wanted at most.

        Returns:
            int64 positions, ascending, and the factor from them to `count`; 1 when they are all.
        """
        step = max(1, -(-self.count // limit))
        if step == 1:
            return self.positions(), 1
        words, places = self._words()
        return _positions(words[step // 2 :: step], places[step // 2 :: step]), step

    def contains(self, positions: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Whether each of these positions is selected; negative ones are not."""
        inside: NDArray[np.bool_] = (self.bits[positions >> 3] >> (positions & 7).astype(np.uint8) & 1).astype(np.bool_)
        inside &= positions >= 0
        return inside

    def counts(self, key: Hashable, groups: NDArray[np.int32], size: int, limit: int) -> NDArray[np.float32]:
        """About how many selected rows each group has, counted once per key.

        Args:
            key: names the grouping.
            groups: int32 of shape (rows,), the group of each row.
            size: how many groups there are.
            limit: about how many rows are looked at. When they are not all, each group gets half a row looked at on
                top: that none was seen does not mean that there is none.

        Returns:
            float32 of shape (size,).
        """
        if key not in self._counts:
            positions, factor = self.sample(limit)
            seen = np.bincount(groups[positions], minlength=size)
            self._counts[key] = ((seen + (0.5 if factor > 1 else 0)) * factor).astype(np.float32)
        return self._counts[key]

    def _words(self) -> tuple[NDArray[np.uint64], NDArray[np.int64]]:
        """The words of 64 bits that are not zero, and their places."""
        padded = np.zeros(-(-len(self.bits) // 8) * 8, np.uint8)
        padded[: len(self.bits)] = self.bits
        words = padded.view("<u8")
        places = np.flatnonzero(words)
        return words[places], places


def _positions(words: NDArray[np.uint64], places: NDArray[np.int64]) -> NDArray[np.int64]:
    bits = np.unpackbits(np.ascontiguousarray(words).view(np.uint8), bitorder="little")
    found = np.flatnonzero(bits.view(np.bool_))
    positions: NDArray[np.int64] = places[found // _WORD_BITS] * _WORD_BITS + found % _WORD_BITS
    return positions
