"""Reading a collection's rows: records and their vectors. Every part is checked as it is read."""

import contextlib
import json
import logging
import sqlite3
import struct
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from frostline.server.collections.config import MAX_VECTORS, CollectionConfig
from frostline.server.collections.rows.checksums import (
    content_crc,
    damaged,
    record_crc,
    slot_bits,
    slots_of,
    vector_crc,
)
from frostline.server.collections.rows.database import placeholders
from frostline.server.errors import DataDamaged

_log = logging.getLogger(__name__)

_DAMAGE = (TypeError, ValueError, AttributeError, struct.error)
"""Bits that flip in the head of a row change the types of its columns."""


@dataclass(slots=True, eq=False)
class Record:
    """One entry of a collection. Nobody changes one; only, frozen ones take three times as long to make.

    Attributes:
        id: 1 to 512 bytes of UTF-8.
        vectors: by name, float32 of shape (d,), as they were sent; empty where they were not asked for. A record may
            lack some of them.
        payload: a JSON object in UTF-8; empty stands for `{}`.
        text: the text it was made from, if kept and asked for.
        image: the image file it was made from, likewise; at most one of both.
        sequence: the commit that wrote it; 0 before it is written.
        content_hash: what `checksums.content_hash` gave when it was written; empty unless read with its payload.
    """

    id: str
    vectors: Mapping[str, NDArray[np.float32]] = field(default_factory=dict[str, NDArray[np.float32]])
    payload: bytes = b"{}"
    text: str | None = None
    image: bytes | None = None
    sequence: int = 0
    content_hash: bytes = b""

    def size_bytes(self) -> int:
        """Bytes of id, payload, vectors and content."""
        vectors = sum(vector.nbytes for vector in self.vectors.values())
        texts = len(self.id.encode()) + len((self.text or "").encode())
        return texts + len(self.payload) + vectors + len(self.image or b"")


@dataclass(frozen=True, slots=True)
class Stored:
    """What tells a record that is stored from one that is to be written.

    Attributes:
        sequence: the commit that wrote it.
        content_hash: as `checksums.content_hash` makes it; also where the content itself is not kept.
        payload: a JSON object in UTF-8.
    """

    sequence: int
    content_hash: bytes
    payload: bytes


@dataclass(frozen=True, slots=True, eq=False)
class Row:
    """A record as whatever is derived from the rows needs it.

    Attributes:
        internal_id: of the row.
        id: of the record.
        payload: a JSON object in UTF-8.
        vectors: by slot, float32 of shape (d,), as they were sent.
    """

    internal_id: int
    id: str
    payload: bytes
    vectors: Mapping[int, NDArray[np.float32]]


