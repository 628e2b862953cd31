"""Collections over the wire."""

# ruff: noqa: D102 - what a method does stands in the proto

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence

from frostline.server.api.calls import Context
from frostline.server.api.collection_requests import CollectionRequests
from frostline.server.api.config_message import collection_message
from frostline.server.api.convert import resource_id
from frostline.server.api.pages import Page
from frostline.server.api.stats_message import stats_message
from frostline.server.collections.catalogue import Catalogue
from frostline.server.collections.collection import Collection
from frostline.server.errors import NotFound
from frostline.v1 import collection_pb2
from frostline.v1 import collection_service_pb2 as pb
from frostline.v1.collection_service_pb2_grpc import CollectionServiceServicer


class CollectionService(CollectionServiceServicer):
    """Keeps collections; each method is described in `collection_service.proto`.

    Args:
        catalogue: the collections.
        requests: reads what collections shall be.
        encoders_in_use: held while a collection begins to use an encoder, and while one is deleted.
    """

    def __init__(self, catalogue: Catalogue, requests: CollectionRequests, encoders_in_use: asyncio.Lock) -> None:
        self._catalogue = catalogue
        self._requests = requests
        self._encoders_in_use = encoders_in_use

    async def CreateCollection(
        self, request: pb.CreateCollectionRequest, context: Context
    ) -> collection_pb2.Collection:
        async with self._encoders_in_use:
            config = self._requests.new(request.collection_id, request.collection)
            collection = await asyncio.to_thread(self._catalogue.create, config)
        return await asyncio.to_thread(self._described, collection)

    async def GetCollection(self, request: pb.GetCollectionRequest, context: Context) -> collection_pb2.Collection:
        return await asyncio.to_thread(self._described, self._collection(request.name))

    async def ListCollections(self, request: pb.ListCollectionsRequest, context: Context) -> pb.ListCollectionsResponse:
        page = Page(request, start="")
        collections = sorted(self._catalogue.list(), key=lambda each: each.config.id)
        rest = [each for each in collections if each.config.id >= str(page.start)]
        shown, more = page.cut(rest, lambda each: each.config.id)
        messages = await asyncio.to_thread(self._existing, shown)
        return pb.ListCollectionsResponse(collections=messages, next_page_token=more)

    async def UpdateCollection(
        self, request: pb.UpdateCollectionRequest, context: Context
    ) -> collection_pb2.Collection:
        collection = self._collection(request.collection.name)
        changes = self._requests.changes(request.update_mask.paths, request.collection, collection.config)
        await asyncio.to_thread(collection.update, changes)
        return await asyncio.to_thread(self._described, collection)

    async def RenameCollection(
        self, request: pb.RenameCollectionRequest, context: Context
    ) -> collection_pb2.Collection:
        name = resource_id(request.name, "collections")
        collection = await asyncio.to_thread(self._catalogue.rename, name, request.new_collection_id)
        return await asyncio.to_thread(self._described, collection)

    async def DeleteCollection(
        self, request: pb.DeleteCollectionRequest, context: Context
    ) -> pb.DeleteCollectionResponse:
        await asyncio.to_thread(self._catalogue.delete, resource_id(request.name, "collections"))
        return pb.DeleteCollectionResponse()

    async def SetAlias(self, request: pb.SetAliasRequest, context: Context) -> pb.Alias:
        name = resource_id(request.collection, "collections")
        await asyncio.to_thread(self._catalogue.set_alias, request.alias_id, name)
        return _alias(request.alias_id, name)

    async def ListAliases(self, request: pb.ListAliasesRequest, context: Context) -> pb.ListAliasesResponse:
        page = Page(request, start="")
        rest = [(alias, name) for alias, name in self._catalogue.aliases().items() if alias >= str(page.start)]
        shown, more = page.cut(rest, lambda each: each[0])
        return pb.ListAliasesResponse(aliases=[_alias(alias, name) for alias, name in shown], next_page_token=more)

    async def DeleteAlias(self, request: pb.DeleteAliasRequest, context: Context) -> pb.DeleteAliasResponse:
        await asyncio.to_thread(self._catalogue.delete_alias, resource_id(request.name, "collections"))
        return pb.DeleteAliasResponse()

    async def GetCollectionStats(self, request: pb.GetCollectionStatsRequest, context: Context) -> pb.CollectionStats:
        collection = self._collection(request.collection)
        return stats_message(await asyncio.to_thread(collection.stats))

    async def OptimizeCollection(
        self, request: pb.OptimizeCollectionRequest, context: Context
    ) -> AsyncIterator[pb.OptimizeCollectionResponse]:
        steps = iter(self._collection(request.collection).optimize())
        while step := await asyncio.to_thread(next, steps, None):
            yield pb.OptimizeCollectionResponse(step=step[0], progress=step[1])

    def _collection(self, name: str) -> Collection:
        return self._catalogue.get(resource_id(name, "collections"))

    def _described(self, collection: Collection) -> collection_pb2.Collection:
        return collection_message(collection, self._catalogue.aliases())

    def _existing(self, collections: Sequence[Collection]) -> list[collection_pb2.Collection]:
        messages: list[collection_pb2.Collection] = []
        for collection in collections:
            with contextlib.suppress(NotFound):  # deleted meanwhile
                messages.append(self._described(collection))
        return messages


def _alias(alias: str, name: str) -> pb.Alias:
    return pb.Alias(name=f"collections/{alias}", collection=f"collections/{name}")
