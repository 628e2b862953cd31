"""Collections, aliases and snapshots of the fake server: resources without what they hold."""

from fake_calls import Calls, Code, fails
from fake_encoders import SPACE
from frostline.v1 import collection_pb2 as v1
from frostline.v1 import collection_service_pb2 as service_v1
from frostline.v1 import snapshot_service_pb2 as snapshots_v1
from frostline.v1.collection_service_pb2_grpc import CollectionServiceServicer
from frostline.v1.snapshot_service_pb2_grpc import SnapshotServiceServicer
from frostline.wire.reasons import Reason

STATS = service_v1.CollectionStats(
    record_count=3,
    tail_count=1,
    segments=[
        service_v1.Segment(
            row_count=4,
            dead_count=2,
            state=service_v1.SEGMENT_STATE_VERIFIED,
            indexes=[
                service_v1.VectorIndex(
                    vector_name="default",
                    kind=v1.INDEX_KIND_IVF_PQ,
                    factory="IVF2,PQ2x4fs,Refine(SQ8)",
                    recalls=[service_v1.MeasuredRecall(selectivity=0.5, correlated=True, recall=0.96)],
                    size_bytes=1000,
                )
            ],
            size_bytes=2000,
            sequence=5,
        )
    ],
    building=True,
    records_bytes=10_000,
    vectors_bytes=3000,
    indexes_bytes=1200,
    memory_bytes=500,
    sequence=7,
)


class FakeCollections(Calls, CollectionServiceServicer, SnapshotServiceServicer):
    """Keeps resources.

    Attributes:
        collections: by the wire's name.
        aliases: where each leads, by the wire's names.
        snapshots: by the wire's name.
        steps: what an optimization reports.
    """

    def __init__(self) -> None:
        super().__init__()
        self.collections: dict[str, v1.Collection] = {}
        self.aliases: dict[str, str] = {}
        self.snapshots: dict[str, snapshots_v1.Snapshot] = {}
        self.steps = [("indexing the tail", 0.25), ("joining segments", 1.0)]

    def CreateCollection(self, request, context):
        self._enter("CreateCollection", request, context)
        created = v1.Collection()
        created.CopyFrom(request.collection)
        created.name = f"collections/{request.collection_id}"
        if created.name in self.collections:
            fails(Code.ALREADY_EXISTS, f"{created.name!r} exists", Reason.ALREADY_EXISTS)(context)
        for field in created.vectors:
            field.space.CopyFrom(SPACE)
        created.create_time.FromSeconds(1_000_000_000)
        created.recall = 0.97
        self.collections[created.name] = created
        return created

    def GetCollection(self, request, context):
        self._enter("GetCollection", request, context)
        return self._collection(request.name, context)

    def ListCollections(self, request, context):
        self._enter("ListCollections", request, context)
        page, token = self._page(sorted(self.collections), request.page_token)
        return service_v1.ListCollectionsResponse(
            collections=[self.collections[name] for name in page], next_page_token=token
        )

    def UpdateCollection(self, request, context):
        self._enter("UpdateCollection", request, context)
        changed, collection = request.collection, self._collection(request.collection.name, context)
        for path in request.update_mask.paths:
            if path == "vectors.query_prompt":
                prompts = {field.name: field.query_prompt for field in changed.vectors}
                for field in collection.vectors:
                    if field.name in prompts:
                        field.query_prompt.CopyFrom(prompts[field.name])
            elif path == "fields":
                del collection.fields[:]
                collection.fields.extend(changed.fields)
            else:
                setattr(collection, path, getattr(changed, path))
        return collection

    def RenameCollection(self, request, context):
        self._enter("RenameCollection", request, context)
        collection = self._collection(request.name, context)
        del self.collections[request.name]
        collection.name = f"collections/{request.new_collection_id}"
        self.collections[collection.name] = collection
        return collection

    def DeleteCollection(self, request, context):
        self._enter("DeleteCollection", request, context)
        self._collection(request.name, context)
        del self.collections[request.name]
        return service_v1.DeleteCollectionResponse()

    def SetAlias(self, request, context):
        self._enter("SetAlias", request, context)
        self._collection(request.collection, context)
        name = f"collections/{request.alias_id}"
        self.aliases[name] = request.collection
        return service_v1.Alias(name=name, collection=request.collection)

    def ListAliases(self, request, context):
        self._enter("ListAliases", request, context)
        page, token = self._page(sorted(self.aliases), request.page_token)
        aliases = [service_v1.Alias(name=name, collection=self.aliases[name]) for name in page]
        return service_v1.ListAliasesResponse(aliases=aliases, next_page_token=token)

    def DeleteAlias(self, request, context):
        self._enter("DeleteAlias", request, context)
        if not self.aliases.pop(request.name, None):
            fails(Code.NOT_FOUND, f"no alias {request.name!r}", Reason.NOT_FOUND)(context)
        return service_v1.DeleteAliasResponse()

    def GetCollectionStats(self, request, context):
        self._enter("GetCollectionStats", request, context)
        self._collection(request.collection, context)
        return STATS

    def OptimizeCollection(self, request, context):
        end = "cut"
        try:
            self._enter("OptimizeCollection", request, context)
            self._collection(request.collection, context)
            for step, progress in self.steps:
                yield service_v1.OptimizeCollectionResponse(step=step, progress=progress)
            end = "served"
        finally:
            self.ended.append(end)

    def CreateSnapshot(self, request, context):
        self._enter("CreateSnapshot", request, context)
        self._collection(request.collection, context)
        name = f"snapshots/s{len(self.snapshots)}"
        made = snapshots_v1.Snapshot(
            name=name, collection=request.collection, sequence=7, record_count=3, size_bytes=9000
        )
        made.create_time.FromSeconds(1_000_000_000)
        self.snapshots[name] = made
        return made

    def ListSnapshots(self, request, context):
        self._enter("ListSnapshots", request, context)
        names = [name for name, each in self.snapshots.items() if request.collection in ("", each.collection)]
        page, token = self._page(names, request.page_token)
        return snapshots_v1.ListSnapshotsResponse(
            snapshots=[self.snapshots[name] for name in page], next_page_token=token
        )

    def RestoreSnapshot(self, request, context):
        self._enter("RestoreSnapshot", request, context)
        snapshot = self._snapshot(request.name, context)
        restored = v1.Collection()
        restored.CopyFrom(self._collection(snapshot.collection, context))
        restored.name = f"collections/{request.collection_id}"
        self.collections[restored.name] = restored
        return restored

    def DeleteSnapshot(self, request, context):
        self._enter("DeleteSnapshot", request, context)
        self._snapshot(request.name, context)
        del self.snapshots[request.name]
        return snapshots_v1.DeleteSnapshotResponse()

    def _snapshot(self, name, context):
        if name not in self.snapshots:
            fails(Code.NOT_FOUND, f"no snapshot {name!r}", Reason.NOT_FOUND)(context)
        return self.snapshots[name]

    def _collection(self, name, context):
        name = self.aliases.get(name, name)
        if name not in self.collections:
            fails(Code.NOT_FOUND, f"no collection {name!r}", Reason.NOT_FOUND)(context)
        return self.collections[name]
