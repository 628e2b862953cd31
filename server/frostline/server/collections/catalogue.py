"""All collections of a server: one folder each in one folder.

A folder whose name begins with a dot is on its way in (`.new-*`) or out (`.deleted-*`): a rename makes a collection
appear or vanish at once, and what a crash left behind is removed at start.
"""

import errno
import logging
import os
import shutil
import threading
import uuid
from pathlib import Path

from frostline.server.collections import database, validation
from frostline.server.collections.collection import Collection
from frostline.server.collections.config import CollectionConfig
from frostline.server.collections.folder_lock import FolderLock
from frostline.server.errors import AlreadyExists, FrostlineError, NotFound, ShuttingDown, StorageFull

_NEW, _DELETED = ".new-", ".deleted-"

_log = logging.getLogger(__name__)


class Catalogue:
    """Opens all collections of a folder and holds the folder for this process.

    A collection that cannot be opened is logged, and the others are served. All methods may be called from several
    threads at once.

    Args:
        folder: made where it is missing.
        max_payload_bytes: the largest payload of a record.

    Raises:
        InUse: another process holds the folder; names its pid.
    """

    def __init__(self, folder: Path, *, max_payload_bytes: int = validation.MAX_PAYLOAD_BYTES) -> None:
        self._folder = folder
        self._max_payload_bytes = max_payload_bytes
        self._changing = threading.Lock()
        self._closed = False
        self._collections: dict[str, Collection] = {}
        self._unusable: dict[str, FrostlineError] = {}
        folder.mkdir(parents=True, exist_ok=True)
        self._lock = FolderLock(folder)
        for path in sorted(folder.iterdir()):
            if path.name.startswith((_NEW, _DELETED)):
                shutil.rmtree(path)
            elif path.is_dir() and validation.is_name(path.name):
                self._open(path)

    def create(self, config: CollectionConfig) -> Collection:
        """Makes an empty collection; it is on disk when this returns.

        Raises:
            InvalidInput: its name or its dimensions are out of range.
            AlreadyExists: the name is taken.
            StorageFull: the disk has no room.
            ShuttingDown: closed.
        """
        validation.check_config(config)
        with self._changing:
            self._refuse_if_closed()
            if config.id in self._collections or config.id in self._unusable:
                raise AlreadyExists(f"collection {config.id!r} exists; take another name, or delete it first")
            fresh = self._folder / f"{_NEW}{config.id}-{uuid.uuid4().hex}"
            try:
                self._make(fresh, config)
            except OSError as error:
                if error.errno not in (errno.ENOSPC, errno.EDQUOT):
                    raise
                raise StorageFull(f"the disk has no room for collection {config.id!r}; free some space") from error
            finally:
                shutil.rmtree(fresh, ignore_errors=True)
            collection = Collection(self._folder / config.id, max_payload_bytes=self._max_payload_bytes)
            self._collections[config.id] = collection
            return collection

    def get(self, name: str) -> Collection:
        """Finds a collection by name.

        Raises:
            NotFound: there is none.
            DataDamaged: its file could not be read at start; says how to restore it.
        """
        if collection := self._collections.get(name):
            return collection
        if error := self._unusable.get(name):
            raise type(error)(*error.args) from error
        raise NotFound(f"collection {name[:80]!r} does not exist; create it, or list the collections there are")

    def list(self) -> list[Collection]:
        """The collections that could be opened, by name."""
        return [collection for _, collection in sorted(self._collections.copy().items())]

    def delete(self, name: str) -> None:
        """Deletes a collection, also one that cannot be read.

        It is gone for new callers at once. Writes it has accepted and searches that have begun are finished first;
        what still comes from who held it is refused with ShuttingDown.

        Raises:
            NotFound: there is none.
            ShuttingDown: closed.
        """
        with self._changing:
            self._refuse_if_closed()
            collection = self._collections.pop(name, None)
            if collection is None and self._unusable.pop(name, None) is None:
                raise NotFound(f"collection {name[:80]!r} does not exist")
            if collection is not None:
                collection.close()
            doomed = self._folder / f"{_DELETED}{name}-{uuid.uuid4().hex}"
            (self._folder / name).rename(doomed)
            _sync(self._folder)
        shutil.rmtree(doomed)

    def close(self) -> None:
        """Closes all collections and lets others have the folder."""
        with self._changing:
            self._closed = True
            for collection in self._collections.values():
                collection.close()
            self._lock.release()

    def _refuse_if_closed(self) -> None:
        if self._closed:
            raise ShuttingDown("the server is stopping and changes no collections")

    def _open(self, path: Path) -> None:
        try:
            self._collections[path.name] = Collection(path, max_payload_bytes=self._max_payload_bytes)
        except FrostlineError as error:
            _log.error("collection %r is not served: %s", path.name, error)
            self._unusable[path.name] = error

    def _make(self, fresh: Path, config: CollectionConfig) -> None:
        fresh.mkdir()
        database.create(fresh / database.FILE_NAME, config.model_dump_json())
        _sync(fresh)
        fresh.rename(self._folder / config.id)
        _sync(self._folder)


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