class Rows:
    """The rows of one collection, seen through one connection.

    Args:
        connection: in a transaction where several calls must see the same.
        config: the collection's.
    """

    def __init__(self, connection: sqlite3.Connection, config: CollectionConfig) -> None:
        self._connection = connection
        self._config = config

    def sequence(self) -> int:
        """The number of the last commit."""
        return int(self._connection.execute("SELECT sequence FROM meta").fetchone()[0])

    def last_internal_id(self) -> int:
        """The highest internal id ever given."""
        return int(self._connection.execute("SELECT internal_id FROM meta").fetchone()[0])

    def get(self, record_id: str, *, payloads: bool, vectors: bool, content: bool) -> Record | DataDamaged | None:
        """Reads a record by id; None where there is none, an error where its row is damaged."""
        query = f"{_select(payloads, content)} WHERE id = ?"
        row = self._connection.execute(query, (record_id,)).fetchone()
        return self._record(row, payloads, vectors) if row else None

    def find(self, record_id: str) -> tuple[int, Record | DataDamaged] | None:
        """Reads all of a record by id, and its internal id; None where there is none."""
        row = self._connection.execute(f"{_select(True, True)} WHERE id = ?", (record_id,)).fetchone()
        return (row[0], self._record(row, True, True)) if row else None

    def after(
        self, internal_id: int, limit: int, *, vectors: bool, content: bool
    ) -> Iterator[tuple[int, Record | DataDamaged]]:
        """Reads records in the order they were last written.

        Args:
            internal_id: begins behind this one.
            limit: the most rows to read.
            vectors: whether to read vectors.
            content: whether to read texts and images.

        Yields:
            Internal id and record, or an error where its row is damaged.
        """
        query = f"{_select(True, content)} WHERE internal_id > ? ORDER BY internal_id LIMIT ?"
        for row in self._connection.execute(query, (internal_id, limit)):
            yield row[0], self._record(row, True, vectors)

    def internal_ids(self, record_ids: Sequence[str]) -> NDArray[np.int64]:
        """The internal ids of records, int64 of shape (n,), in any order; those that do not exist are left out."""
        found = [
            row[0]
            for marks, chunk in placeholders(record_ids)
            for row in self._connection.execute(f"SELECT internal_id FROM records WHERE id IN ({marks})", chunk)
        ]
        return np.array(found, np.int64)

    def payloads(self, internal_ids: NDArray[np.int64]) -> dict[int, bytes | DataDamaged]:
        """Reads payloads by internal id, or how a row is damaged."""
        query = f"{_select(True, False)} WHERE internal_id IN (SELECT value FROM json_each(?))"
        found: dict[int, bytes | DataDamaged] = {}
        for row in self._connection.execute(query, (json.dumps(internal_ids.tolist()),)):
            record = self._record(row, True, False)
            found[row[0]] = record.payload if isinstance(record, Record) else record
        return found

    def stored(self, ids: Sequence[str]) -> dict[str, Stored]:
        """What is stored of records, by id.

        Those that do not exist are left out, and so are damaged ones: they are to be written again.
        """
        stored: dict[str, Stored] = {}
        for marks, chunk in placeholders(ids):
            for row in self._connection.execute(f"{_select(True, False)} WHERE id IN ({marks})", chunk):
                record = self._record(row, True, False)
                if isinstance(record, Record):
                    stored[record.id] = Stored(record.sequence, record.content_hash, record.payload)
                else:
                    _log.error("collection %r: %s", self._config.id, record)
        return stored

    def rows_between(self, first: int, last: int, chunk_rows: int) -> Iterator[list[Row]]:
        """Reads the rows of a range of internal ids in their order; damaged ones are logged and left out.

        Args:
            first: the first internal id.
            last: the last one.
            chunk_rows: how many rows are read at once, so that memory stays small.

        Yields:
            Lists of rows, none of them empty.
        """
        query = f"{_select(True, False)} WHERE internal_id BETWEEN ? AND ? ORDER BY internal_id LIMIT ?"
        while first <= last:
            with self._at_once():
                records = self._connection.execute(query, (first, last, chunk_rows)).fetchall()
                if not records:
                    return
                through = records[-1][0]
                vectors = self._vectors(first, through)
            if rows := self._rows(records, vectors):
                yield rows
            first = through + 1

    def tombstones(self) -> NDArray[np.int64]:
        """Internal ids of rows that are gone and not forgotten, int64 of shape (n,), ascending."""
        gone = self._connection.execute("SELECT internal_id FROM deleted ORDER BY internal_id")
        return np.fromiter((row[0] for row in gone), np.int64)

    @contextlib.contextmanager
    def _at_once(self) -> Generator[None]:
        """Reads within see the same, or vectors of a row deleted in between would seem to have vanished."""
        if self._connection.in_transaction:
            yield
            return
        self._connection.execute("BEGIN")
        try:
            yield
        finally:
            self._connection.execute("ROLLBACK")

    def _rows(self, records: Sequence[Sequence[Any]], vectors: Mapping[int, Sequence[Any]]) -> list[Row]:
        rows: list[Row] = []
        for row in records:
            head = self._record(row, True, False)
            try:
                if isinstance(head, DataDamaged):
                    raise head
                sound = self._sound(row[0], row[1], row[3], vectors.get(row[0], ()))
                rows.append(Row(row[0], head.id, head.payload, sound))
            except DataDamaged as error:
                _log.error("collection %r: %s", self._config.id, error)
        return rows

    def _record(self, row: Sequence[Any], payloads: bool, vectors: bool) -> Record | DataDamaged:
        internal_id, label, sequence, crc, content_hash, payload, contents, text, image = row
        try:
            if payloads and crc != record_crc(internal_id, sequence, label, content_hash, payload, slots_of(crc)):
                return damaged("its payload", internal_id, label)
            if contents is not None and contents != content_crc(internal_id, text, image):
                return damaged("its content", internal_id, label)
            named: dict[str, NDArray[np.float32]] = {}
            if vectors:
                sound = self._sound(
                    internal_id, label, crc, self._vectors(internal_id, internal_id).get(internal_id, ())
                )
                named = {self._config.vectors[slot].name: vector for slot, vector in sound.items()}
            text = None if text is None else text.decode()
            return Record(label.decode(), named, payload or b"", text, image, sequence, content_hash or b"")
        except DataDamaged as error:
            return error
        except _DAMAGE:
            return damaged("its row", internal_id, label)

    def vectors_of(self, internal_id: int, label: bytes) -> dict[int, NDArray[np.float32]]:
        """The vectors of a row by slot.

        Args:
            internal_id: of the row.
            label: the record's id in UTF-8.

        Raises:
            DataDamaged: one of them is not what was written, or gone.
        """
        row = self._connection.execute("SELECT crc FROM records WHERE internal_id = ?", (internal_id,)).fetchone()
        return self._sound(internal_id, label, row[0], self._vectors(internal_id, internal_id).get(internal_id, ()))

    def _vectors(self, first: int, last: int) -> dict[int, list[tuple[int, Any, Any]]]:
        """Vectors as they were read, unchecked: by internal id their keys, checksums and bytes."""
        query = "SELECT key, crc, vector FROM vectors WHERE key BETWEEN ? AND ? ORDER BY key"
        found: dict[int, list[tuple[int, Any, Any]]] = {}
        for row in self._connection.execute(query, (first * MAX_VECTORS, last * MAX_VECTORS + MAX_VECTORS - 1)):
            found.setdefault(row[0] // MAX_VECTORS, []).append(row)
        return found

    def _sound(
        self, internal_id: int, label: bytes, head_crc: int, rows: Sequence[tuple[int, Any, Any]]
    ) -> dict[int, NDArray[np.float32]]:
        sound: dict[int, NDArray[np.float32]] = {}
        for key, crc, blob in rows:
            slot = key % MAX_VECTORS
            try:
                size = 4 * self._config.vectors[slot].space.dimensions
                if len(blob) != size or crc != vector_crc(key, label, blob):
                    raise damaged("its vector", internal_id, label)
                sound[slot] = np.frombuffer(blob, "<f4").astype(np.float32, copy=False)
            except (*_DAMAGE, IndexError) as error:
                raise damaged("its vector", internal_id, label) from error
        self._check_whole(internal_id, label, head_crc, sound)
        return sound

    def _check_whole(self, internal_id: int, label: bytes, head_crc: int, slots: Iterable[int]) -> None:
        try:
            if missing := slots_of(head_crc) & ~slot_bits(slots):
                name = self._config.vectors[missing.bit_length() - 1].name
                raise damaged(f"its vector {name!r}, which is gone,", internal_id, label)
        except (*_DAMAGE, IndexError) as error:
            raise damaged("its row", internal_id, label) from error


def _select(payloads: bool, content: bool) -> str:
    head = "crc, content_hash, payload" if payloads else "crc, NULL, NULL"
    contents = "content_crc, text, image" if content else "NULL, NULL, NULL"
    return f"SELECT internal_id, id, sequence, {head}, {contents} FROM records"
