"""All collections of a server: one folder each in one folder, and the file that says what they are called.

    names.json              which names and aliases lead to which folder; see `names`
    NAME.xxxxxxxx/          a collection; the folder keeps the name it was made with
    .new-NAME.xxxxxxxx/     one that is being made: it exists as soon as `names.json` knows it
    .deleted-NAME.xxxxxxxx/ one that is gone, whatever `names.json` says

What a crash left behind is finished, or undone, at the next start.
"""

import functools
import logging
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

from frostline.server.collections import validation
from frostline.server.collections.collection import Collection
from frostline.server.collections.config import CollectionConfig
from frostline.server.collections.folder_lock import FolderLock
from frostline.server.collections.leftovers import tidied
from frostline.server.collections.names import Names, NamesFile, new_folder
from frostline.server.collections.rows import database
from frostline.server.collections.snapshots import Snapshot, Snapshots
from frostline.server.durable_files import DELETED, NEW, allow_open_files, discard, empty, explained, sync
from frostline.server.errors import DataDamaged, FrostlineError, NotFound, Overloaded, ShuttingDown, StorageFull

_log = logging.getLogger(__name__)


class Catalogue:
    """Opens all collections of a folder and holds the folder for this process.

    A collection that cannot be opened is logged, and the others are served. All methods may be called from several
    threads at once.

    Args:
        folder: made where it is missing.
        snapshots: the folder of snapshots; one within `folder` where it is None.
        open_collection: opens what is in a folder under a name: `Collection`, with its settings.

    Raises:
        InUse: another process holds the folder; names its pid.
        Overloaded: the process may not open enough files; says how to raise the limit.
        StorageFull: the disk has no room to finish what a crash left.
    """

    def __init__(
        self,
        folder: Path,
        *,
        snapshots: Path | None = None,
        open_collection: Callable[[Path, str], Collection] = Collection,
    ) -> None:
        self._folder = folder
        self._open_collection = open_collection
        self._changing = threading.Lock()
        self._closed = False
        # By folder: collections, or why one is not served. What they are called stands in one place only, so that a
        # change of names is one assignment for those who read meanwhile.
        self._entries: dict[str, Collection | FrostlineError] = {}
        allow_open_files()
        folder.mkdir(parents=True, exist_ok=True)
        self._lock = FolderLock(folder)
        try:
            self._file = NamesFile(folder)
            with explained("the names of collections"):
                self._names = tidied(folder, self._file)
            self._snapshots = Snapshots(snapshots or folder / ".snapshots")
            for name, each in sorted(self._names.collections.items()):
                self._entries[each] = self._opened(name, each)
        except BaseException:
            self.close()
            raise

    def create(self, config: CollectionConfig) -> Collection:
        """Makes an empty collection; it is on disk when this returns.

        Raises:
            InvalidInput: its configuration is refused.
            AlreadyExists: a collection or an alias has the name.
            StorageFull: the disk has no room.
            Overloaded: no more files may be opened.
            ShuttingDown: closed.
        """
        validation.check_config(config)
        text = config.model_dump_json()
        return self._add(config.id, lambda folder: database.create(folder / database.FILE_NAME, text))

    def get(self, name: str, names: Names | None = None) -> Collection:
        """Finds a collection by name or alias, as the names are now or were at an earlier moment.

        Raises:
            NotFound: there is none.
            DataDamaged: its file could not be read at start; says how to restore it.
        """
        folder = (names or self._names).folder(name)
        entry = self._entries.get(folder) if folder else None
        if isinstance(entry, FrostlineError):
            raise type(entry)(*entry.args) from entry
        if entry is None:
            raise NotFound(f"collection {name[:80]!r} does not exist; create it, or list the collections there are")
        return entry

    def list(self) -> list[Collection]:
        """The collections that could be opened, by name."""
        entries = (self._entries.get(folder) for _, folder in sorted(self._names.collections.items()))
        return [entry for entry in entries if entry is not None and not isinstance(entry, FrostlineError)]

    def delete(self, name: str) -> None:
        """Deletes a collection and its aliases, also one that cannot be read, and also where the disk has no room.

        It is gone for new callers at once. Writes it has accepted and searches that have begun are finished first;
        what still comes from who held it is refused with ShuttingDown.

        Raises:
            NotFound: no collection has the name; an alias does not do.
            ShuttingDown: closed.
        """
        with self._changing:
            self._refuse_if_closed()
            folder = self._names.collections.get(name, "")
            self._names = self._names.without(name)
            entry = self._entries.pop(folder)
            if not isinstance(entry, FrostlineError):
                entry.close()
            doomed = self._remove(folder)
        empty(doomed)  # makes room for what is written next
        with self._changing:
            if not self._closed:  # after that the folder may be another server's, which finishes this
                self._forget(doomed)

    def rename(self, name: str, new: str) -> Collection:
        """Gives a collection another name, at once for all callers; its aliases follow.

        Raises:
            NotFound: no collection has the name; an alias does not do.
            InvalidInput: nothing may have the new name.
            AlreadyExists: a collection or an alias has the new name.
            DataDamaged: the collection could not be read at start. It has the new name nevertheless.
            StorageFull: the disk has no room; nothing has changed.
            ShuttingDown: closed.
        """
        with self._changing:
            self._refuse_if_closed()
            names = self._names.renamed(name, new)
            entry = self._entries[names.collections[new]]
            if not isinstance(entry, FrostlineError):
                entry.rename(new)  # if the process ends here, the next start takes it back
            try:
                self._change(names, f"the new name of collection {name!r}")
            except Exception:
                if not isinstance(entry, FrostlineError):
                    entry.rename(name)
                raise
        return self.get(new)

    def set_alias(self, alias: str, name: str) -> None:
        """Lets an alias lead to a collection, at once for all callers; a new alias is made.

        Raises:
            InvalidInput: nothing may be called like the alias, or the collection is named by an alias.
            NotFound: no collection has the name.
            AlreadyExists: a collection is called like the alias.
            StorageFull: the disk has no room; nothing has changed.
            ShuttingDown: closed.
        """
        with self._changing:
            self._change(self._names.with_alias(alias, name), f"alias {alias!r}")

    def delete_alias(self, alias: str) -> None:
        """Deletes an alias; its collection stays.

        Raises:
            NotFound: there is none of this name.
            StorageFull: the disk has no room; nothing has changed.
            ShuttingDown: closed.
        """
        with self._changing:
            self._change(self._names.without_alias(alias), f"the deletion of alias {alias!r}")

    def aliases(self) -> dict[str, str]:
        """Names of collections by alias, in the order of the aliases."""
        return dict(sorted(self._names.aliases.items()))

    def create_snapshot(self, name: str) -> Snapshot:
        """Copies a collection, by name or alias, as of one commit; see `Snapshots.create`.

        Raises:
            NotFound: there is no such collection.
            ShuttingDown: closed.
        """
        names = self._names  # an alias may be moved at any moment
        return self._snapshots.create(names, name, self.get(name, names))

    def snapshots(self, name: str | None = None) -> Sequence[Snapshot]:
        """The snapshots, newest first; see `Snapshots.list`."""
        return self._snapshots.list(self._names, name)

    def restore_snapshot(self, snapshot_id: str, name: str) -> Collection:
        """Makes a new collection of a snapshot, with all that its configuration says but the name.

        Raises:
            NotFound: there is no such snapshot.
            DataDamaged: the snapshot is not what was written.
            InvalidInput: nothing may have the name.
            AlreadyExists: a collection or an alias has the name.
            StorageFull: the disk has no room.
            Overloaded: no more files may be opened.
            ShuttingDown: closed.
        """
        return self._add(name, functools.partial(self._snapshots.restore, snapshot_id))

    def delete_snapshot(self, snapshot_id: str) -> None:
        """Deletes a snapshot; see `Snapshots.delete`."""
        self._snapshots.delete(snapshot_id)

    def close(self) -> None:
        """Closes all collections and lets others have the folder."""
        with self._changing:
            self._closed = True
            for entry in self._entries.values():
                if not isinstance(entry, FrostlineError):
                    entry.close()
            self._lock.release()

    def _refuse_if_closed(self) -> None:
        if self._closed:
            raise ShuttingDown("the server is stopping and changes no collections")

    def _opened(self, name: str, folder: str) -> Collection | FrostlineError:
        try:
            return self._open_collection(self._folder / folder, name)
        except Overloaded:  # for the operator to mend; nothing is wrong with the collection
            raise
        except FrostlineError as error:
            _log.error("collection %r is not served: %s", name, error)
            return error
        except Exception as error:  # whatever it is, the other collections are served
            _log.exception("collection %r is not served", name)
            return DataDamaged(f"collection {name!r} cannot be opened ({type(error).__name__}); the log says more")

    def _change(self, names: Names, purpose: str) -> None:
        """Replaces the names, on disk and then for all who ask."""
        self._refuse_if_closed()
        with explained(purpose):
            self._file.write(names)
        self._names = names

    def _add(self, name: str, fill: Callable[[Path], None]) -> Collection:
        """Makes a collection in a folder that `fill` fills."""
        self._names.check_free(name)
        folder = new_folder(name)
        fresh = self._folder / f"{NEW}{folder}"
        try:
            with explained(f"collection {name!r}"):
                fresh.mkdir()
                fill(fresh)
                sync(fresh)
                sync(self._folder)
                with self._changing:
                    return self._adopt(name, folder, fresh)
        finally:
            discard(fresh)

    def _adopt(self, name: str, folder: str, fresh: Path) -> Collection:
        before = self._names
        # From here on the collection exists: the next start would finish what now follows.
        self._change(before.with_collection(name, folder), f"collection {name!r}")
        try:
            fresh.rename(self._folder / folder)
            sync(self._folder)
            collection = self._open_collection(self._folder / folder, name)
        except BaseException:
            self._names = before
            doomed = self._remove(folder)
            self._file.write(before)
            discard(doomed)
            raise
        self._entries[folder] = collection
        return collection

    def _remove(self, folder: str) -> Path:
        """Moves a folder out of the way. That takes no room, and is what deletes the collection."""
        doomed = self._folder / f"{DELETED}{folder}"
        try:
            (self._folder / folder).rename(doomed)
        except FileNotFoundError:  # it was lost, and its collection not served
            doomed.mkdir()
        sync(self._folder)
        return doomed

    def _forget(self, doomed: Path) -> None:
        try:
            with explained("the names of collections"):
                self._file.write(self._names)
        except StorageFull as error:
            _log.warning("%s stays until the next start, because %s", doomed, error)
        else:
            discard(doomed)
