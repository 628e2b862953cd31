"""Records over the wire."""

# ruff: noqa: D102 - what a method does stands in the proto

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator
from concurrent.futures import Future
from functools import partial

from frostline.server.api import convert, filters
from frostline.server.api.calls import Context, deadline_of
from frostline.server.api.inputs import Waiting
from frostline.server.api.pages import Page
from frostline.server.api.patches import patch
from frostline.server.api.record_message import record_messages
from frostline.server.api.sequences import at_sequence
from frostline.server.api.status import item_error
from frostline.server.api.streams import WRITE_WINDOW, Turn, pipelined
from frostline.server.api.upserts import RecordWriter
from frostline.server.collections.catalogue import Catalogue
from frostline.server.collections.collection import Collection
from frostline.server.collections.filters.expression import Expression
from frostline.server.collections.rows.operations import Written
from frostline.server.errors import DataDamaged, InvalidInput
from frostline.v1 import record_service_pb2 as pb
from frostline.v1.record_service_pb2_grpc import RecordServiceServicer

MOST_IDS = 10_000
MOST_FACETS = 1_000

_DEFAULT_FACETS = 10


class RecordService(RecordServiceServicer):
    """Keeps records; each method is described in `record_service.proto`.

    Args:
        catalogue: the collections.
        writer: writes records.
        closing: set when the server stops.
    """

    def __init__(self, catalogue: Catalogue, writer: RecordWriter, closing: asyncio.Event) -> None:
        self._catalogue = catalogue
        self._writer = writer
        self._closing = closing

    async def UpsertRecords(self, request: pb.UpsertRecordsRequest, context: Context) -> pb.UpsertRecordsResponse:
        return await self._writer.upsert(self._collection(request.collection), request, Waiting(deadline_of(context)))

    async def StreamUpsertRecords(
        self, request_iterator: AsyncIterator[pb.UpsertRecordsRequest], context: Context
    ) -> AsyncIterator[pb.UpsertRecordsResponse]:
        waiting = Waiting(deadline_of(context), patient=True)

        async def answer(request: pb.UpsertRecordsRequest, turn: Turn) -> pb.UpsertRecordsResponse:
            return await self._writer.upsert(self._collection(request.collection), request, waiting, turn)

        async for response in pipelined(request_iterator, answer, self._closing, WRITE_WINDOW):
            yield response

    async def PatchPayloads(self, request: pb.PatchPayloadsRequest, context: Context) -> pb.PatchPayloadsResponse:
        return await patch(self._collection(request.collection), request)

    async def GetRecords(self, request: pb.GetRecordsRequest, context: Context) -> pb.GetRecordsResponse:
        convert.at_most(len(request.ids), MOST_IDS, "ids")
        find = partial(self._collection, request.collection)
        collection = await at_sequence(find, request.min_sequence, Waiting(deadline_of(context)))
        return await asyncio.to_thread(_found, collection, request)

    async def ListRecords(self, request: pb.ListRecordsRequest, context: Context) -> pb.ListRecordsResponse:
        page = Page(request, start=0)
        collection = self._collection(request.collection)
        expression = _expression(request)

        def read() -> pb.ListRecordsResponse:
            records, following = collection.page(
                int(page.start),
                page.size,
                vectors=request.include_vectors,
                content=request.include_content,
                expression=expression,
            )
            return pb.ListRecordsResponse(
                records=record_messages(records, collection.config),
                next_page_token="" if following is None else page.token(following),
            )

        return await asyncio.to_thread(read)

    async def DeleteRecords(self, request: pb.DeleteRecordsRequest, context: Context) -> pb.DeleteRecordsResponse:
        convert.at_most(len(request.ids), MOST_IDS, "ids")
        collection = self._collection(request.collection)
        if request.HasField("filter"):
            deleting = await asyncio.to_thread(_delete_matching, collection, request)
        elif request.ids:
            deleting = collection.delete(list(request.ids), request.request_id)
        else:
            raise InvalidInput("the request has neither ids nor a filter; say what is to be deleted")
        written = await asyncio.wrap_future(deleting)
        return pb.DeleteRecordsResponse(deleted_count=written.count, sequence=written.sequence)

    async def CountRecords(self, request: pb.CountRecordsRequest, context: Context) -> pb.CountRecordsResponse:
        collection = self._collection(request.collection)
        return pb.CountRecordsResponse(count=await asyncio.to_thread(collection.count, _expression(request)))

    async def CountFacets(self, request: pb.CountFacetsRequest, context: Context) -> pb.CountFacetsResponse:
        if not 0 <= request.limit <= MOST_FACETS:
            raise InvalidInput(f"limit {request.limit} is out of range; ask for 1 to {MOST_FACETS} values, or 0 for 10")
        filters.path(request.path, "path")
        collection = self._collection(request.collection)
        facets = await asyncio.to_thread(
            collection.facets, request.path, request.limit or _DEFAULT_FACETS, _expression(request)
        )
        return pb.CountFacetsResponse(
            facets=[pb.Facet(value=json.dumps(value).encode(), count=count) for value, count in facets]
        )

    def _collection(self, name: str) -> Collection:
        return self._catalogue.get(convert.resource_id(name, "collections"))


def _expression(request: pb.ListRecordsRequest | pb.CountRecordsRequest | pb.CountFacetsRequest) -> Expression | None:
    return filters.expression(request.filter) if request.HasField("filter") else None


def _found(collection: Collection, request: pb.GetRecordsRequest) -> pb.GetRecordsResponse:
    found = collection.get(request.ids, vectors=request.include_vectors, content=request.include_content)
    places = {each: place for place, each in reversed(list(enumerate(request.ids)))}
    return pb.GetRecordsResponse(
        records=record_messages(found.values(), collection.config),
        missing_ids=[each for each in dict.fromkeys(request.ids) if each not in found],
        errors=[item_error(places[key], each) for key, each in found.items() if isinstance(each, DataDamaged)],
    )


def _delete_matching(collection: Collection, request: pb.DeleteRecordsRequest) -> "Future[Written]":
    if request.ids:
        raise InvalidInput("the request has both ids and a filter; give one of them")
    expression = filters.expression(request.filter)
    if expression is None:
        raise InvalidInput(
            "the filter has no expression, which would delete every record; write one, or delete the collection itself "
            "(DeleteCollection) and create it again"
        )
    # Of the request as it was sent: which records match differs from run to run.
    digest = hashlib.sha256(request.SerializeToString(deterministic=True)).digest()
    return collection.delete_matching(expression, request.request_id, digest)
