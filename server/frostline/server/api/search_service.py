"""Searching over the wire."""

# ruff: noqa: D102 - what a method does stands in the proto

from functools import partial

from frostline.server.api.calls import Context, deadline_of
from frostline.server.api.convert import resource_id
from frostline.server.api.inputs import Waiting
from frostline.server.api.searches import Searches
from frostline.server.collections.catalogue import Catalogue
from frostline.v1 import search_service_pb2 as pb
from frostline.v1.search_service_pb2_grpc import SearchServiceServicer


class SearchService(SearchServiceServicer):
    """Finds records; its method is described in `search_service.proto`.

    Args:
        catalogue: the collections.
        searches: runs searches.
    """

    def __init__(self, catalogue: Catalogue, searches: Searches) -> None:
        self._catalogue = catalogue
        self._searches = searches

    async def SearchRecords(self, request: pb.SearchRecordsRequest, context: Context) -> pb.SearchRecordsResponse:
        find = partial(self._catalogue.get, resource_id(request.collection, "collections"))
        return await self._searches.run(find, request, Waiting(deadline_of(context)))
