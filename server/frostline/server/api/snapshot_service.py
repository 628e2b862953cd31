"""Snapshots over the wire."""

# ruff: noqa: D102 - what a method does stands in the proto

import asyncio
from datetime import UTC

from frostline.server.api.calls import Context
from frostline.server.api.config_message import collection_message
from frostline.server.api.convert import resource_id
from frostline.server.api.pages import Page
from frostline.server.collections.catalogue import Catalogue
from frostline.server.collections.snapshots import Snapshot
from frostline.v1 import collection_pb2
from frostline.v1 import snapshot_service_pb2 as pb
from frostline.v1.snapshot_service_pb2_grpc import SnapshotServiceServicer


class SnapshotService(SnapshotServiceServicer):
    """Keeps snapshots; each method is described in `snapshot_service.proto`.

    Args:
        catalogue: the collections and their snapshots.
        encoders_in_use: held while a collection begins to use an encoder, and while one is deleted.
    """

    def __init__(self, catalogue: Catalogue, encoders_in_use: asyncio.Lock) -> None:
        self._catalogue = catalogue
        self._encoders_in_use = encoders_in_use

    async def CreateSnapshot(self, request: pb.CreateSnapshotRequest, context: Context) -> pb.Snapshot:
        name = resource_id(request.collection, "collections")
        return _message(await asyncio.to_thread(self._catalogue.create_snapshot, name))

    async def ListSnapshots(self, request: pb.ListSnapshotsRequest, context: Context) -> pb.ListSnapshotsResponse:
        page = Page(request, start="")
        name = resource_id(request.collection, "collections") if request.collection else None
        snapshots = await asyncio.to_thread(self._catalogue.snapshots, name)
        rest = [each for each in snapshots if not page.start or _place(each) <= str(page.start)]  # newest first
        shown, more = page.cut(rest, _place)
        return pb.ListSnapshotsResponse(snapshots=[_message(snapshot) for snapshot in shown], next_page_token=more)

    async def RestoreSnapshot(self, request: pb.RestoreSnapshotRequest, context: Context) -> collection_pb2.Collection:
        snapshot_id = resource_id(request.name, "snapshots")
        async with self._encoders_in_use:
            collection = await asyncio.to_thread(self._catalogue.restore_snapshot, snapshot_id, request.collection_id)
        return await asyncio.to_thread(collection_message, collection, self._catalogue.aliases())

    async def DeleteSnapshot(self, request: pb.DeleteSnapshotRequest, context: Context) -> pb.DeleteSnapshotResponse:
        await asyncio.to_thread(self._catalogue.delete_snapshot, resource_id(request.name, "snapshots"))
        return pb.DeleteSnapshotResponse()


def _place(snapshot: Snapshot) -> str:
    """Sorts as snapshots are listed, the other way round."""
    return f"{snapshot.create_time.astimezone(UTC):%Y-%m-%dT%H:%M:%S.%f} {snapshot.id}"


def _message(snapshot: Snapshot) -> pb.Snapshot:
    message = pb.Snapshot(
        name=f"snapshots/{snapshot.id}",
        collection=f"collections/{snapshot.collection}",
        sequence=snapshot.sequence,
        record_count=snapshot.record_count,
        size_bytes=snapshot.size_bytes,
    )
    message.create_time.FromDatetime(snapshot.create_time)
    return message
