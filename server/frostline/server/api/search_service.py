"""Searching over the wire."""

# ruff: noqa: D102 - what a method does stands in the proto

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from functools import partial

from frostline.server.api.calls import Context, deadline_of
from frostline.server.api.convert import resource_id
from frostline.server.api.inputs import Waiting
from frostline.server.api.searches import Searches
from frostline.server.api.streams import until_closing
from frostline.server.collections.catalogue import Catalogue
from frostline.v1 import search_service_pb2 as pb
from frostline.v1.search_service_pb2_grpc import SearchServiceServicer


class SearchService(SearchServiceServicer):
    """Finds records; its methods are described in `search_service.proto`.

    Args:
        catalogue: the collections.
        searches: runs searches.
        closing: set when the server stops.
    """

    def __init__(self, catalogue: Catalogue, searches: Searches, closing: asyncio.Event) -> None:
        self._catalogue = catalogue
        self._searches = searches
        self._closing = closing

    async def SearchRecords(self, request: pb.SearchRecordsRequest, context: Context) -> pb.SearchRecordsResponse:
        return await self._answer(request, Waiting(deadline_of(context)))

    async def StreamSearchRecords(
        self, request_iterator: AsyncIterator[pb.SearchRecordsRequest], context: Context
    ) -> AsyncIterator[pb.SearchRecordsResponse]:
        waiting = Waiting(deadline_of(context))
        async with aclosing(until_closing(request_iterator, self._closing)) as requests:
            async for request in requests:
                yield await self._answer(request, waiting)

    async def _answer(self, request: pb.SearchRecordsRequest, waiting: Waiting) -> pb.SearchRecordsResponse:
        find = partial(self._catalogue.get, resource_id(request.collection, "collections"))
        return await self._searches.run(find, request, waiting)
