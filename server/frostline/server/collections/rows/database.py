"""The SQLite file of a collection: its schema, its connections, and what its errors mean.

    records    one row a record; internal ids ascend and are never used again
    vectors    one row a record and vector name, under internal id * 16 + slot: float32, little-endian
    deleted    internal ids of rows that are gone, for as long as something derived may still hold them
    keywords   full text of the records' texts, which it does not keep a second time
    interactions   one row for a user, a record and a kind, under sequence * 65,536 + place in its request
    users      ids of those who have interactions, each once
    requests   answers to requests with an id, so that a repeated one is answered and not run again
    meta       one row: the configuration, the number of the last commit, the highest internal id ever given, the last
               commits that removed interactions and of which nothing is left in unused bytes of pages

Each write takes the next sequence. Whatever is derived from this file carries the sequence it was derived at.
"""

import contextlib
import os
import sqlite3
import threading
from collections.abc import Generator, Iterator, Sequence
from pathlib import Path

from frostline.server.errors import DataDamaged, FrostlineError, Overloaded, ShuttingDown, StorageFull

FILE_NAME = "records.sqlite"
SCHEMA_VERSION = 3

USERS_COLUMNS = "(number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE) STRICT"
"""A user's number is the key of the interaction that made it one. Said here, since scrubbing makes the table anew."""

SCHEMA = f"""
CREATE TABLE records (
    internal_id INTEGER PRIMARY KEY,  -- not AUTOINCREMENT, which costs a tenth of ingest; see `meta`
    id TEXT NOT NULL UNIQUE,
    sequence INTEGER NOT NULL,
    crc INTEGER NOT NULL,             -- of internal_id, id, sequence, content_hash, payload; above 32 bits, the slots
    content_crc INTEGER NOT NULL,     -- of internal_id, text, image
    content_hash BLOB,                -- of text or image, even where they are not kept
    payload TEXT NOT NULL,            -- before the content, so that whoever reads it touches few pages
    text TEXT,
    image BLOB
) STRICT;
CREATE TABLE vectors (
    key INTEGER PRIMARY KEY,          -- internal_id * 16 + slot: only ever appended to
    crc INTEGER NOT NULL,             -- of key, the record's id, vector
    vector BLOB NOT NULL
) STRICT;
CREATE TABLE deleted (
    internal_id INTEGER PRIMARY KEY
) STRICT;
CREATE VIRTUAL TABLE keywords USING fts5(
    text, content = 'records', content_rowid = 'internal_id', tokenize = 'porter unicode61'
);
CREATE TABLE users {USERS_COLUMNS};
CREATE TABLE interactions (
    key INTEGER PRIMARY KEY,          -- ascending and never used again, since it begins with the commit's sequence
    user INTEGER NOT NULL,            -- number in `users`
    record TEXT NOT NULL,             -- id, not internal id: a record that is written again keeps them
    kind TEXT NOT NULL,
    weight REAL NOT NULL,
    time REAL NOT NULL,               -- seconds since the epoch
    crc INTEGER NOT NULL,             -- of key, the user's id, record, kind, weight, time
    UNIQUE (record, user, kind)       -- record first, since a record takes its interactions with it
) STRICT;
CREATE INDEX interactions_of_users ON interactions (user, time);
CREATE TABLE requests (
    sequence INTEGER PRIMARY KEY,
    request_id TEXT NOT NULL UNIQUE,
    digest BLOB NOT NULL,
    count INTEGER NOT NULL,
    errors TEXT                       -- JSON: position, reason and message of each item that was refused
) STRICT;
CREATE TABLE meta (
    row INTEGER PRIMARY KEY CHECK (row = 1),
    config TEXT NOT NULL,
    sequence INTEGER NOT NULL,
    internal_id INTEGER NOT NULL,
    interactions_removed INTEGER NOT NULL DEFAULT 0,
    scrubbed INTEGER NOT NULL DEFAULT 0
) STRICT;
PRAGMA user_version = {SCHEMA_VERSION};
"""

SECURE_DELETE = "PRAGMA secure_delete = FAST"
"""Debian's SQLite would write every freed page full of zeros; that is done for interactions only."""
WRITER_PRAGMAS = (
    "PRAGMA cache_size = -16000",  # 16 MB: the inner pages of the index over ids
    "PRAGMA wal_autocheckpoint = 1000",  # 8 MB; with 400 ingest is a quarter slower
    "PRAGMA temp_store = MEMORY",  # savepoints keep what they may undo; a group is small
    SECURE_DELETE,
)
PAGE_SIZE = 8192
"""Five vectors of 384 dimensions a page; two would leave a quarter of SQLite's usual 4096 bytes unused."""
_ASKED_AT_ONCE = 64

_DISK_FULL = {
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_IOERR_WRITE,  # over quota, or past the largest file allowed
    sqlite3.SQLITE_IOERR_SHMSIZE,
    sqlite3.SQLITE_IOERR_SHMOPEN,
}
OPEN_FILES_RETRY_SECONDS = 1.0
IDLE_READERS = 4
"""How many connections are kept for reads to come; each holds files open."""

_DAMAGED = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN}


