"""Searching, written once for both clients; documented where it is called, in `Client`."""

from collections.abc import AsyncIterator, Sequence

import numpy as np

from frostline.client._batches import cut, each
from frostline.client._caller import Caller
from frostline.client._from_wire import errors_of, exception_of, hits_of, timings_of
from frostline.client._to_wire import collection_path, matrix, not_alone, query_message, space_message, whole
from frostline.client.types import Embeddings, Floats, Hit, ItemError, Query, SearchResults, Timings
from frostline.v1 import collection_service_pb2 as v1
from frostline.wire import tensors

_QUERIES = 1024
_HITS = 20_000  # in one answer; with payloads of 1 KB that is a third of what a server sends by default


class SearchCalls(Caller):
    """Searches collections."""

    async def search(
        self,
        collection: str,
        query: Query,
        *,
        limit: int = 10,
        include_payloads: bool = True,
        timeout_seconds: float | None = None,
    ) -> list[Hit]:
        """Finds what is closest to one query; see `Client.search`."""
        results = await self.search_batch(
            collection, [query], limit=limit, include_payloads=include_payloads, timeout_seconds=timeout_seconds
        )
        if results.errors:
            raise exception_of(results.errors[0])
        return results.hits[0]

    async def search_batch(
        self,
        collection: str,
        queries: Sequence[Query] | Floats | Embeddings,
        *,
        limit: int = 10,
        include_payloads: bool = True,
        timeout_seconds: float | None = None,
    ) -> SearchResults:
        """Finds what is closest to each of several queries; see `Client.search_batch`."""
        not_alone(queries)
        per_call = max(1, min(_QUERIES, _HITS // whole(limit, "limit", least=1)))
        if isinstance(queries, (np.ndarray, Embeddings)):
            parts = _vector_parts(queries, per_call)
        else:
            parts = _query_parts(queries, per_call)
        hits: list[list[Hit]] = []
        errors: dict[int, ItemError] = {}
        sequences: list[int] = []
        timings = Timings()
        async for request, count in parts:
            request.collection = collection_path(collection)
            request.limit, request.include_payloads = limit, include_payloads
            answer = await self._call(self._transport.collections.SearchRecords, request, timeout_seconds)
            errors.update(errors_of(answer.errors, offset=len(hits)))
            hits += hits_of(answer, count)
            sequences.append(answer.sequence)
            timings += timings_of(answer.timings)
        return SearchResults(hits, errors, min(sequences), timings)


async def _query_parts(queries: Sequence[Query], most: int) -> AsyncIterator[tuple[v1.SearchRecordsRequest, int]]:
    async for batch in cut(each(map(query_message, queries)), most, v1.Query.ByteSize):
        yield v1.SearchRecordsRequest(queries=batch), len(batch)


async def _vector_parts(queries: Floats | Embeddings, most: int) -> AsyncIterator[tuple[v1.SearchRecordsRequest, int]]:
    rows, space = matrix(queries)
    async for batch in cut(each(rows), most, lambda row: row.nbytes):
        request = v1.SearchRecordsRequest(vectors=tensors.encode(np.reshape(batch, (len(batch), rows.shape[1]))))
        if space is not None:
            request.space.CopyFrom(space_message(space))
        yield request, len(batch)
