"""Overwrites what is left of users who were deleted.

SQLite fills what a deletion frees with zeros (`secure_delete`), but not the copies of rows that stay in unused bytes of
pages when these are split and joined. So the table of users is made anew, and all pages of the old one are filled with
zeros; then SQLite's log, in which the pages stand as they were, is brought into the file and emptied. Both can wait
until the callers have their answers; that they are due stands in the file, and so outlives the process.
"""

import logging
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path

from frostline.server.collections.rows.database import SECURE_DELETE, USERS_COLUMNS

_SHARE = 20
"""The table is made anew for a twentieth of the time at most: so many users may be deleted one by one."""
_PATIENCE_MS = 20
_DEFAULT_PATIENCE_MS = 5_000  # of Python's connections
_AFTER_FAILURE_SECONDS = 60.0

_log = logging.getLogger(__name__)


class Scrubber:
    """Scrubs one collection's file; belongs to the writer's thread.

    Args:
        connection: the writer's.
        path: of the file, for messages.
        clock: seconds that only grow.
    """

    def __init__(self, connection: sqlite3.Connection, path: Path, clock: Callable[[], float] = time.monotonic) -> None:
        self._connection = connection
        self._path = path
        self._clock = clock
        self._rest_until = self._failed_until = clock()
        self._table_due = False
        self._log_due = True  # whoever wrote before may have been killed before its log was emptied
        self.scrub()

    @property
    def due(self) -> bool:
        """Whether something of deleted users may still be in the file or in its log."""
        return self._log_due or self._table_due

    def scrub(self) -> None:
        """Does what is due, if it is time for it, and no read stands in the way. Failures are logged."""
        try:
            self._table_due = self._users_deleted()
            started = self._clock()
            if started < self._failed_until:
                return
            if self._table_due and started >= self._rest_until:
                self._make_table_anew()
                self._table_due, self._log_due = False, True
                self._rest_until = self._clock() + _SHARE * (self._clock() - started)
            if self._log_due:
                self._log_due = not self._empty_log()
        except sqlite3.Error as error:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            self._failed_until = self._clock() + _AFTER_FAILURE_SECONDS
            _log.warning("deleted users are not overwritten yet in %s, which is tried again: %s", self._path, error)

    def _users_deleted(self) -> bool:
        query = "SELECT interactions_removed > scrubbed FROM meta"
        return bool(self._connection.execute(query).fetchone()[0])

    def _make_table_anew(self) -> None:
        self._connection.execute("PRAGMA secure_delete = ON")
        try:
            for statement in (
                "BEGIN IMMEDIATE",
                f"CREATE TABLE users_anew {USERS_COLUMNS}",
                "INSERT INTO users_anew SELECT number, id FROM users ORDER BY number",
                "DROP TABLE users",
                "ALTER TABLE users_anew RENAME TO users",
                "UPDATE meta SET scrubbed = interactions_removed",
                "COMMIT",
            ):
                self._connection.execute(statement)
        finally:
            self._connection.execute(SECURE_DELETE)

    def _empty_log(self) -> bool:
        """Whether the log is empty; it is not while somebody reads in it."""
        self._connection.execute(f"PRAGMA busy_timeout = {_PATIENCE_MS}")
        try:
            (busy, _, _) = self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        finally:
            self._connection.execute(f"PRAGMA busy_timeout = {_DEFAULT_PATIENCE_MS}")
        return not busy
