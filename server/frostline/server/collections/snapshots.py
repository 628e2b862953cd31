"""Snapshots: the file of a collection as of one commit, one folder each.

    COLLECTION-SEQUENCE-TIME/records.sqlite   the copy
    COLLECTION-SEQUENCE-TIME/snapshot.json    what it is, with its SHA-256

A folder is filled under a name that begins with `.new-` and appears by one rename; what a crash left is removed at
start. Aliases are no part of a snapshot.
"""

import contextlib
import errno
import hashlib
import logging
import os
import re
import sqlite3
import uuid
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

from pydantic import BaseModel, ConfigDict, ValidationError

from frostline.server.collections.names import Names
from frostline.server.collections.rows import database
from frostline.server.collections.rows.meta import read_meta
from frostline.server.durable_files import DELETED, NEW, discard, explained, read_json, sync, write_json
from frostline.server.errors import DataDamaged, FrostlineError, NotFound

DESCRIPTION = "snapshot.json"
COPIED_BYTES = 1 << 20

_ID = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}-\d+-\d{8}T\d{6}Z(-\d+)?")

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A collection as of one commit.

    Attributes:
        id: unique.
        collection: name the collection had; it may be gone.
        folder: the one the collection lies in, which is never another's; empty where an earlier server did not say.
        sequence: number of the commit.
        record_count: records in it.
        size_bytes: of the file.
        create_time: when the snapshot was made, with a time zone.
    """

    id: str
    collection: str
    sequence: int
    record_count: int
    size_bytes: int
    create_time: datetime
    folder: str = ""


class Source(Protocol):
    """What a snapshot is made of."""

    def snapshot(self, path: Path) -> None:
        """Writes a consistent copy as of one commit to a new file."""
        ...


class Snapshots:
    """Keeps snapshots. All methods may be called from several threads at once, by one process at a time.

    Args:
        folder: made where it is missing.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        for path in folder.iterdir():
            if path.name.startswith((NEW, DELETED)):
                discard(path)

    def create(self, names: Names, name: str, source: Source) -> Snapshot:
        """Makes a snapshot, while the collection is read and written; it is on disk when this returns.

        Args:
            names: of all collections.
            name: of the collection, or an alias.
            source: the collection.

        Raises:
            StorageFull: the disk has no room.
            Overloaded: no more files may be opened.
            DataDamaged: the collection's file is damaged.
        """
        fresh = self._folder / f"{NEW}{uuid.uuid4().hex}"
        try:
            with explained(f"a snapshot of collection {name!r}"):
                fresh.mkdir()
                file = fresh / database.FILE_NAME
                source.snapshot(file)
                about = _described(file, names.resolved(name), names.folder(name) or "")
                sync(file)
                write_json(fresh / DESCRIPTION, about.model_dump(mode="json"))
                return about.snapshot(self._published(fresh, about))
        finally:
            discard(fresh)

    def list(self, names: Names, name: str | None = None) -> list[Snapshot]:
        """The snapshots, newest first; those that cannot be read are logged and left out.

        Args:
            names: of all collections: each snapshot is told with the name its collection has now.
            name: or an alias: only those of this collection, and of one that is gone and was called so. None for all.
        """
        wanted = None if name is None else names.resolved(name)
        found: list[Snapshot] = []
        for path in self._folder.iterdir():
            if not _ID.fullmatch(path.name):
                continue
            try:
                snapshot = self._about(path.name).snapshot(path.name)
            except NotFound:
                continue  # deleted meanwhile
            except FrostlineError as error:
                _log.error("%s", error)
                continue
            snapshot = replace(snapshot, collection=names.name(snapshot.folder) or snapshot.collection)
            if wanted in (None, snapshot.collection):
                found.append(snapshot)
        return sorted(found, key=lambda each: (each.create_time, each.id), reverse=True)

    def restore(self, snapshot_id: str, folder: Path) -> None:
        """Copies a snapshot's file into the folder of a new collection; the copy is on disk when this returns.

        Args:
            snapshot_id: of the snapshot.
            folder: where the file goes.

        Raises:
            NotFound: there is no such snapshot.
            DataDamaged: it is not what was written; the copy is then of no use.
            OSError: the copy could not be written.
        """
        about = self._about(snapshot_id)
        digest = hashlib.sha256()
        source = self._folder / snapshot_id / database.FILE_NAME
        try:
            with source.open("rb") as original, (folder / database.FILE_NAME).open("xb") as copy:
                while block := original.read(COPIED_BYTES):
                    digest.update(block)  # of what is copied, not of what another read may give
                    copy.write(block)
                copy.flush()
                os.fsync(copy.fileno())
        except FileNotFoundError as error:
            raise _damaged(snapshot_id, f"{source} is missing") from error
        if digest.hexdigest() != about.sha256:
            raise _damaged(snapshot_id, f"{source} is not what was written")

    def delete(self, snapshot_id: str) -> None:
        """Deletes a snapshot, also one that cannot be read.

        Raises:
            NotFound: there is none.
        """
        doomed = self._folder / f"{DELETED}{uuid.uuid4().hex}"
        try:
            self._path(snapshot_id).rename(doomed)
        except FileNotFoundError as error:
            raise _not_found(snapshot_id) from error
        sync(self._folder)
        discard(doomed)

    def _published(self, fresh: Path, about: "_About") -> str:
        """Lets a finished folder appear; returns its id."""
        sync(fresh)
        first = snapshot_id = f"{about.collection}-{about.sequence}-{about.create_time:%Y%m%dT%H%M%SZ}"
        number = 1
        while True:
            try:
                fresh.rename(self._folder / snapshot_id)
                break
            except OSError as error:
                if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                    raise
            number += 1  # there is one of the same second
            snapshot_id = f"{first}-{number}"
        sync(self._folder)
        return snapshot_id

    def _path(self, snapshot_id: str) -> Path:
        if not _ID.fullmatch(snapshot_id):
            raise _not_found(snapshot_id)
        return self._folder / snapshot_id

    def _about(self, snapshot_id: str) -> "_About":
        path = self._path(snapshot_id)
        try:
            return _About.model_validate(read_json(path / DESCRIPTION))
        except FileNotFoundError as error:
            if not path.exists():
                raise _not_found(snapshot_id) from error
            raise _damaged(snapshot_id, f"{path / DESCRIPTION} is missing") from error
        except (DataDamaged, ValidationError) as error:
            raise _damaged(snapshot_id, f"{path / DESCRIPTION} is not what was written") from error


