"""Writing a collection's rows. What belongs together is written together: record, vectors, words, tombstones."""

import json
import logging
import sqlite3
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from frostline.server.collections.config import MAX_VECTORS
from frostline.server.collections.rows.checksums import content_crc, content_hash, record_crc, slot_bits, vector_crc
from frostline.server.collections.rows.database import placeholders
from frostline.server.collections.rows.records import Record

_ROWS_AT_ONCE = 64
"""Rows of one INSERT: an eighth faster than one by one."""
_FLOAT32 = np.dtype("<f4")
_RECORD_COLUMNS = "internal_id, id, sequence, crc, content_crc, content_hash, payload, text, image"
_PLAIN_COLUMNS = "internal_id, id, sequence, crc, content_crc, payload"
_VECTOR_COLUMNS = "key, crc, vector"
_IDS = "(SELECT value FROM json_each(?))"

_log = logging.getLogger(__name__)

Vectors = Mapping[int, NDArray[np.float32]]
"""By slot, float32 of shape (d,)."""


class NewRow(NamedTuple):
    """A record with its place. No dataclass: those take three times as long to make.

    Attributes:
        internal_id: above all before it.
        record: its vectors by name are not looked at.
        vectors: by slot.
        content_hash: of the content, if any.
    """

    internal_id: int
    record: Record
    vectors: Vectors
    content_hash: bytes | None

    @classmethod
    def of(cls, internal_id: int, record: Record, vectors: Vectors, *, keeps_content: bool) -> "NewRow":
        """A row for a record. Content that is not kept still leaves its hash."""
        if record.text is None and record.image is None:
            return cls(internal_id, record, vectors, None)
        hashed = content_hash(record.text, record.image)
        if not keeps_content:
            record = replace(record, text=None, image=None)
        return cls(internal_id, record, vectors, hashed)


