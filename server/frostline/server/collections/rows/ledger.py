"""The writing side of a collection: operations become rows, and what is derived from rows follows at the same commit.

What follows is ready before COMMIT, so nothing can fail after it.
"""

import logging
import os
import sqlite3
from collections.abc import Sequence
from pathlib import Path

from frostline.server.collections import validation
from frostline.server.collections.config import CollectionConfig, Durability
from frostline.server.collections.rows.commit import Commit, Follower
from frostline.server.collections.rows.database import WRITER_PRAGMAS, connect, explained
from frostline.server.collections.rows.edits import Edit, Effect
from frostline.server.collections.rows.meta import read_meta
from frostline.server.collections.rows.operations import (
    Configure,
    Delete,
    DeleteInteractions,
    DeleteRows,
    DeleteUser,
    Forget,
    Operation,
    Patch,
    RecordInteractions,
    Request,
    Upsert,
    UpsertVectors,
    Written,
)
from frostline.server.collections.rows.requests import Requests
from frostline.server.collections.rows.reserve import FILE_NAME as RESERVE_NAME
from frostline.server.collections.rows.reserve import Reserve
from frostline.server.collections.rows.row_changes import RowChanges
from frostline.server.collections.rows.scrubbing import Scrubber
from frostline.server.errors import StorageFull

WAL_BYTES = 64 << 20
"""SQLite begins its log anew when nobody reads in it; above this size the writer waits for that moment."""
VACUUM_PAGES = 512
"""Pages given back to the disk at once: 4 MB, a few milliseconds."""
FREE_PAGES = 1024
"""So many free pages are kept for records to come, and up to a quarter of the file."""

_log = logging.getLogger(__name__)


