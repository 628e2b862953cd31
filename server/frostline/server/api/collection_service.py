"""Collections over the wire."""

# ruff: noqa: D102 - what a method does stands in the proto

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

from frostline.server.api import convert
from frostline.server.api.calls import Context, deadline_of
from frostline.server.api.inputs import Waiting
from frostline.server.api.pages import Page
from frostline.server.api.records import RecordWriter, record_message
from frostline.server.api.resources import collection_message
from frostline.server.api.searches import Searches
from frostline.server.api.status import item_error
from frostline.server.api.streams import Turn, pipelined
from frostline.server.collections.catalogue import Catalogue
from frostline.server.collections.collection import Collection
from frostline.server.collections.config import CollectionConfig
from frostline.server.collections.records import Record
from frostline.server.encoders.registry import Registry
from frostline.server.encoders.space import EmbeddingSpace
from frostline.server.errors import DataDamaged, InvalidInput, NotFound
from frostline.v1 import collection_service_pb2 as pb
from frostline.v1.collection_service_pb2_grpc import CollectionServiceServicer
from frostline.v1.embedding_pb2 import Prompt

MOST_IDS = 10_000

_UPDATABLE = ("description", "query_prompt")


class CollectionService(CollectionServiceServicer):
    """Keeps collections and their records; each method is described in `collection_service.proto`.

    Args:
        registry: the encoders.
        catalogue: the collections.
        writer: writes records.
        searches: runs searches.
        encoders_in_use: held while a collection begins to use an encoder, and while one is deleted.
        closing: set when the server stops.
    """

    def __init__(
        self,
        registry: Registry,
        catalogue: Catalogue,
        writer: RecordWriter,
        searches: Searches,
        encoders_in_use: asyncio.Lock,
        closing: asyncio.Event,
    ) -> None:
        self._registry = registry
        self._catalogue = catalogue
        self._writer = writer
        self._searches = searches
        self._encoders_in_use = encoders_in_use
        self._closing = closing

    async def CreateCollection(self, request: pb.CreateCollectionRequest, context: Context) -> pb.Collection:
        async with self._encoders_in_use:
            config = self._new_config(request.collection_id, request.collection)
            collection = await asyncio.to_thread(self._catalogue.create, config)
        return await asyncio.to_thread(collection_message, collection)

    async def GetCollection(self, request: pb.GetCollectionRequest, context: Context) -> pb.Collection:
        return await asyncio.to_thread(collection_message, self._collection(request.name))

    async def ListCollections(self, request: pb.ListCollectionsRequest, context: Context) -> pb.ListCollectionsResponse:
        page = Page(request, start="")
        collections = sorted(self._catalogue.list(), key=lambda each: each.config.id)
        rest = [each for each in collections if each.config.id >= str(page.start)]
        messages = await asyncio.to_thread(_existing, rest[: page.size])
        more = page.token(rest[page.size].config.id) if len(rest) > page.size else ""
        return pb.ListCollectionsResponse(collections=messages, next_page_token=more)

    async def UpdateCollection(self, request: pb.UpdateCollectionRequest, context: Context) -> pb.Collection:
        collection = self._collection(request.collection.name)
        changes = self._changes(request, collection.config)
        await asyncio.to_thread(lambda: collection.update(**changes))
        return await asyncio.to_thread(collection_message, collection)

    async def DeleteCollection(
        self, request: pb.DeleteCollectionRequest, context: Context
    ) -> pb.DeleteCollectionResponse:
        await asyncio.to_thread(self._catalogue.delete, convert.resource_id(request.name, "collections"))
        return pb.DeleteCollectionResponse()

    async def UpsertRecords(self, request: pb.UpsertRecordsRequest, context: Context) -> pb.UpsertRecordsResponse:
        return await self._writer.upsert(self._collection(request.collection), request, Waiting(deadline_of(context)))

    async def StreamUpsertRecords(
        self, request_iterator: AsyncIterator[pb.UpsertRecordsRequest], context: Context
    ) -> AsyncIterator[pb.UpsertRecordsResponse]:
        waiting = Waiting(deadline_of(context), patient=True)

        async def answer(request: pb.UpsertRecordsRequest, turn: Turn) -> pb.UpsertRecordsResponse:
            return await self._writer.upsert(self._collection(request.collection), request, waiting, turn)

        async for response in pipelined(request_iterator, answer, self._closing):
            yield response

    async def GetRecords(self, request: pb.GetRecordsRequest, context: Context) -> pb.GetRecordsResponse:
        convert.at_most(len(request.ids), MOST_IDS, "ids")
        collection = self._collection(request.collection)
        places = {each: place for place, each in reversed(list(enumerate(request.ids)))}
        found = await asyncio.to_thread(
            collection.get, request.ids, vectors=request.include_vectors, content=request.include_content
        )
        space = collection.config.space
        return pb.GetRecordsResponse(
            records=await asyncio.to_thread(_messages, found.values(), space),
            missing_ids=[each for each in dict.fromkeys(request.ids) if each not in found],
            errors=[item_error(places[key], each) for key, each in found.items() if isinstance(each, DataDamaged)],
        )

    async def ListRecords(self, request: pb.ListRecordsRequest, context: Context) -> pb.ListRecordsResponse:
        page = Page(request, start=0)
        collection = self._collection(request.collection)
        records, following = await asyncio.to_thread(
            collection.page,
            int(page.start),
            page.size,
            vectors=request.include_vectors,
            content=request.include_content,
        )
        return pb.ListRecordsResponse(
            records=await asyncio.to_thread(_messages, records, collection.config.space),
            next_page_token="" if following is None else page.token(following),
        )

    async def DeleteRecords(self, request: pb.DeleteRecordsRequest, context: Context) -> pb.DeleteRecordsResponse:
        convert.at_most(len(request.ids), MOST_IDS, "ids")
        collection = self._collection(request.collection)
        written = await asyncio.wrap_future(collection.delete(list(request.ids), request.request_id))
        return pb.DeleteRecordsResponse(deleted_count=written.count, sequence=written.sequence)

    async def CountRecords(self, request: pb.CountRecordsRequest, context: Context) -> pb.CountRecordsResponse:
        collection = self._collection(request.collection)
        return pb.CountRecordsResponse(count=await asyncio.to_thread(collection.count))

    async def SearchRecords(self, request: pb.SearchRecordsRequest, context: Context) -> pb.SearchRecordsResponse:
        return await self._searches.run(self._collection(request.collection), request, Waiting(deadline_of(context)))

    def _collection(self, name: str) -> Collection:
        return self._catalogue.get(convert.resource_id(name, "collections"))

    def _new_config(self, collection_id: str, asked: pb.Collection) -> CollectionConfig:
        settings: dict[str, Any] = {
            "id": collection_id,
            "description": asked.description,
            "metric": convert.metric(asked.metric),
            "keep_content": asked.keep_content if asked.HasField("keep_content") else True,
            "create_time": datetime.now(UTC),
        }
        if not asked.encoder:
            return CollectionConfig(space=_plain_space(asked), **settings)
        encoder = self._registry.get(convert.resource_id(asked.encoder, "encoders"))
        manifest = encoder.manifest
        return CollectionConfig(
            encoder=manifest.name,
            space=manifest.space(
                asked.layer, asked.dimensions, asked.normalize if asked.HasField("normalize") else None
            ),
            document_prompt=convert.prompt(
                asked.document_prompt, manifest.prompts, manifest.prompts.get("document", "")
            ),
            query_prompt=convert.prompt(asked.query_prompt, manifest.prompts, manifest.prompts.get("query", "")),
            **settings,
        )

    def _changes(self, request: pb.UpdateCollectionRequest, config: CollectionConfig) -> dict[str, str]:
        paths = list(request.update_mask.paths)
        unknown = [path for path in paths if path not in _UPDATABLE]
        if unknown or not paths:
            raise InvalidInput(f"update_mask {paths} cannot be applied; name some of {', '.join(_UPDATABLE)}")
        changes: dict[str, str] = {}
        if "description" in paths:
            changes["description"] = request.collection.description
        if "query_prompt" in paths:
            changes["query_prompt"] = self._query_prompt(request.collection.query_prompt, config)
        return changes

    def _query_prompt(self, asked: Prompt, config: CollectionConfig) -> str:
        if not config.encoder:
            raise InvalidInput(f"collection {config.id!r} holds plain vectors; query_prompt needs an encoder")
        if asked.HasField("literal"):
            return asked.literal  # needs no encoder, which may be gone
        prompts = self._registry.get(config.encoder).manifest.prompts
        return convert.prompt(asked, prompts, prompts.get("query", ""))


def _existing(collections: Sequence[Collection]) -> list[pb.Collection]:
    messages: list[pb.Collection] = []
    for collection in collections:
        with contextlib.suppress(NotFound):  # deleted meanwhile
            messages.append(collection_message(collection))
    return messages


def _messages(found: Iterable[Record | DataDamaged], space: EmbeddingSpace) -> list[pb.Record]:
    return [record_message(each, space) for each in found if isinstance(each, Record)]


def _plain_space(asked: pb.Collection) -> EmbeddingSpace:
    if asked.dimensions <= 0:
        raise InvalidInput("a collection without an encoder needs dimensions: the length of its vectors")
    for field in ("normalize", "document_prompt", "query_prompt"):
        if asked.HasField(field):
            raise InvalidInput(f"{field} needs an encoder; name one, or leave {field} out for plain vectors")
    if asked.layer:
        raise InvalidInput("layer needs an encoder; name one, or leave layer out for plain vectors")
    return EmbeddingSpace.plain(asked.dimensions)
