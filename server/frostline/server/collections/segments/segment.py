"""A segment: rows in files that never change, mapped into memory."""

import mmap
import sys
from collections.abc import Sequence
from pathlib import Path
from tokenize import TokenError

import numpy as np
from numpy.typing import NDArray
from pyroaring import BitMap

from frostline.server.collections.config import CollectionConfig, VectorField
from frostline.server.collections.fields import IndexedField
from frostline.server.collections.filters import bounds
from frostline.server.collections.filters.expression import Expression
from frostline.server.collections.filters.expression import Path as FieldPath
from frostline.server.collections.filters.field_index import FrozenFieldIndex
from frostline.server.collections.segments import segment_files
from frostline.server.collections.segments.parts import COUNTABLE
from frostline.server.collections.segments.row_vectors import RowMap
from frostline.server.collections.vectors.device import CPU, Device
from frostline.server.collections.vectors.plan import Found
from frostline.server.collections.vectors.segment import SegmentVectors
from frostline.server.collections.vectors.selection import Selection
from frostline.server.errors import DataDamaged

INTERNAL_IDS, ID_OFFSETS, ID_BYTES, FIELDS = "internal_ids.npy", "record_ids.npy", "record_ids.bin", "fields"


class Segment:
    """An opened segment; satisfies `parts.RowSource`.

    Args:
        folder: as `building` wrote it.
        config: of the collection.
        device: where searches of all rows run.

    Attributes:
        folder: where it lies.
        manifest: what it is.
        verified: whether all files have been compared with their hashes; set by who compares.
        changed: how many rows had died in it and come behind it when it was last measured; 0 at build.

    Raises:
        DataDamaged: a file is missing, of another size, or cannot be read.
    """

    in_memory = False

    def __init__(self, folder: Path, config: CollectionConfig, device: Device = CPU) -> None:
        self.folder = folder
        self.manifest = segment_files.read(folder)
        self.verified = False
        rows = self.manifest.rows
        try:
            self._internal_ids = _integers(folder / INTERNAL_IDS)
            self._offsets = _integers(folder / ID_OFFSETS)
            self._bytes = _mapped(folder / ID_BYTES)
            self._maps = [_row_map(folder, slot, count) for slot, count in enumerate(self.manifest.vector_counts)]
        except (OSError, ValueError, SyntaxError, TokenError) as error:  # the last two: in the head of an array
            raise DataDamaged(f"segment {folder} cannot be read: {error}") from error
        if self._internal_ids.shape != (rows,) or self._offsets.shape != (rows + 1,):
            raise DataDamaged(f"segment {folder} does not hold {rows} rows")
        self._fields = FrozenFieldIndex.open(folder / FIELDS)
        self._vectors = [
            SegmentVectors.open(folder, slot, each.metric, each.space.dimensions, count, device)
            for slot, (each, count) in enumerate(zip(config.vectors, self.manifest.vector_counts, strict=True))
        ]
        self._take(segment_files.read_measured(folder))

    @property
    def first(self) -> int:
        """The first internal id it is responsible for."""
        return self.manifest.first

    @property
    def last(self) -> int:
        """The last internal id it is responsible for."""
        return self.manifest.last

    @property
    def fields(self) -> tuple[IndexedField, ...]:
        """The payload fields that are indexed."""
        return self.manifest.fields

    @property
    def internal_ids(self) -> NDArray[np.int64]:
        """Int64 of shape (rows,), ascending."""
        return self._internal_ids

    @property
    def size_bytes(self) -> int:
        """Size of all files."""
        return sum(info.size for info in self.manifest.files.values())

    @property
    def vectors_bytes(self) -> int:
        """Size of the float vectors."""
        return sum(info.size for name, info in self.manifest.files.items() if name.endswith(".f32"))

    def slot(self, slot: int) -> SegmentVectors:
        """The vectors of one name."""
        return self._vectors[slot]

    def positions(self, slot: int, selection: Selection) -> Selection:
        """Where the vectors of some rows are among those of a slot."""
        return self._maps[slot].selected(selection)

    @property
    def recall(self) -> float:
        """The recall of the 10 nearest without a filter that was last measured, the lowest of all vectors."""
        return min(each.recall for each in self._vectors)

    @property
    def suffices(self) -> bool:
        """Whether the recall that was last measured is what was asked for."""
        return all(each.tuning.suffices for each in self._vectors)

    @property
    def is_indexed(self) -> bool:
        """Whether an index answers for one of the vectors."""
        return any(each.is_indexed for each in self._vectors)

    def publish(self, measured: segment_files.Measured) -> None:
        """Says from now on what was measured again, also after a restart."""
        self._take(measured)
        segment_files.write_measured(self.folder, measured)

    def outdated(self, config: CollectionConfig) -> bool:
        """Whether it was built for another configuration."""
        mine = self.manifest
        return (mine.fields, mine.index, mine.min_recall) != (config.fields, config.index, config.min_recall)

    def record_ids(self, rows: NDArray[np.int64]) -> list[str]:
        """The ids of the records behind rows."""
        starts, ends = self._offsets[rows].tolist(), self._offsets[rows + 1].tolist()
        return [self._bytes[start:end].decode() for start, end in zip(starts, ends, strict=True)]

    def may_match(self, expression: Expression, total: int) -> bounds.Selection:
        """The rows that a filter may let through; see `parts.RowSource`."""
        return self._fields.select(expression, total)

    def facets(self, path: str, rows: BitMap) -> list[tuple[str | int | bool, int]] | None:
        """How often rows have each value of a field; see `parts.RowSource`."""
        countable = any(field.path == path and field.kind in COUNTABLE for field in self.fields)
        return self._fields.facets(path, rows, sys.maxsize) if countable else None

    def rows_with_only(self, path: FieldPath, values: Sequence[str | int | bool], total: int) -> BitMap | None:
        """The rows in which a field has one of the values and no other; see `parts.RowSource`."""
        countable = any(field.parts == path and field.kind in COUNTABLE for field in self.fields)
        return self._fields.rows_with_only(path, values, total) if countable else None

    def nearest(self, slot: int, queries: NDArray[np.float32], k: int, selection: Selection, *, exact: bool) -> Found:
        """Finds the nearest of the selected rows; see `parts.RowSource`."""
        row_map = self._maps[slot]
        return row_map.found(self._vectors[slot].search(queries, k, row_map.selected(selection), exact_only=exact))

    def vectors(self, slot: int, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """The vectors of rows; see `parts.RowSource`."""
        return self._maps[slot].taken(self._vectors[slot].vectors, rows)

    def memory_bytes(self) -> int:
        """Bytes of memory taken beside mapped files."""
        return sum(each.memory_bytes() for each in self._vectors)

    def _take(self, measured: segment_files.Measured) -> None:
        for slot, recall in measured.recalls.items():
            before = self._vectors[slot]
            self._vectors[slot] = before.tuned(recall.published(before.tuning))
        self.changed = measured.changed


def fingerprint(field: VectorField) -> str:
    """What tells a vector name's space, metric and length."""
    space = field.space
    return f"{space.fingerprint}/{space.layer}/{space.pooling}/{space.dimensions}/{space.normalize}/{field.metric}"


def _mapped(path: Path) -> bytes | mmap.mmap:
    if not path.stat().st_size:
        return b""
    with path.open("rb") as file:
        return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)


def _row_map(folder: Path, slot: int, count: int) -> RowMap:
    path = folder / f"{slot}.rows.npy"
    return RowMap(_integers(path) if path.exists() else None, count)


def _integers(path: Path) -> NDArray[np.int64]:
    """A file of integers, mapped; as a plain array, because slices of a `memmap` cost ten times as much."""
    array = np.load(path, mmap_mode="r", allow_pickle=False)
    if array.dtype != np.int64:  # one bit makes times of them
        raise ValueError(f"{path} holds {array.dtype}, not int64")
    return np.asarray(array)
