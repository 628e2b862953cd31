"""The writing side of a collection: operations become rows, rows become a vector index, both at one commit.

The index of the next commit is ready before COMMIT, so nothing can fail after it; and it is kept beside the index of
the last commit, so that a reader finds the one that belongs to the commit its transaction sees.
"""

import logging
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from frostline.server.collections.config import CollectionConfig
from frostline.server.collections.database import WRITER_PRAGMAS, connect, explained
from frostline.server.collections.operations import Configure, Delete, Operation, Upsert, Written
from frostline.server.collections.records import Record, Rows
from frostline.server.collections.vector_index import VectorIndex
from frostline.server.errors import DataDamaged, InvalidInput

KEPT_REQUESTS = 100_000
"""A repeated request is recognised if no more writes than this came in between."""
WAL_BYTES = 64 << 20
"""SQLite begins its log anew when nobody reads in it; above this size the writer waits for that moment."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class State:
    """A collection as of one commit.

    Attributes:
        sequence: the commit's number.
        config: the configuration.
        index: the vectors.
    """

    sequence: int
    config: CollectionConfig
    index: VectorIndex


@dataclass(slots=True)
class _Changes:
    """What a transaction has done so far, beyond rows."""

    sequence: int
    config: CollectionConfig
    ids: list[int] = field(default_factory=list[int])
    vectors: list[NDArray[np.float32]] = field(default_factory=list[NDArray[np.float32]])
    removed: list[int] = field(default_factory=list[int])


class Ledger:
    """Writes a collection. Satisfies `writer.Store`; `state` and `state_at` may be asked from any thread.

    Args:
        path: the collection's file.

    Raises:
        DataDamaged: the file cannot be read. Single damaged rows are logged and left out.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._connection = connect(path)
        try:
            for pragma in WRITER_PRAGMAS:
                self._connection.execute(pragma)
            self._state = _load(self._connection)
            self._rows = Rows(self._connection, self._state.index.dimensions)
            self._next_internal_id = self._rows.last_internal_id() + 1
        except sqlite3.Error as error:
            self._connection.close()
            raise explained(error, path) from error
        except ValidationError as error:
            self._connection.close()
            first = error.errors()[0]
            field = ".".join(map(str, first["loc"])) or "all of it"
            raise DataDamaged(
                f"{path} holds no configuration ({field}: {first['msg']}); restore the file from a backup"
            ) from error
        self._following = self._state
        self._states = {self._state.sequence: self._state}

    @property
    def state(self) -> State:
        """The collection as of the last commit."""
        return self._state

    def state_at(self, sequence: int) -> State | None:
        """The collection as of a commit; None when two later ones came in between."""
        return self._states.get(sequence)

    def apply(self, operations: Sequence[Operation]) -> list[Written | Exception]:
        """Applies operations in a new transaction; see `writer.Store`."""
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            changes = _Changes(self._state.sequence, self._state.config)
            outcomes = [self._attempt(operation, changes) for operation in operations]
            self._prepare(changes)
        except Exception as error:
            self._roll_back()
            raise self._explained(error) from error
        return outcomes

    def commit(self) -> None:
        """Makes the transaction durable and visible; see `writer.Store`."""
        try:
            self._connection.execute("COMMIT")
        except sqlite3.Error as error:
            self._roll_back()
            raise self._explained(error) from error
        self._state = self._following

    def tidy(self) -> None:
        """Keeps SQLite's log short while searches never pause; see `writer.Store`."""
        try:
            if self._path.with_name(f"{self._path.name}-wal").stat().st_size > WAL_BYTES:
                self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        except (OSError, sqlite3.Error) as error:
            _log.warning("the log of %s could not be shortened, which is tried again: %s", self._path, error)

    def close(self) -> None:
        """Closes the file. The last connection to it also empties SQLite's log."""
        self._connection.close()

    def _attempt(self, operation: Operation, changes: _Changes) -> Written | Exception:
        """Applies one operation; one that fails is undone and the transaction goes on."""
        self._connection.execute("SAVEPOINT operation")
        outcome: Written | Exception
        try:
            outcome = self._answered(operation) or self._run(operation, changes)
        except Exception as error:
            if not self._connection.in_transaction:  # SQLite gave up the whole transaction, as on a full disk
                raise
            self._connection.execute("ROLLBACK TO operation")
            outcome = self._explained(error)
        self._connection.execute("RELEASE operation")
        return outcome

    def _run(self, operation: Operation, changes: _Changes) -> Written:
        sequence = changes.sequence + 1
        match operation:
            case Upsert():
                written = Written(len(operation.records), sequence)
                self._upsert(operation, changes, sequence)
            case Delete():
                removed = self._rows.remove(operation.ids)
                written = Written(len(removed), sequence)
                self._remember(operation, written)
                changes.removed += removed
            case Configure():
                written = Written(0, sequence)
                changes.config = self._configure(operation, changes.config)
        changes.sequence = sequence
        return written

    def _upsert(self, operation: Upsert, changes: _Changes, sequence: int) -> None:
        records = [_without_content(each) for each in operation.records] if self._drops_content else operation.records
        first = self._next_internal_id
        removed = self._rows.remove(record.id for record in records)
        self._rows.insert(first, records, sequence)
        self._remember(operation, Written(len(records), sequence))
        self._next_internal_id += len(records)
        changes.ids += range(first, self._next_internal_id)
        changes.vectors += [record.vector for record in records if record.vector is not None]
        changes.removed += removed

    @property
    def _drops_content(self) -> bool:
        return not self._state.config.keep_content

    def _configure(self, operation: Configure, config: CollectionConfig) -> CollectionConfig:
        asked = {"description": operation.description, "query_prompt": operation.query_prompt}
        config = config.model_copy(update={name: value for name, value in asked.items() if value is not None})
        self._connection.execute("UPDATE meta SET config = ?", (config.model_dump_json(),))
        return config

    def _answered(self, operation: Operation) -> Written | None:
        """The answer to an earlier request with the same id."""
        if isinstance(operation, Configure) or not operation.request_id:
            return None
        query = "SELECT digest, count, sequence FROM requests WHERE request_id = ?"
        row = self._connection.execute(query, (operation.request_id,)).fetchone()
        if row is None:
            return None
        if row[0] != operation.digest():
            raise InvalidInput(
                f"request id {operation.request_id!r} was used for another request; choose a new one for each request"
            )
        return Written(row[1], row[2])

    def _remember(self, operation: Upsert | Delete, written: Written) -> None:
        if not operation.request_id:
            return
        row = (written.sequence, operation.request_id, operation.digest(), written.count)
        self._connection.execute("INSERT INTO requests (sequence, request_id, digest, count) VALUES (?, ?, ?, ?)", row)
        self._connection.execute("DELETE FROM requests WHERE sequence <= ?", (written.sequence - KEPT_REQUESTS,))

    def _prepare(self, changes: _Changes) -> None:
        """Makes the state of the next commit; who reads finds it once the commit is there."""
        dimensions = self._state.index.dimensions
        vectors = np.stack(changes.vectors) if changes.vectors else np.empty((0, dimensions), np.float32)
        index = self._state.index.changed(np.array(changes.ids, np.int64), vectors, np.array(changes.removed, np.int64))
        self._connection.execute("UPDATE meta SET sequence = ?", (changes.sequence,))
        self._following = State(changes.sequence, changes.config, index)
        self._states = {self._state.sequence: self._state, changes.sequence: self._following}

    def _roll_back(self) -> None:
        if self._connection.in_transaction:
            self._connection.execute("ROLLBACK")

    def _explained(self, error: Exception) -> Exception:
        return explained(error, self._path) if isinstance(error, sqlite3.Error) else error


def _without_content(record: Record) -> Record:
    return Record(record.id, record.vector, record.payload)


def _load(connection: sqlite3.Connection) -> State:
    config_json, sequence = connection.execute("SELECT config, sequence FROM meta").fetchone() or ("", 0)
    config = CollectionConfig.model_validate_json(config_json)
    index = VectorIndex(config.space.dimensions, config.metric)
    removed = np.empty(0, np.int64)
    for chunk in Rows(connection, config.space.dimensions).vectors():
        sound = [(internal_id, vector) for internal_id, vector in chunk if not isinstance(vector, DataDamaged)]
        for _, vector in chunk:
            if isinstance(vector, DataDamaged):
                _log.error("collection %r: %s", config.id, vector)
        if sound:
            ids, vectors = zip(*sound, strict=True)
            index = index.changed(np.array(ids, np.int64), np.stack(vectors), removed)
    return State(sequence, config, index)