class _About(BaseModel):
    """What the description holds."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    collection: str
    sequence: int
    record_count: int
    size_bytes: int
    sha256: str
    create_time: datetime
    folder: str = ""

    def snapshot(self, snapshot_id: str) -> Snapshot:
        return Snapshot(
            snapshot_id,
            self.collection,
            self.sequence,
            self.record_count,
            self.size_bytes,
            self.create_time,
            self.folder,
        )


def _described(file: Path, name: str, folder: str) -> _About:
    """Describes a copy by what is in it: its collection has moved on."""
    try:
        # Immutable: reading makes no log beside it.
        uri = f"{file.absolute().as_uri()}?mode=ro&immutable=1"
        with contextlib.closing(sqlite3.connect(uri, uri=True)) as connection:
            sequence = read_meta(connection, file).sequence
            (record_count,) = connection.execute("SELECT count(*) FROM records").fetchone()
    except sqlite3.Error as error:
        raise database.explained(error, file) from error
    with file.open("rb") as opened:
        digest = hashlib.file_digest(opened, "sha256")
    return _About(
        collection=name,
        sequence=sequence,
        record_count=record_count,
        size_bytes=file.stat().st_size,
        sha256=digest.hexdigest(),
        create_time=datetime.now(UTC),
        folder=folder,
    )


def _not_found(snapshot_id: str) -> NotFound:
    return NotFound(f"snapshot {snapshot_id[:120]!r} does not exist; list the snapshots there are")


def _damaged(snapshot_id: str, how: str) -> DataDamaged:
    return DataDamaged(
        f"snapshot {snapshot_id!r} is damaged: {how}; put back its folder from a backup, or delete it and take another "
        "snapshot"
    )
