"""The vectors of one name in memory, of rows of which some may lack it."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from frostline.server.collections.config import Metric
from frostline.server.collections.rows.commit import SlotVectors
from frostline.server.collections.vectors.plan import Found
from frostline.server.collections.vectors.selection import Selection
from frostline.server.collections.vectors.tail import Tail as TailVectors


@dataclass(frozen=True, slots=True, eq=False)
class RowMap:
    """Which rows have a vector; the vectors lie one after the other in the same order.

    Attributes:
        rows: int64, the row of each vector, ascending; None where every row has one.
        count: how many vectors there are.
    """

    rows: NDArray[np.int64] | None
    count: int

    def selected(self, selection: Selection) -> Selection:
        """The positions of the selected rows' vectors."""
        if self.rows is None:
            return selection
        seen = int(np.searchsorted(self.rows, selection.rows))
        return Selection.of(np.flatnonzero(selection.contains(self.rows[:seen])), seen)

    def found(self, found: Found) -> Found:
        """What was found by position, by row."""
        return found if self.rows is None else found._replace(rows=self.rows[found.rows])

    def taken(self, vectors: NDArray[np.float32], rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """The vectors of rows; nan for those that have none."""
        if self.rows is None:
            return vectors[rows]
        places = np.searchsorted(self.rows, rows)
        there = places < self.count
        there[there] = self.rows[places[there]] == rows[there]
        taken = np.full((len(rows), vectors.shape[1]), np.nan, np.float32)
        taken[there] = vectors[places[there]]
        return taken


@dataclass(frozen=True, slots=True, eq=False)
class RowVectors:
    """Vectors that grow with the tail. Shares memory with those after it, which searches under way do not see."""

    map: RowMap
    tail: TailVectors

    @classmethod
    def empty(cls, dimensions: int, metric: Metric) -> "RowVectors":
        """No rows."""
        return cls(RowMap(None, 0), TailVectors.empty(dimensions, metric))

    @property
    def nbytes(self) -> int:
        """Bytes of memory."""
        return self.tail.vectors.nbytes + (0 if self.map.rows is None else self.map.rows.nbytes)

    def added(self, vectors: SlotVectors, before: int) -> "RowVectors":
        """The vectors after rows were added.

        Args:
            vectors: of the new rows.
            before: how many rows there were.
        """
        present = vectors if isinstance(vectors, np.ndarray) else [each for each in vectors if each is not None]
        tail = self.tail.added(np.asarray(present)) if len(present) else self.tail
        if self.map.rows is None and len(present) == len(vectors):
            return RowVectors(RowMap(None, tail.count), tail)
        rows = np.arange(before) if self.map.rows is None else self.map.rows
        new = np.array([before + place for place, vector in enumerate(vectors) if vector is not None], np.int64)
        return RowVectors(RowMap(np.concatenate((rows, new)), tail.count), tail)

    def cut(self, rows: int) -> "RowVectors":
        """The vectors of the first so many rows."""
        kept = rows if self.map.rows is None else int(np.searchsorted(self.map.rows, rows))
        row_map = RowMap(None if self.map.rows is None else self.map.rows[:kept], kept)
        return RowVectors(row_map, TailVectors(self.tail.metric, kept, self.tail.memory))

    def nearest(self, queries: NDArray[np.float32], k: int, selection: Selection) -> Found:
        """Finds the nearest of the selected rows."""
        chosen = self.map.selected(selection)
        seen = TailVectors(self.tail.metric, chosen.rows, self.tail.memory)
        return self.map.found(seen.search(queries, k, chosen))

    def of(self, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """The vectors of rows; nan for those that have none."""
        return self.map.taken(self.tail.vectors, rows)
