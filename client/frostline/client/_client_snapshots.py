"""The part of `Client` that makes, lists, restores and deletes snapshots."""

from frostline.client._blocking import run
from frostline.client._operations import Operations
from frostline.client.resources import Collection, Snapshot


class SnapshotMethods:
    """Makes, lists, restores and deletes snapshots."""

    _operations: Operations

    def create_snapshot(self, collection: str, *, timeout_seconds: float = 600.0) -> Snapshot:
        """Copies a collection as of one commit, while writes go on; the server keeps the copy.

        Raises:
            NotFound: there is no such collection.
            StorageFull: the server's disk has no room.
        """
        return run(self._operations.create_snapshot(collection, timeout_seconds=timeout_seconds))

    def list_snapshots(self, collection: str | None = None, *, timeout_seconds: float | None = None) -> list[Snapshot]:
        """Lists the snapshots, newest first: all, or those of one collection under all its names."""
        return run(self._operations.list_snapshots(collection, timeout_seconds=timeout_seconds))

    def restore_snapshot(self, snapshot: str, name: str, *, timeout_seconds: float = 600.0) -> Collection:
        """Makes a new collection of a snapshot.

        Args:
            snapshot: name of the snapshot.
            name: of the new collection.
            timeout_seconds: see `Client`.

        Raises:
            NotFound: there is no such snapshot.
            AlreadyExists: the name is taken.
            DataDamaged: the snapshot is not what was written.
            StorageFull: the server's disk has no room.
        """
        return run(self._operations.restore_snapshot(snapshot, name, timeout_seconds=timeout_seconds))

    def delete_snapshot(self, snapshot: str, *, timeout_seconds: float | None = None) -> None:
        """Deletes a snapshot.

        Raises:
            NotFound: there is no such snapshot.
        """
        run(self._operations.delete_snapshot(snapshot, timeout_seconds=timeout_seconds))