class RowChanges:
    """Changes rows, in the transaction of whoever calls.

    Args:
        connection: in a transaction.
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def heads(self, ids: Sequence[str]) -> dict[str, tuple[int, int]]:
        """Internal id and sequence of records by id; those that do not exist are left out."""
        query = "SELECT id, internal_id, sequence FROM records WHERE id IN ({})"
        found: dict[str, tuple[int, int]] = {}
        for marks, chunk in placeholders(ids):
            for label, internal_id, sequence in self._connection.execute(query.format(marks), chunk):
                found[label.decode()] = internal_id, sequence
        return found

    def living(self, internal_ids: Collection[int]) -> list[int]:
        """Those of the internal ids that rows have, ascending."""
        query = f"SELECT internal_id FROM records WHERE internal_id IN {_IDS} ORDER BY internal_id"
        return [row[0] for row in self._connection.execute(query, (json.dumps(list(internal_ids)),))]

    def insert(self, rows: Sequence[NewRow], sequence: int, moved: Collection[int] = ()) -> None:
        """Adds records; none of their ids may exist.

        Args:
            rows: the records.
            sequence: the commit's number.
            moved: internal ids whose vectors are there already; see `move_vectors`.
        """
        records: list[object] = []
        vectors: list[object] = []
        for row in rows:
            records += _record_row(row, sequence)
            for vector_row in () if row.internal_id in moved else _vector_rows(row):
                vectors += vector_row
        self._insert("records", _RECORD_COLUMNS, records)
        self._insert("vectors", _VECTOR_COLUMNS, vectors)
        texts = [(row.internal_id, row.record.text) for row in rows if row.record.text is not None]
        if texts:
            self._connection.executemany("INSERT INTO keywords (rowid, text) VALUES (?, ?)", texts)

    def insert_vectors(
        self,
        internal_ids: Sequence[int],
        sequence: int,
        slot: int,
        ids: Sequence[str],
        payloads: Sequence[bytes],
        vectors: NDArray[np.float32],
    ) -> None:
        """Adds records without content, each with one vector; see `operations.UpsertVectors`."""
        data, size = np.asarray(vectors, _FLOAT32).tobytes(), 4 * vectors.shape[1]
        slots = slot_bits([slot])
        record_values: list[object] = []
        vector_values: list[object] = []
        for place, (internal_id, record_id, payload) in enumerate(zip(internal_ids, ids, payloads, strict=True)):
            label, payload = record_id.encode(), payload or b"{}"
            crc = record_crc(internal_id, sequence, label, None, payload, slots)
            record_values += internal_id, record_id, sequence, crc, 0, payload.decode()
            key, vector = internal_id * MAX_VECTORS + slot, data[place * size : (place + 1) * size]
            vector_values += key, vector_crc(key, label, vector), vector
        self._insert("records", _PLAIN_COLUMNS, record_values)
        self._insert("vectors", _VECTOR_COLUMNS, vector_values)

    def remove(self, internal_ids: Collection[int]) -> None:
        """Deletes rows and leaves tombstones."""
        if not internal_ids:
            return
        listed = (json.dumps(list(internal_ids)),)
        self._remove_words(self._texts(listed))
        self._connection.execute(f"DELETE FROM records WHERE internal_id IN {_IDS}", listed)
        ranges = ((each * MAX_VECTORS, each * MAX_VECTORS + MAX_VECTORS - 1) for each in internal_ids)
        self._connection.executemany("DELETE FROM vectors WHERE key BETWEEN ? AND ?", ranges)
        self._bury(listed)

    def renew(self, old_internal_id: int, row: NewRow, sequence: int) -> None:
        """Gives a row another internal id, sequence and payload; vectors and content move in SQLite.

        Args:
            old_internal_id: of the row. Its vectors and content must have been checked.
            row: with its content as it is stored, to tell its words and checksums.
            sequence: the commit's number.
        """
        record = row.record
        if record.text is not None:
            self._remove_words([(old_internal_id, record.text.encode())])
        head = _record_row(row, sequence)
        self._connection.execute(
            "UPDATE records SET internal_id = ?, sequence = ?, crc = ?, content_crc = ?, payload = ? "
            "WHERE internal_id = ?",
            (row.internal_id, sequence, head[3], head[4], head[6], old_internal_id),
        )
        self.move_vectors(old_internal_id, row)
        if record.text is not None:
            self._connection.execute("INSERT INTO keywords (rowid, text) VALUES (?, ?)", (row.internal_id, record.text))
        self._bury((json.dumps([old_internal_id]),))

    def move_vectors(self, old_internal_id: int, row: NewRow) -> None:
        """Gives stored vectors, which must have been checked, to the row that takes another's place."""
        self._connection.executemany(
            "UPDATE vectors SET key = ?, crc = ? WHERE key = ?",
            [(key, crc, old_internal_id * MAX_VECTORS + key % MAX_VECTORS) for key, crc, _ in _vector_rows(row)],
        )

    def forget(self, internal_ids: Collection[int]) -> None:
        """Deletes tombstones."""
        self._connection.execute(f"DELETE FROM deleted WHERE internal_id IN {_IDS}", (json.dumps(list(internal_ids)),))

    def _insert(self, table: str, columns: str, values: list[object]) -> None:
        """Inserts rows whose values come one after the other."""
        width = columns.count(",") + 1
        marks = f"({', '.join('?' * width)})"
        many = width * _ROWS_AT_ONCE
        whole = len(values) - len(values) % many
        for rows, start, end in ((_ROWS_AT_ONCE, 0, whole), (1, whole, len(values))):
            self._connection.executemany(
                f"INSERT INTO {table} ({columns}) VALUES {', '.join([marks] * rows)}",
                [values[at : at + width * rows] for at in range(start, end, width * rows)],
            )

    def _texts(self, listed: tuple[str]) -> Iterator[tuple[int, bytes]]:
        """The texts of rows as the words of the index were made of them.

        SQLite's index is damaged when it is told to delete other words than it was given. So a damaged text is passed
        over: its words stay, under an internal id that no row has any more, and whoever searches passes over those.
        """
        query = (
            "SELECT internal_id, content_crc, text, image FROM records "
            f"WHERE text IS NOT NULL AND internal_id IN {_IDS}"
        )
        for internal_id, crc, text, image in self._connection.execute(query, listed).fetchall():
            if isinstance(text, bytes) and isinstance(image, bytes | None):
                if crc == content_crc(internal_id, text, image):
                    yield internal_id, text
                    continue
            _log.warning(
                "the text of internal id %d was damaged; its words stay in the index of no record", internal_id
            )

    def _remove_words(self, texts: Iterator[tuple[int, bytes]] | Sequence[tuple[int, bytes]]) -> None:
        self._connection.executemany(
            "INSERT INTO keywords (keywords, rowid, text) VALUES ('delete', ?, CAST(? AS TEXT))", texts
        )

    def _bury(self, listed: tuple[str]) -> None:
        # Oldest first, so that tombstones are appended or at least close together.
        query = "INSERT OR IGNORE INTO deleted SELECT value FROM json_each(?) ORDER BY value"
        self._connection.execute(query, listed)


def _record_row(row: NewRow, sequence: int) -> tuple[object, ...]:
    internal_id, record = row.internal_id, row.record
    payload = record.payload or b"{}"
    crc = record_crc(internal_id, sequence, record.id.encode(), row.content_hash, payload, slot_bits(row.vectors))
    contents = content_crc(internal_id, None if record.text is None else record.text.encode(), record.image)
    text = (payload.decode(), record.text, record.image)
    return internal_id, record.id, sequence, crc, contents, row.content_hash, *text


def _vector_rows(row: NewRow) -> list[tuple[int, int, bytes]]:
    label = row.record.id.encode()
    first = row.internal_id * MAX_VECTORS
    blobs = [(first + slot, np.asarray(vector, _FLOAT32).tobytes()) for slot, vector in row.vectors.items()]
    return [(key, vector_crc(key, label, blob), blob) for key, blob in blobs]
