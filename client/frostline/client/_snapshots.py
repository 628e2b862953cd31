"""Operations on snapshots, written once for both clients; documented where they are called, in `Client`."""

from frostline.client._caller import Caller, pages
from frostline.client._from_wire_collections import collection_of, snapshot_of
from frostline.client._to_wire import collection_path, snapshot_path, unicode
from frostline.client.resources import Collection, Snapshot
from frostline.v1 import snapshot_service_pb2 as v1


class SnapshotCalls(Caller):
    """Makes, lists, restores and deletes snapshots."""

    async def create_snapshot(self, collection: str, *, timeout_seconds: float = 600.0) -> Snapshot:
        """Copies a collection; see `Client.create_snapshot`."""
        request = v1.CreateSnapshotRequest(collection=collection_path(collection))
        return snapshot_of(await self._call(self._transport.snapshots.CreateSnapshot, request, timeout_seconds))

    async def list_snapshots(
        self, collection: str | None = None, *, timeout_seconds: float | None = None
    ) -> list[Snapshot]:
        """Lists the snapshots; see `Client.list_snapshots`."""
        path = "" if collection is None else collection_path(collection)
        found: list[Snapshot] = []
        async for page in pages(
            lambda token: self._call(
                self._transport.snapshots.ListSnapshots,
                v1.ListSnapshotsRequest(collection=path, page_token=token),
                timeout_seconds,
            )
        ):
            found += map(snapshot_of, page.snapshots)
        return found

    async def restore_snapshot(self, snapshot: str, name: str, *, timeout_seconds: float = 600.0) -> Collection:
        """Makes a new collection of a snapshot; see `Client.restore_snapshot`."""
        request = v1.RestoreSnapshotRequest(name=snapshot_path(snapshot), collection_id=unicode(name))
        return collection_of(await self._call(self._transport.snapshots.RestoreSnapshot, request, timeout_seconds))

    async def delete_snapshot(self, snapshot: str, *, timeout_seconds: float | None = None) -> None:
        """Deletes a snapshot; see `Client.delete_snapshot`."""
        request = v1.DeleteSnapshotRequest(name=snapshot_path(snapshot))
        await self._call(self._transport.snapshots.DeleteSnapshot, request, timeout_seconds)
