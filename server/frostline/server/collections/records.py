"""Durable rows: records and their vectors in SQLite.

Each row carries checksums over what it holds and the key it belongs to. There are three to a record, because payload,
content and vector are read apart; each is checked whenever its part is read.
"""

import json
import sqlite3
import struct
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from frostline.server.errors import DataDamaged, InvalidInput

VECTOR_NAME = "default"
"""The name of a collection's one vector."""
LOADED_ROWS = 2048
"""How many vectors are read at once at load."""

_JOINED = f"FROM records r LEFT JOIN vectors v ON v.internal_id = r.internal_id AND v.vector_name = '{VECTOR_NAME}'"


@dataclass(frozen=True, slots=True, eq=False)
class Record:
    """One entry of a collection.

    Attributes:
        id: 1 to 512 bytes of UTF-8.
        vector: float32 of shape (d,); None where it was not asked for.
        payload: a JSON object in UTF-8; empty stands for `{}`.
        text: the text it was made from, if kept and asked for.
        image: the image file it was made from, likewise; at most one of both.
        sequence: the commit that wrote it; 0 before it is written.
    """

    id: str
    vector: NDArray[np.float32] | None
    payload: bytes = b"{}"
    text: str | None = None
    image: bytes | None = None
    sequence: int = 0

    def size_bytes(self) -> int:
        """Bytes of id, payload, vector and content."""
        vector = 0 if self.vector is None else self.vector.nbytes
        texts = len(self.id.encode()) + len((self.text or "").encode())
        return texts + len(self.payload) + vector + len(self.image or b"")


class Rows:
    """The rows of one collection, seen through one connection.

    Args:
        connection: in a transaction where several calls must see the same.
        dimensions: length of a vector.
    """

    def __init__(self, connection: sqlite3.Connection, dimensions: int) -> None:
        self._connection = connection
        self._dimensions = dimensions

    def sequence(self) -> int:
        """The number of the last commit."""
        return int(self._connection.execute("SELECT sequence FROM meta").fetchone()[0])

    def last_internal_id(self) -> int:
        """The highest internal id ever given."""
        row = self._connection.execute("SELECT seq FROM sqlite_sequence WHERE name = 'records'").fetchone()
        return int(row[0]) if row else 0

    def insert(self, first_internal_id: int, records: Sequence[Record], sequence: int) -> None:
        """Adds records under ascending internal ids; none of their ids may exist."""
        numbered = list(enumerate(records, first_internal_id))
        self._connection.executemany(
            "INSERT INTO records (internal_id, id, sequence, crc, content_crc, payload, text, image) "
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (_record_row(internal_id, record, sequence) for internal_id, record in numbered),
        )
        self._connection.executemany(
            "INSERT INTO vectors (internal_id, vector_name, crc, vector) VALUES (?, ?, ?, ?)",
            (_vector_row(internal_id, record) for internal_id, record in numbered),
        )

    def remove(self, ids: Iterable[str]) -> list[int]:
        """Deletes records by id.

        Returns:
            Internal ids of those that existed.
        """
        removed: list[int] = []
        for record_id in ids:
            query = "DELETE FROM records WHERE id = ? RETURNING internal_id"
            removed += [row[0] for row in self._connection.execute(query, (record_id,)).fetchall()]
        self._connection.executemany("DELETE FROM vectors WHERE internal_id = ?", ((each,) for each in removed))
        return removed

    def get(self, record_id: str, *, payloads: bool, vectors: bool, content: bool) -> Record | DataDamaged | None:
        """Reads a record by id; None where there is none, an error where its row is damaged."""
        query = f"{_select(payloads, vectors, content)} WHERE r.id = ?"
        row = self._connection.execute(query, (record_id,)).fetchone()
        return self._record(row, payloads, vectors) if row else None

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
        query = f"{_select(True, vectors, content)} WHERE r.internal_id > ? ORDER BY r.internal_id LIMIT ?"
        for row in self._connection.execute(query, (internal_id, limit)):
            yield row[0], self._record(row, True, vectors)

    def found(self, counts: Mapping[int, int], *, payloads: bool, max_bytes: int) -> dict[int, Record | DataDamaged]:
        """Reads what was found, without vector and content.

        Args:
            counts: how often each internal id was found.
            payloads: whether to read payloads.
            max_bytes: the most bytes of ids and payloads, each as often as it was found.

        Returns:
            By internal id the record, or an error where its row is damaged.

        Raises:
            InvalidInput: there are more bytes.
        """
        query = f"{_select(payloads, False, False)} WHERE r.internal_id IN (SELECT value FROM json_each(?))"
        found: dict[int, Record | DataDamaged] = {}
        size = 0
        for row in self._connection.execute(query, (json.dumps(list(counts)),)):
            found[row[0]] = record = self._record(row, payloads, False)
            if isinstance(record, Record):
                size += counts[row[0]] * record.size_bytes()
            if size > max_bytes:
                raise InvalidInput(
                    f"the ids and payloads that were found have more than {max_bytes} bytes; send fewer queries, "
                    "ask for fewer hits, or leave payloads out"
                )
        return found

    def vectors(self) -> Iterator[list[tuple[int, NDArray[np.float32] | DataDamaged]]]:
        """Reads all vectors by ascending internal id, so many at a time that memory stays small.

        Yields:
            Internal ids with their vector, or an error where the row is damaged.
        """
        cursor = self._connection.execute(f"SELECT r.internal_id, r.id, v.crc, v.vector {_JOINED} ORDER BY 1")
        while rows := cursor.fetchmany(LOADED_ROWS):
            yield [(row[0], self._vector(*row)) for row in rows]

    def _record(self, row: Sequence[Any], payloads: bool, vectors: bool) -> Record | DataDamaged:
        internal_id, label, sequence, crc, payload, content_crc, text, image = row[:8]
        try:
            if payloads and crc != _record_crc(internal_id, label, sequence, payload):
                return _damaged("its payload", internal_id, label)
            if content_crc is not None and content_crc != _content_crc(internal_id, text, image):
                return _damaged("its content", internal_id, label)
            vector = self._vector(internal_id, label, *row[8:]) if vectors else None
            if isinstance(vector, DataDamaged):
                return vector
            text = None if text is None else text.decode()
            return Record(label.decode(), vector, payload or b"", text, image, sequence)
        except (TypeError, ValueError, AttributeError, struct.error):
            # Bits that flip in the head of a row change the types of its columns.
            return _damaged("its row", internal_id, label)

    def _vector(self, internal_id: int, label: bytes, crc: int, blob: bytes) -> NDArray[np.float32] | DataDamaged:
        try:
            if len(blob) == 4 * self._dimensions and crc == _vector_crc(internal_id, label, blob):
                return np.frombuffer(blob, "<f4").astype(np.float32, copy=False)
        except (TypeError, struct.error):
            pass
        return _damaged("its vector", internal_id, label)