class Ledger:
    """Writes a collection. Satisfies `writer.Store`.

    Args:
        path: the collection's file.
        follower: is told of every commit; must hold what the file holds now.

    Raises:
        DataDamaged: the file cannot be read.
        StorageFull: the disk has no room even for reading.
        Overloaded: no more files may be opened.
    """

    def __init__(self, path: Path, follower: Follower) -> None:
        self._path = path
        self._follower = follower
        self._reserve = Reserve(path.with_name(RESERVE_NAME))
        self._log_path = path.with_name(f"{path.name}-wal")
        self._connection = connect(path)
        try:
            for pragma in WRITER_PRAGMAS:
                self._connection.execute(pragma)
            meta = read_meta(self._connection, path)
            self._config, self._sequence, self._last_internal_id = meta.config, meta.sequence, meta.last_internal_id
            self._sync()
        except Exception as error:
            self._connection.close()
            raise self._explained(error) from error
        self._requests = Requests(self._connection)
        self._commit: Commit | None = None
        self._cramped = False
        self._scrubber = Scrubber(self._connection, path)
        self._reserve.make()

    @property
    def config(self) -> CollectionConfig:
        """The configuration as of the last commit."""
        return self._config

    @property
    def sequence(self) -> int:
        """The number of the last commit."""
        return self._sequence

    def apply(self, operations: Sequence[Operation]) -> list[Written | Exception]:
        """Applies operations in a new transaction; see `writer.Store`."""
        commit = Commit(self._sequence, self._config)
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            outcomes = [self._attempt(operation, commit) for operation in operations]
            if commit.sequence > self._sequence:
                if commit.added:  # not given again even if this fails: the follower may not forget what it saw
                    self._last_internal_id = commit.added[-1].internal_ids[-1]
                meta = commit.sequence, self._last_internal_id
                self._connection.execute("UPDATE meta SET sequence = ?, internal_id = ?", meta)
                self._follower.prepare(commit)
                self._commit = commit
        except Exception as error:
            raise self._failed(error) from error
        return outcomes

    def commit(self) -> None:
        """Makes the transaction durable and visible; see `writer.Store`."""
        try:
            self._connection.execute("COMMIT")
        except sqlite3.Error as error:
            raise self._failed(error) from error
        if commit := self._commit:
            self._commit = None
            self._sequence = commit.sequence
            if commit.added:
                self._cramped = False
            self._follower.publish()
            if commit.config is not self._config:
                self._config = commit.config
                self._sync()

    def tidy(self) -> bool:
        """Keeps SQLite's log short, gives disk back and takes the reserve again; see `writer.Store`."""
        try:
            vacuumed = self._vacuum()
            if self._log_too_long() or (vacuumed and not self._spare()) or not self._reserve.whole:
                self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
            self._reserve.make()
            self._scrubber.scrub()
            return vacuumed and self._spare()
        except (OSError, sqlite3.Error) as error:
            _log.warning("the log of %s could not be shortened, which is tried again: %s", self._path, error)
            return False

    @property
    def waits(self) -> bool:
        """Whether there is something to scrub; see `writer.Store`."""
        return self._scrubber.due

    def make_room(self) -> None:
        """Gives up the reserve, so that something can be deleted; see `writer.Store`."""
        if self._reserve.give_up():
            _log.warning("the disk is full; the reserve of %s is given up for what is to be deleted", self._path)
        try:
            self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        except sqlite3.Error as error:
            _log.warning("the log of %s could not be shortened, which is tried again: %s", self._path, error)

    def close(self) -> None:
        """Closes the file. The last connection to it also empties SQLite's log."""
        self._connection.close()

    def _attempt(self, operation: Operation, commit: Commit) -> Written | Exception:
        """Applies one operation; one that fails is undone and the transaction goes on."""
        self._connection.execute("SAVEPOINT operation")
        outcome: Written | Exception
        try:
            outcome = self._run(operation, commit)
        except Exception as error:
            outcome = self._explained(error)
            if isinstance(outcome, StorageFull) or not self._connection.in_transaction:
                raise  # on a full disk nothing else of the group can be written, or SQLite has given it up
            self._connection.execute("ROLLBACK TO operation")
        self._connection.execute("RELEASE operation")
        return outcome

    def _run(self, operation: Operation, commit: Commit) -> Written:
        match operation:
            case Configure():
                return self._configure(operation, commit)
            case Forget():
                RowChanges(self._connection).forget(operation.internal_ids)
                return Written(len(operation.internal_ids), commit.sequence)
            case _:
                return self._requests.answer(operation) or self._edit(operation, commit)

    def _edit(self, operation: Request, commit: Commit) -> Written:
        sequence = commit.sequence + 1
        last = commit.added[-1].internal_ids[-1] if commit.added else self._last_internal_id
        edit = Edit(self._connection, commit.config, sequence, last)
        effect = _effect(edit, operation)
        written = Written(effect.count, sequence, effect.errors)
        self._requests.remember(operation, written)
        # Only now, when nothing of it can fail any more.
        commit.sequence = sequence
        commit.added += effect.added
        commit.removed += effect.removed
        commit.recorded += effect.recorded
        commit.erased += effect.erased
        commit.forgotten = commit.forgotten or effect.forgotten
        return written

    def _configure(self, operation: Configure, commit: Commit) -> Written:
        config = validation.changed_config(commit.config, operation.changes)
        self._connection.execute("UPDATE meta SET config = ?", (config.model_dump_json(),))
        commit.config = config
        commit.sequence += 1
        return Written(0, commit.sequence)

    def _failed(self, error: Exception) -> Exception:
        """What an error means, once nothing is left of the transaction."""
        try:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
        finally:
            if self._commit:
                self._commit = None
                self._follower.discard()
        explained = self._explained(error)
        self._cramped = self._cramped or isinstance(explained, StorageFull)
        return explained

    def _sync(self) -> None:
        """In WAL mode FULL is one sync for each COMMIT, before it returns; NORMAL is none."""
        full = self._config.durability is Durability.FULL
        self._connection.execute(f"PRAGMA synchronous = {'FULL' if full else 'NORMAL'}")

    def _vacuum(self) -> bool:
        """Gives some pages back to the disk; whether there were any to give."""
        if not self._spare():
            return False
        # Each step gives back a page and has a row without columns, at which `execute` would stop.
        self._connection.executescript(f"PRAGMA incremental_vacuum({VACUUM_PAGES})")
        return True

    def _spare(self) -> bool:
        """Whether the file has more free pages than it should keep: none, as long as the disk is full."""
        (free,) = self._connection.execute("PRAGMA freelist_count").fetchone()
        if self._cramped:
            return bool(free)
        if free <= FREE_PAGES:
            return False
        (pages,) = self._connection.execute("PRAGMA page_count").fetchone()
        return bool(free > pages // 4)

    def _log_too_long(self) -> bool:
        return os.stat(self._log_path).st_size > WAL_BYTES

    def _explained(self, error: Exception) -> Exception:
        return explained(error, self._path) if isinstance(error, sqlite3.Error) else error


def _effect(edit: Edit, operation: Request) -> Effect:
    match operation:
        case Upsert():
            return edit.upsert(operation.writes)
        case UpsertVectors():
            return edit.upsert_vectors(operation)
        case Patch():
            return edit.patch(operation.patches)
        case Delete():
            return edit.delete(operation.ids)
        case DeleteRows():
            return edit.delete_rows(operation.internal_ids)
        case RecordInteractions():
            return edit.record_interactions(operation.interactions)
        case DeleteInteractions():
            return edit.delete_interactions(operation)
        case DeleteUser():
            return edit.delete_interactions(DeleteInteractions(operation.user))
