"""All collections of a server: one folder each in one folder.

A folder whose name begins with a dot is on its way in (`.new-*`) or out (`.deleted-*`): a rename makes a collection
appear or vanish at once, and what a crash left behind is removed at start.
"""

import contextlib
import errno
import logging
import os
import resource
import shutil
import threading
import uuid
from pathlib import Path

from frostline.server.collections import database, validation
from frostline.server.collections.collection import MAX_ANSWER_BYTES, Collection
from frostline.server.collections.config import CollectionConfig
from frostline.server.collections.folder_lock import FolderLock
from frostline.server.errors import AlreadyExists, FrostlineError, NotFound, Overloaded, ShuttingDown, StorageFull

_NEW, _DELETED = ".new-", ".deleted-"

_log = logging.getLogger(__name__)


class Catalogue:
    """Opens all collections of a folder and holds the folder for this process.

    A collection that cannot be opened is logged, and the others are served. All methods may be called from several
    threads at once.

    Args:
        folder: made where it is missing.
        max_answer_bytes: the most that is read for one answer; see `Collection`.

    Raises:
        InUse: another process holds the folder; names its pid.
        Overloaded: the process may not open enough files; says how to raise the limit.
    """

    def __init__(self, folder: Path, *, max_answer_bytes: int = MAX_ANSWER_BYTES) -> None:
        self._folder = folder
        self._max_answer_bytes = max_answer_bytes
        self._changing = threading.Lock()
        self._closed = False
        self._collections: dict[str, Collection] = {}
        self._unusable: dict[str, FrostlineError] = {}
        _allow_open_files()
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
            collection = Collection(self._folder / config.id, max_answer_bytes=self._max_answer_bytes)
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
            self._collections[path.name] = Collection(path, max_answer_bytes=self._max_answer_bytes)
        except Overloaded:  # for the operator to mend; nothing is wrong with the collection
            self.close()
            raise
        except FrostlineError as error:
            _log.error("collection %r is not served: %s", path.name, error)
            self._unusable[path.name] = error

    def _make(self, fresh: Path, config: CollectionConfig) -> None:
        fresh.mkdir()
        database.create(fresh / database.FILE_NAME, config.model_dump_json())
        _sync(fresh)
        fresh.rename(self._folder / config.id)
        _sync(self._folder)


def _allow_open_files() -> None:
    """Raises this process's limit as far as it may: each collection holds files open, and 1024 are soon used up."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(ValueError, OSError):  # some systems take no limit as high as they say
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
