"""Rows in memory: the newest of a collection, and those of a segment that was damaged."""

import json
import sys
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from pyroaring import BitMap

from frostline.server.collections.config import CollectionConfig
from frostline.server.collections.fields import IndexedField
from frostline.server.collections.filters import bounds
from frostline.server.collections.filters.expression import Expression, Path
from frostline.server.collections.filters.field_index import FieldIndex
from frostline.server.collections.rows.commit import Added
from frostline.server.collections.segments.parts import COUNTABLE
from frostline.server.collections.segments.row_vectors import RowVectors
from frostline.server.collections.vectors.plan import Found
from frostline.server.collections.vectors.selection import Selection

BEYOND_ALL = (1 << 63) - 1
_FIRST_ROWS = 1024


class Tail:
    """Rows in memory, searched exactly; satisfies `parts.RowSource`. One thread may append while others read.

    Args:
        config: of the collection.
        first: the first internal id it is responsible for.
        last: the last one.
    """

    in_memory = True
    verified = True

    def __init__(self, config: CollectionConfig, first: int, last: int = BEYOND_ALL) -> None:
        self.first = first
        self._last = last
        self._ids = np.empty(_FIRST_ROWS, np.int64)
        self._count = 0
        self._record_ids: list[str] = []
        self._fields = FieldIndex(config.fields)
        self._vectors: list[RowVectors] = [
            RowVectors.empty(each.space.dimensions, each.metric) for each in config.vectors
        ]
        self.fields: tuple[IndexedField, ...] = config.fields

    @property
    def last(self) -> int:
        """The last internal id it is responsible for."""
        return self._last

    def end(self) -> int:
        """Ends it: it is responsible for no rows behind those it has. Returns the last internal id of these."""
        self._last = int(self._ids[self._count - 1]) if self._count else self.first - 1
        return self._last

    @property
    def recall(self) -> float:
        """Every row is compared."""
        return 1.0

    @property
    def internal_ids(self) -> NDArray[np.int64]:
        """Int64 of shape (rows,), ascending."""
        return self._ids[: self._count]

    def cut(self, total: int) -> None:
        """Forgets the rows from `total` on, which a commit that failed has left: no commit has seen them."""
        self._count = total
        del self._record_ids[total:]
        self._fields.cut(total)
        self._vectors = [vectors.cut(total) for vectors in self._vectors]

    def append(self, added: Added) -> int:
        """Adds rows.

        Args:
            added: above those that are there.

        Returns:
            How many rows there are now.
        """
        end = self._count + len(added)
        if end > len(self._ids):
            grown = np.empty(max(end, 2 * len(self._ids)), np.int64)
            grown[: self._count] = self._ids[: self._count]
            self._ids = grown
        self._ids[self._count : end] = added.internal_ids
        self._record_ids += added.record_ids
        # Without declared fields, what payloads hold does not matter: they need not be read.
        self._fields.append([json.loads(payload or b"{}") if self.fields else {} for payload in added.payloads])
        for slot, vectors in enumerate(self._vectors):
            self._vectors[slot] = vectors.added(added.vectors.get(slot, [None] * len(added)), self._count)
        self._count = end
        return end

    def record_ids(self, rows: NDArray[np.int64]) -> list[str]:
        """The ids of the records behind rows."""
        return [self._record_ids[row] for row in rows.tolist()]

    def may_match(self, expression: Expression, total: int) -> bounds.Selection:
        """The rows that a filter may let through; see `parts.RowSource`."""
        return self._fields.select(expression, total)

    def facets(self, path: str, rows: BitMap) -> list[tuple[str | int | bool, int]] | None:
        """How often rows have each value of a field; see `parts.RowSource`."""
        countable = any(field.path == path and field.kind in COUNTABLE for field in self.fields)
        return self._fields.facets(path, rows, sys.maxsize) if countable else None

    def rows_with_only(self, path: Path, values: Sequence[str | int | bool], total: int) -> BitMap | None:
        """The rows in which a field has one of the values and no other; see `parts.RowSource`."""
        countable = any(field.parts == path and field.kind in COUNTABLE for field in self.fields)
        return self._fields.rows_with_only(path, values, total) if countable else None

    def nearest(self, slot: int, queries: NDArray[np.float32], k: int, selection: Selection, *, exact: bool) -> Found:
        """Finds the nearest of the selected rows; see `parts.RowSource`."""
        return self._vectors[slot].nearest(queries, k, selection)

    def vectors(self, slot: int, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """The vectors of rows; see `parts.RowSource`."""
        return self._vectors[slot].of(rows)

    def memory_bytes(self) -> int:
        """Bytes of memory taken, record ids estimated."""
        return self._ids.nbytes + 80 * self._count + sum(each.nbytes for each in self._vectors)
