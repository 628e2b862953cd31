"""Records column by column, for whoever learns from all of them: read behind an internal id, or told by commits."""

import itertools
import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from frostline.server.collections.config import CollectionConfig
from frostline.server.collections.rows.commit import Added, SlotVectors
from frostline.server.collections.rows.records import Rows

CHUNK_ROWS = 4096
_BEYOND_ALL = (1 << 63) - 1


@dataclass(frozen=True, slots=True, eq=False)
class Columns:
    """Records, column by column.

    Attributes:
        internal_ids: int64 of shape (n,), ascending.
        record_ids: of the n records.
        payloads: JSON objects in UTF-8; empty stands for `{}`.
        vectors: for each slot float32 of shape (n, d), as they were sent; nan where a record lacks one.
    """

    internal_ids: NDArray[np.int64]
    record_ids: Sequence[str]
    payloads: Sequence[bytes]
    vectors: tuple[NDArray[np.float32], ...]

    @classmethod
    def of(cls, added: Added, config: CollectionConfig) -> "Columns":
        """Rows that a commit added; `config` is the collection's."""
        count = len(added)
        matrices = (
            _matrix(added.vectors.get(slot, ()), count, field.space.dimensions)
            for slot, field in enumerate(config.vectors)
        )
        internal_ids = np.array(added.internal_ids, np.int64)
        return cls(internal_ids, added.record_ids, added.payloads, tuple(matrices))

    def __len__(self) -> int:
        return len(self.record_ids)


def read(
    connection: sqlite3.Connection, config: CollectionConfig, behind: int = 0, chunk_rows: int = CHUNK_ROWS
) -> Iterator[Columns]:
    """Reads the records behind an internal id, in the order they were last written.

    Damaged ones are logged and left out. Without a transaction around it each chunk is a short read of its own, so that
    SQLite's log can be begun anew in between. Records written meanwhile come too, under their new internal ids, since
    these ascend; of those deleted meanwhile some may have come.

    Args:
        connection: to the collection's file, which may be open for reading only.
        config: of the collection.
        behind: an internal id; 0 for all.
        chunk_rows: the most records of a chunk.

    Yields:
        Records, never none.
    """
    for chunk in Rows(connection, config).rows_between(behind + 1, _BEYOND_ALL, chunk_rows):
        yield Columns.of(Added.of_rows(chunk), config)


def internal_ids(connection: sqlite3.Connection) -> NDArray[np.int64]:
    """Internal ids of all records there are, damaged ones too: int64 of shape (n,), ascending."""
    # Without ORDER BY SQLite reads the index over ids, which is a fraction of the rows.
    found = connection.execute("SELECT internal_id FROM records")
    return np.sort(np.fromiter(itertools.chain.from_iterable(found), np.int64))


def _matrix(vectors: SlotVectors, count: int, dimensions: int) -> NDArray[np.float32]:
    if isinstance(vectors, np.ndarray):
        return vectors
    present = [place for place, vector in enumerate(vectors) if vector is not None]
    matrix = np.full((count, dimensions), np.nan, np.float32)
    if present:
        matrix[present] = [vector for vector in vectors if vector is not None]
    return matrix