def create(path: Path, config: str) -> None:
    """Makes the file of an empty collection; it is on disk when this returns.

    Raises:
        StorageFull: the disk has no room.
        Overloaded: no more files may be opened.
    """
    try:
        with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as connection:
            connection.execute(f"PRAGMA page_size = {PAGE_SIZE}")
            connection.execute("PRAGMA auto_vacuum = INCREMENTAL")  # so that deleting gives disk back, step by step
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = FULL")
            connection.executescript(f"BEGIN; {SCHEMA}")
            connection.execute("INSERT INTO meta (row, config, sequence, internal_id) VALUES (1, ?, 0, 0)", (config,))
            connection.execute("COMMIT")
    except sqlite3.Error as error:
        raise explained(error, path.parent) from error  # the file is not missing: it is yet to come


def connect(path: Path) -> sqlite3.Connection:
    """Opens the file for reading and writing.

    Texts come back as bytes: a damaged one must not fail the row beside it.

    Raises:
        DataDamaged: the file is missing, no collection, damaged, or of another Frostline.
        Overloaded: no more files may be opened.
    """
    try:
        connection = sqlite3.connect(
            f"{path.absolute().as_uri()}?mode=rw", uri=True, isolation_level=None, check_same_thread=False
        )
        connection.text_factory = bytes
        (version,) = connection.execute("PRAGMA user_version").fetchone()
    except sqlite3.Error as error:
        raise explained(error, path) from error
    if version != SCHEMA_VERSION:
        connection.close()
        raise DataDamaged(
            f"{path} has schema {version}, this Frostline reads {SCHEMA_VERSION}; run the Frostline that wrote it and "
            "write its records into a new collection, or restore the file from a backup"
        )
    return connection


def explained(error: sqlite3.Error, path: Path) -> Exception:
    """What an error of SQLite means to the caller.

    Args:
        error: as SQLite raised it.
        path: the file, or the folder it is made in.

    Returns:
        StorageFull, DataDamaged, or Overloaded where no more files may be opened; else the error itself.
    """
    code = getattr(error, "sqlite_errorcode", 0)
    if code in _DISK_FULL:
        return StorageFull(f"the disk has no room for {path} ({error}); free some space, then write again")
    if code & 0xFF == sqlite3.SQLITE_CANTOPEN and os.access(path, os.R_OK | os.W_OK):
        return Overloaded(
            f"{path} is there but cannot be opened, most likely because the server has too many files open; raise the "
            "limit (ulimit -n) and start it again, or keep fewer collections",
            OPEN_FILES_RETRY_SECONDS,
        )
    if code & 0xFF in _DAMAGED:
        return DataDamaged(
            f"{path} is damaged, missing or unreadable ({error}); stop the server, restore the file from a backup "
            f"or rescue what it holds with `sqlite3 {path} .recover`, and start again"
        )
    return error


def placeholders(values: Sequence[str]) -> Iterator[tuple[str, list[str]]]:
    """Cuts texts into pieces for `IN (...)`. JSON will not do: SQLite's ends a text at its first zero byte.

    Yields:
        Question marks and as many values; always the same number, so that statements are compiled once.
    """
    marks = ", ".join("?" * _ASKED_AT_ONCE)
    for start in range(0, len(values), _ASKED_AT_ONCE):
        chunk = list(values[start : start + _ASKED_AT_ONCE])
        yield marks, chunk + chunk[-1:] * (_ASKED_AT_ONCE - len(chunk))


class Readers:
    """Connections for reading, one for each thread that reads at the same time.

    Args:
        path: the file.
        closed: what a read is refused with after `close`.
    """

    def __init__(self, path: Path, closed: str) -> None:
        self._path = path
        self._closed_message = closed
        self._changed = threading.Condition()
        self._idle: list[sqlite3.Connection] = []
        self._busy = 0
        self._closed = False

    @contextlib.contextmanager
    def connection(self) -> Generator[sqlite3.Connection]:
        """Lends a connection, outside of any transaction before and after.

        Raises:
            ShuttingDown: closed.
            DataDamaged: the file is damaged.
            Overloaded: no more files may be opened.
        """
        connection = self._borrow()
        try:
            yield connection
        except sqlite3.Error as error:
            raise explained(error, self._path) from error
        finally:
            self._give_back(connection)

    def close(self) -> None:
        """Waits for those who read and refuses who comes later."""
        with self._changed:
            self._closed = True
            self._changed.wait_for(lambda: self._busy == 0)
            while self._idle:
                self._idle.pop().close()

    def _borrow(self) -> sqlite3.Connection:
        with self._changed:
            if self._closed:
                raise ShuttingDown(self._closed_message)
            self._busy += 1
            if self._idle:
                return self._idle.pop()
        try:
            connection = connect(self._path)
            connection.execute("PRAGMA query_only = ON")
        except (FrostlineError, sqlite3.Error):
            self._give_back(None)
            raise
        return connection

    def _give_back(self, connection: sqlite3.Connection | None) -> None:
        with self._changed:
            self._busy -= 1
            if connection is not None:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                if len(self._idle) < IDLE_READERS:
                    self._idle.append(connection)
                else:
                    connection.close()
            self._changed.notify_all()