def _select(payloads: bool, vectors: bool, content: bool) -> str:
    payload = "r.crc, r.payload" if payloads else "NULL, NULL"
    contents = "r.content_crc, r.text, r.image" if content else "NULL, NULL, NULL"
    vector, source = ("v.crc, v.vector", _JOINED) if vectors else ("NULL, NULL", "FROM records r")
    return f"SELECT r.internal_id, r.id, r.sequence, {payload}, {contents}, {vector} {source}"


def _record_row(internal_id: int, record: Record, sequence: int) -> tuple[object, ...]:
    payload = record.payload or b"{}"
    crc = _record_crc(internal_id, record.id.encode(), sequence, payload)
    text = None if record.text is None else record.text.encode()
    content_crc = _content_crc(internal_id, text, record.image)
    return internal_id, record.id, sequence, crc, content_crc, payload.decode(), record.text, record.image


def _vector_row(internal_id: int, record: Record) -> tuple[object, ...]:
    blob = np.asarray(record.vector, "<f4").tobytes()
    return internal_id, VECTOR_NAME, _vector_crc(internal_id, record.id.encode(), blob), blob


def _record_crc(internal_id: int, label: bytes, sequence: int, payload: bytes) -> int:
    return _crc(struct.pack("<qqI", internal_id, sequence, len(label)), label, payload)


def _content_crc(internal_id: int, text: bytes | None, image: bytes | None) -> int:
    return _crc(struct.pack("<q??", internal_id, text is not None, image is not None), text or b"", image or b"")


def _vector_crc(internal_id: int, label: bytes, blob: bytes) -> int:
    return _crc(struct.pack("<qI", internal_id, len(label)), label, VECTOR_NAME.encode(), blob)


def _crc(*parts: bytes) -> int:
    crc = 0
    for part in parts:
        crc = zlib.crc32(part, crc)
    return crc


def _damaged(what: str, internal_id: int, label: object) -> DataDamaged:
    name = label.decode(errors="replace") if isinstance(label, bytes) else "?"
    return DataDamaged(
        f"record {name!r} (internal id {internal_id}) is damaged: {what} is not what was written; "
        "write it again or delete it, the others are served"
    )
