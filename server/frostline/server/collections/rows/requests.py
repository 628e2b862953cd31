"""The answers to requests with an id: a repeated request gets the same answer and is not run again."""

import hashlib
import json
import sqlite3
from collections.abc import Iterator, Mapping

import numpy as np

from frostline.server.collections.rows.operations import (
    Delete,
    DeleteInteractions,
    DeleteRows,
    DeleteUser,
    Patch,
    RecordInteractions,
    Request,
    Upsert,
    UpsertVectors,
    Written,
)
from frostline.server.errors import Conflict, DataDamaged, FrostlineError, InvalidInput, NotFound

KEPT_REQUESTS = 100_000
"""A repeated request is recognised if no more writes than this came in between."""

_ITEM_ERRORS: Mapping[str, type[FrostlineError]] = {
    error.reason: error for error in (Conflict, DataDamaged, InvalidInput, NotFound)
}
"""What an item can be refused with."""


class Requests:
    """Remembers answers, in the transaction of whoever calls.

    Args:
        connection: in a transaction.
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def answer(self, request: Request) -> Written | None:
        """The answer to an earlier request with the same id.

        Raises:
            InvalidInput: the id belongs to another request.
        """
        if not request.request_id:
            return None
        query = "SELECT digest, count, sequence, errors FROM requests WHERE request_id = ?"
        row = self._connection.execute(query, (request.request_id,)).fetchone()
        if row is None:
            return None
        if row[0] != digest(request):
            raise InvalidInput(
                f"request id {request.request_id!r} was used for another request; choose a new one for each request"
            )
        errors = {position: _ITEM_ERRORS[reason](message) for position, reason, message in json.loads(row[3] or "[]")}
        return Written(row[1], row[2], errors)

    def remember(self, request: Request, written: Written) -> None:
        """Keeps an answer, and drops the oldest."""
        if not request.request_id:
            return
        errors = [(position, error.reason, str(error)) for position, error in written.errors.items()]
        kept = json.dumps(errors) if errors else None
        row = (written.sequence, request.request_id, digest(request), written.count, kept)
        self._connection.execute("INSERT INTO requests VALUES (?, ?, ?, ?, ?)", row)
        self._connection.execute("DELETE FROM requests WHERE sequence <= ?", (written.sequence - KEPT_REQUESTS,))


def digest(request: Request) -> bytes:
    """Tells requests apart: the digest a request came with, else 16 bytes over all it asks for."""
    if isinstance(request, (Upsert, UpsertVectors, DeleteRows, RecordInteractions)) and request.request_digest:
        return request.request_digest
    hashed = hashlib.blake2b(type(request).__name__.encode(), digest_size=16)
    for part in _parts(request):
        hashed.update(len(part).to_bytes(8, "little"))
        hashed.update(part)
    return hashed.digest()


def _parts(request: Request) -> Iterator[bytes]:
    match request:
        case Upsert():
            yield from _parts_of_writes(request)
        case UpsertVectors():
            yield from (b"%d" % request.slot, *(record_id.encode() for record_id in request.ids))
            yield from (*request.payloads, request.vectors.tobytes())
        case Patch():
            for patch in request.patches:
                yield json.dumps([patch.id, patch.patch, patch.expected_sequence]).encode()
        case Delete():
            yield from (record_id.encode() for record_id in request.ids)
        case DeleteRows():
            yield np.asarray(request.internal_ids, "<i8").tobytes()
        case RecordInteractions():
            yield from (json.dumps(each).encode() for each in request.interactions)
        case DeleteInteractions():
            conditions = request.user, request.records, request.kinds, request.start, request.end
            yield json.dumps(conditions).encode()
        case DeleteUser():
            yield request.user.encode()


def _parts_of_writes(request: Upsert) -> Iterator[bytes]:
    for write in request.writes:
        record = write.record
        yield f"{write.expected_sequence} {write.keeps_vectors} {len(record.vectors)} {record.text is None}".encode()
        yield from (record.id.encode(), record.payload, (record.text or "").encode(), record.image or b"")
        for name, vector in record.vectors.items():
            yield name.encode()
            yield vector.tobytes()
