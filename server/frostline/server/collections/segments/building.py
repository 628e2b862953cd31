"""Builds a segment, in a process of its own: `python -m frostline.server.collections.segments.building`.

See `child.py` for how it is asked and answers. Lines before the last say how far it is,
{"step": "...", "progress": 0.3}; the last says {"rows": n}. What it has written when the server ends stays in a folder
whose name begins with a dot; the server renames it when it is whole.
"""

import contextlib
import json
import shutil
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from frostline.server import child
from frostline.server.collections.config import CollectionConfig, VectorField
from frostline.server.collections.filters.field_index import FieldIndex
from frostline.server.collections.rows import database
from frostline.server.collections.rows.records import Row, Rows
from frostline.server.collections.segments import segment_files
from frostline.server.collections.segments.segment import FIELDS, ID_BYTES, ID_OFFSETS, INTERNAL_IDS, fingerprint
from frostline.server.collections.vectors import building
from frostline.server.collections.vectors.exact import normalized
from frostline.server.report import part_of

CHUNK_ROWS = 4096
_READ_SHARE = 0.3  # of the work, roughly


class Order(BaseModel):
    """What to build.

    Attributes:
        database: the collection's file.
        folder: where to write; must not exist.
        config: of the collection.
        first: the first internal id.
        last: the last one.
        threads: how many to use.
        newer: the first internal id of rows that stand for the queries to expect; None where all do.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    database: Path
    folder: Path
    config: CollectionConfig
    first: int
    last: int
    threads: int = 1
    newer: int | None = None


def main() -> None:
    """Builds what is asked for on standard input."""
    child.carry_out(Order, _built)


def _built(order: Order) -> dict[str, int]:
    try:
        return {"rows": build(order)}
    except BaseException:
        shutil.rmtree(order.folder, ignore_errors=True)
        raise


def build(order: Order) -> int:
    """Builds a segment; it is on disk, manifest and all, when this returns.

    Returns:
        How many rows it holds. Without rows there is no folder.
    """
    order.folder.mkdir()
    with contextlib.closing(database.connect(order.database)) as connection:
        written = _Written(order)
        for chunk in _chunks(connection, order):
            written.add(chunk)
        written.close()
        sequence = Rows(connection, order.config).sequence()  # what was read may be as late as this
    if not written.count:
        shutil.rmtree(order.folder)
        return 0
    for slot, field in enumerate(order.config.vectors):
        older = None if order.newer is None else written.count_before(slot, order.newer)
        _index(order, slot, field, written.vector_counts[slot], older)
    _report("writing", 0.97)
    manifest = segment_files.Manifest(
        sequence=sequence,
        first=order.first,
        last=order.last,
        rows=written.count,
        vector_counts=tuple(written.vector_counts),
        fingerprints=tuple(map(fingerprint, order.config.vectors)),
        fields=order.config.fields,
        index=order.config.index,
        min_recall=order.config.min_recall,
        files=segment_files.describe(order.folder),
    )
    segment_files.write(order.folder, manifest)
    return written.count


class _Written:
    """Writes rows to the files of a segment as they come."""

    def __init__(self, order: Order) -> None:
        self._folder = order.folder
        self._config = order.config
        self.count = 0
        self.vector_counts = [0] * len(order.config.vectors)
        self._internal_ids: list[NDArray[np.int64]] = []
        self._lengths: list[int] = [0]
        self._rows_of: list[list[NDArray[np.int64]]] = [[] for _ in order.config.vectors]
        self._fields = FieldIndex(order.config.fields)
        self._open = contextlib.ExitStack()
        self._id_bytes = self._open.enter_context((order.folder / ID_BYTES).open("wb"))
        self._floats = [
            self._open.enter_context((order.folder / f"{slot}.f32").open("wb"))
            for slot in range(len(order.config.vectors))
        ]

    def add(self, rows: list[Row]) -> None:
        """Adds rows by ascending internal id."""
        ids = [row.id.encode() for row in rows]
        self._internal_ids.append(np.array([row.internal_id for row in rows], np.int64))
        self._id_bytes.write(b"".join(ids))
        self._lengths += map(len, ids)
        declared = bool(self._config.fields)
        self._fields.append([json.loads(row.payload or b"{}") if declared else {} for row in rows])
        for slot, field in enumerate(self._config.vectors):
            present = [place for place, row in enumerate(rows) if slot in row.vectors]
            if present:
                vectors = normalized(np.stack([rows[place].vectors[slot] for place in present]), field.metric)
                self._floats[slot].write(vectors.tobytes())
                self._rows_of[slot].append(np.array(present, np.int64) + self.count)
                self.vector_counts[slot] += len(present)
        self.count += len(rows)

    def count_before(self, slot: int, internal_id: int) -> int:
        """How many vectors of a slot belong to rows before one."""
        none = np.empty(0, np.int64)
        rows = np.searchsorted(np.concatenate([none, *self._internal_ids]), internal_id)
        return int(np.searchsorted(np.concatenate([none, *self._rows_of[slot]]), rows))

    def close(self) -> None:
        """Writes what was gathered."""
        self._open.close()
        none = np.empty(0, np.int64)
        _save(self._folder / INTERNAL_IDS, np.concatenate([none, *self._internal_ids]))
        _save(self._folder / ID_OFFSETS, np.cumsum(np.array(self._lengths, np.int64)))
        for slot, parts in enumerate(self._rows_of):
            if self.vector_counts[slot] < self.count:
                _save(self._folder / f"{slot}.rows.npy", np.concatenate([none, *parts]))
        self._fields.freeze(self._folder / FIELDS)


def _save(path: Path, array: NDArray[np.int64]) -> None:
    """Like `np.save`, whose own error does not say that the disk has no room."""
    with path.open("wb") as file:
        np.lib.format.write_array_header_1_0(file, np.lib.format.header_data_from_array_1_0(array))
        file.write(array.data)


def _chunks(connection: sqlite3.Connection, order: Order) -> Iterator[list[Row]]:
    """Rows in reads that are short, so that SQLite's log can be begun anew in between."""
    span = max(1, order.last - order.first + 1)
    for chunk in Rows(connection, order.config).rows_between(order.first, order.last, CHUNK_ROWS):
        if chunk:
            _report("reading rows", _READ_SHARE * (chunk[-1].internal_id - order.first + 1) / span)
            yield chunk


def _index(order: Order, slot: int, field: VectorField, count: int, older: int | None) -> None:
    share = (0.95 - _READ_SHARE) / len(order.config.vectors)
    indexing = part_of(_report, _READ_SHARE + slot * share, _READ_SHARE + (slot + 1) * share)
    dimensions = field.space.dimensions
    path = order.folder / f"{slot}.f32"
    vectors = (
        np.memmap(path, np.float32, "r", shape=(count, dimensions)) if count else np.empty((0, dimensions), np.float32)
    )
    building.build(
        vectors,
        order.folder,
        slot,
        field.metric,
        order.config.index,
        order.config.min_recall,
        order.threads,
        lambda step, done: indexing(f"indexing {field.name}: {step}", done),
        older,
    )


def _report(step: str, progress: float) -> None:
    child.say(step=step, progress=round(progress, 4))


if __name__ == "__main__":
    main()
