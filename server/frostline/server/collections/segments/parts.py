"""Parts of a collection: rows that never change, of which some are dead.

A row is known by its internal id in the whole collection, and by its position, from 0, within its part. What lies in
files or grows in memory stands behind `RowSource`; a `Part` is that as one commit sees it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from pyroaring import BitMap

from frostline.server.collections.fields import FieldKind, IndexedField
from frostline.server.collections.filters import bounds
from frostline.server.collections.filters.expression import Expression, Path
from frostline.server.collections.vectors.plan import Found
from frostline.server.collections.vectors.selection import Selection

COUNTABLE = {FieldKind.KEYWORD, FieldKind.INTEGER, FieldKind.BOOLEAN}
"""Kinds of fields whose values an index counts."""


class RowSource(Protocol):
    """Rows that are only ever added to. May be asked from several threads at once."""

    @property
    def first(self) -> int:
        """The first internal id it is responsible for."""
        ...

    @property
    def last(self) -> int:
        """The last internal id it is responsible for; that of the tail is beyond all."""
        ...

    @property
    def in_memory(self) -> bool:
        """Whether it is no segment."""
        ...

    @property
    def verified(self) -> bool:
        """Whether its files have been compared with their hashes."""
        ...

    @property
    def recall(self) -> float:
        """The recall of the 10 nearest without a filter that was last measured; 1 where all rows are compared."""
        ...

    @property
    def fields(self) -> tuple[IndexedField, ...]:
        """The payload fields that are indexed."""
        ...

    @property
    def internal_ids(self) -> NDArray[np.int64]:
        """Int64 of shape (rows,), ascending; those a commit does not see yet come last."""
        ...

    def record_ids(self, rows: NDArray[np.int64]) -> list[str]:
        """The ids of the records behind rows."""
        ...

    def may_match(self, expression: Expression, total: int) -> bounds.Selection:
        """The rows, of the first `total`, that a filter may let through."""
        ...

    def facets(self, path: str, rows: BitMap) -> list[tuple[str | int | bool, int]] | None:
        """How often rows have each value of a field; None where it is not indexed for that."""
        ...

    def rows_with_only(self, path: Path, values: Sequence[str | int | bool], total: int) -> BitMap | None:
        """The rows, of the first `total`, in which a field has one of the values and no other; None as for `facets`."""
        ...

    def nearest(self, slot: int, queries: NDArray[np.float32], k: int, selection: Selection, *, exact: bool) -> Found:
        """Finds the nearest of the selected rows: min(k, those that have the vector) of each query.

        Args:
            slot: of the vector name.
            queries: float32 of shape (q, d), contiguous; normalised where the metric is cosine.
            k: how many neighbors of each query.
            selection: of the rows that a commit sees.
            exact: whether the search must be exact.
        """
        ...

    def vectors(self, slot: int, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """The vectors of rows, of unit length where the metric is cosine; nan for those that have none."""
        ...

    def memory_bytes(self) -> int:
        """Bytes of memory taken beside mapped files."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """Rows as one commit sees them.

    Attributes:
        source: the rows.
        alive: those that can be found, among those that the commit sees.
    """

    source: RowSource
    alive: Selection

    @classmethod
    def of(cls, source: RowSource, dead: NDArray[np.int64]) -> "Part":
        """All rows of a source but some that are dead."""
        return cls(source, _none()).grown(len(source.internal_ids)).without(dead)

    @property
    def total(self) -> int:
        """Rows that the commit sees."""
        return self.alive.rows

    @property
    def live(self) -> int:
        """Rows that can be found."""
        return self.alive.count

    @property
    def internal_ids(self) -> NDArray[np.int64]:
        """Int64 of shape (total,), ascending."""
        return self.source.internal_ids[: self.total]

    def rows(self, internal_ids: NDArray[np.int64]) -> NDArray[np.int64]:
        """Rows by internal id; those that the part does not hold are left out."""
        mine = self.internal_ids
        if len(mine) and len(internal_ids) and mine[-1] - mine[0] == len(mine) - 1:  # without gaps, so without a search
            near: NDArray[np.int64] = internal_ids - mine[0]
            if near.min() >= 0 and near.max() < len(mine):
                return near
        rows = np.searchsorted(mine, internal_ids)
        held = self._hold(rows, internal_ids)
        return rows if held.all() else rows[held]

    def holds(self, internal_ids: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Whether each row is held: bool of shape (n,)."""
        return self._hold(np.searchsorted(self.internal_ids, internal_ids), internal_ids)

    def _hold(self, rows: NDArray[np.int64], internal_ids: NDArray[np.int64]) -> NDArray[np.bool_]:
        mine = self.internal_ids
        if not len(mine):
            return np.zeros(len(rows), np.bool_)
        held: NDArray[np.bool_] = mine[np.minimum(rows, len(mine) - 1)] == internal_ids
        return held

    def grown(self, total: int) -> "Part":
        """The part after rows were added to its source; this one stays as it is."""
        bits = np.zeros(-(-total // 8), np.uint8)
        bits[: len(self.alive.bits)] = self.alive.bits
        new = np.arange(self.total, total)
        np.bitwise_or.at(bits, new >> 3, _bit(new))
        return replace(self, alive=Selection(bits, total, self.live + len(new)))

    def without(self, rows: NDArray[np.int64]) -> "Part":
        """The part after rows have died; this one stays as it is."""
        dying = np.unique(rows[self.alive.contains(rows)])
        if not len(dying):
            return self
        bits = self.alive.bits.copy()
        np.bitwise_and.at(bits, dying >> 3, ~_bit(dying))
        return replace(self, alive=Selection(bits, self.total, self.live - len(dying)))

    def select(self, rows: BitMap) -> Selection:
        """Those of the rows that live."""
        asked = np.frombuffer(rows.to_array(), np.uint32).astype(np.int64)
        return Selection.of(asked[self.alive.contains(asked)], self.total)


def locate(parts: Sequence[Part], internal_ids: NDArray[np.int64]) -> list[tuple[int, NDArray[np.int64]]]:
    """Says which part is responsible for each row.

    Args:
        parts: oldest first.
        internal_ids: int64 of shape (n,).

    Returns:
        Positions of parts that are responsible for some, each with the positions of those among the n.
    """
    holding = [place for place, part in enumerate(parts) if part.total]
    if len(holding) <= 1:
        return [(place, np.arange(len(internal_ids))) for place in holding]
    ends = np.array([parts[place].source.last for place in holding[:-1]], np.int64)
    owner = np.searchsorted(ends, internal_ids)
    return [(holding[each], np.flatnonzero(owner == each)) for each in np.unique(owner)]


def _bit(rows: NDArray[np.int64]) -> NDArray[np.uint8]:
    return np.uint8(1) << (rows & 7).astype(np.uint8)


def _none() -> Selection:
    return Selection(np.empty(0, np.uint8), 0, 0)
