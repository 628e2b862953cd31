"""Searching, written once for both clients; documented where it is called, in `Client`."""

from collections.abc import AsyncIterator, Sequence
from typing import Unpack, cast

import numpy as np

from frostline.client._batches import cut, each
from frostline.client._caller import Caller
from frostline.client._channel import REQUEST_BYTES
from frostline.client._from_wire import errors_of, exception_of, timings_of
from frostline.client._from_wire_hits import explanation_of, hits_of, recall_of
from frostline.client._to_wire import matrix, not_alone, space_message, vector_bytes
from frostline.client._to_wire_queries import SearchOptions, query_message, search_request
from frostline.client.errors import InvalidInput
from frostline.client.queries import Hits, Query, SearchResults
from frostline.client.types import Embeddings, Floats, ItemError, Timings
from frostline.v1 import search_service_pb2 as v1
from frostline.v1.embedding_pb2 import DTYPE_FLOAT32, Tensor
from frostline.wire import tensors

_QUERIES = 1024
_HITS = 20_000  # in one answer; with payloads of 1 KB that is a third of what a server sends by default
_LIMIT = 10  # the server's, where none is given
_RANGE_LIMIT = 10_000


class SearchCalls(Caller):
    """Searches collections."""

    async def search(
        self,
        collection: str,
        query: Query,
        *,
        keywords: str = "",
        timeout_seconds: float | None = None,
        **options: Unpack[SearchOptions],
    ) -> Hits:
        """Finds what is closest to one query; see `Client.search`."""
        request = search_request(collection, **options)
        if isinstance(query, np.ndarray) and not keywords:
            data = vector_bytes(query)  # as a matrix of one row: the cheapest query on both sides
            request.vectors.CopyFrom(Tensor(dtype=DTYPE_FLOAT32, shape=(1, len(query)), data=data))
        else:
            request.queries.append(query_message(query, keywords))
        answer = await self._found(request, timeout_seconds)
        if answer.errors:
            raise exception_of(errors_of(answer.errors, offset=0)[0])
        return hits_of(answer, 1)[0]

    async def search_batch(
        self,
        collection: str,
        queries: Sequence[Query] | Floats | Embeddings,
        *,
        keywords: str | Sequence[str] = "",
        timeout_seconds: float | None = None,
        **options: Unpack[SearchOptions],
    ) -> SearchResults:
        """Finds what is closest to each of several queries; see `Client.search_batch`."""
        not_alone(queries)
        shared = search_request(collection, **options)
        limit = shared.limit or (_RANGE_LIMIT if shared.range else _LIMIT)
        per_call = max(1, min(_QUERIES, _HITS // limit))
        if isinstance(queries, (np.ndarray, Embeddings)) and not keywords:
            parts = _vector_parts(queries, per_call)
        else:
            parts = _query_parts(queries, keywords, per_call)
        hits: list[Hits] = []
        errors: dict[int, ItemError] = {}
        seen: list[tuple[int, float]] = []
        timings, explanation = Timings(), None
        async for request, count in parts:
            request.MergeFrom(shared)
            answer = await self._found(request, timeout_seconds)
            if answer.errors:
                errors.update(errors_of(answer.errors, offset=len(hits)))
            hits += hits_of(answer, count)
            seen.append((answer.sequence, recall_of(answer)))
            timings += timings_of(answer.timings)
            explanation = explanation or explanation_of(answer)
        sequences, recalls = zip(*seen, strict=True)
        return SearchResults(hits, errors, min(sequences), timings, min(recalls), explanation)

    async def _found(self, request: v1.SearchRecordsRequest, timeout_seconds: float | None) -> v1.SearchRecordsResponse:
        searches = self._transport.searches
        if request.queries or request.min_sequence:  # these may wait, and a call of its own tells the server how long
            return await self._call(searches.SearchRecords, request, timeout_seconds)
        return await self._ask(searches.SearchRecords, searches.StreamSearchRecords, request, timeout_seconds)


async def _query_parts(
    queries: Sequence[Query] | Floats | Embeddings, keywords: str | Sequence[str], most: int
) -> AsyncIterator[tuple[v1.SearchRecordsRequest, int]]:
    each_query = cast("Sequence[Query]", matrix(queries)[0] if isinstance(queries, Embeddings) else queries)
    words = [keywords] * len(each_query) if isinstance(keywords, str) else keywords
    if len(words) != len(each_query):
        raise InvalidInput(f"{len(words)} keywords do not fit {len(each_query)} queries; give one for all, or each one")
    messages = list(map(query_message, each_query, words))
    if isinstance(queries, Embeddings):
        for message in messages:
            message.vector.space.CopyFrom(space_message(queries.space))
    async for batch in cut(each(messages), most, v1.Query.ByteSize):
        yield v1.SearchRecordsRequest(queries=batch), len(batch)


async def _vector_parts(queries: Floats | Embeddings, most: int) -> AsyncIterator[tuple[v1.SearchRecordsRequest, int]]:
    rows, space = matrix(queries)
    step = max(1, min(most, REQUEST_BYTES // max(1, 4 * rows.shape[1])))
    for start in range(0, len(rows) or 1, step):  # where there are none, the server still checks what else was asked
        part = rows[start : start + step]
        request = v1.SearchRecordsRequest(vectors=tensors.encode(part))
        if space is not None:
            request.space.CopyFrom(space_message(space))
        yield request, len(part)
