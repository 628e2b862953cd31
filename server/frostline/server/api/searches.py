"""Searching records: queries become vectors, hits become columns.

Ready vectors without more take the short way: they are checked here, searched in the lane, and that is all.
"""

import asyncio
from collections.abc import Callable
from time import perf_counter

import numpy as np
from numpy.typing import NDArray

from frostline.server.api import convert, filters, given_vectors
from frostline.server.api.content_vectors import ContentVectors
from frostline.server.api.inputs import Waiting
from frostline.server.api.off_loop import off_loop
from frostline.server.api.search_answer import search_answer
from frostline.server.api.search_lane import SearchLane
from frostline.server.api.search_options import search_mode, search_options
from frostline.server.api.search_queries import QueryReader
from frostline.server.api.sequences import at_sequence
from frostline.server.collections.collection import Collection
from frostline.server.collections.search.query import Hits, Leg, SearchMode, SearchOptions, SearchQuery
from frostline.server.errors import FrostlineError, InvalidInput
from frostline.v1 import search_service_pb2 as pb
from frostline.v1.embedding_pb2 import Timings

MOST_QUERIES = 1024

_FEW_HITS = 1000
"""So many are written into an answer in less time than a thread takes to begin."""


class Searches:
    """Runs the searches of requests.

    Args:
        contents: embeds them.
        lane: runs searches by ready vectors.
    """

    def __init__(self, contents: ContentVectors, lane: SearchLane) -> None:
        self._queries = QueryReader(contents)
        self._lane = lane

    async def run(
        self, find: Callable[[], Collection], request: pb.SearchRecordsRequest, waiting: Waiting
    ) -> pb.SearchRecordsResponse:
        """Answers several queries.

        Args:
            find: finds the collection.
            request: the queries.
            waiting: how long the caller waits.

        Raises:
            InvalidInput: the request as a whole is not right.
            NotFound: the collection has no such vector, or all queries are contents and the encoder is gone.
            SpaceMismatch: the vectors live in another space, or all queries are contents and the encoder has changed.
            DeadlineExceeded: the commit that is waited for has not come.
        """
        collection = await at_sequence(find, request.min_sequence, waiting)
        mode = search_mode(request)
        options = search_options(request, mode)
        slot = _check(request, collection, mode)
        started = perf_counter()
        if request.HasField("vectors") or _only_vectors(request, mode):
            rows, errors = await off_loop(request, _count(request), lambda: _rows(request, collection, slot))
            hits = await self._by_vectors(collection, slot, rows, errors, request, options)
            count, timings = len(rows), Timings()
        else:
            queries = await self._queries.read(collection, request, mode, waiting)
            count, errors, timings = len(request.queries), queries.errors, queries.timings
            started = perf_counter()
            good = [query for _, query in sorted(queries.good.items())]
            hits = await asyncio.to_thread(collection.search, good, options)
        timings.search_seconds = perf_counter() - started
        if count * (options.limit + 1) <= _FEW_HITS:
            return search_answer(hits, count, errors, timings, options.explain)
        return await asyncio.to_thread(search_answer, hits, count, errors, timings, options.explain)

    async def _by_vectors(
        self,
        collection: Collection,
        slot: int,
        rows: NDArray[np.float32],
        errors: dict[int, FrostlineError],
        request: pb.SearchRecordsRequest,
        options: SearchOptions,
    ) -> Hits:
        if errors:
            rows = rows[[index for index in range(len(rows)) if index not in errors]]
        if not len(rows) or _is_special(options):
            legs = [SearchQuery((Leg(slot, row),)) for row in rows]
            return await asyncio.to_thread(collection.search, legs, options)

        def search(vectors: NDArray[np.float32]) -> Hits:
            return collection.search_vectors(vectors, slot, options)

        # The first search after a commit finds out what the filter lets through; payloads are read from a file.
        known = options.expression is None or collection.remembers(options.expression)
        steady = known and not options.payloads
        return await self._lane.search(_kind(collection, slot, request, options), search, rows, steady=steady)


def _check(request: pb.SearchRecordsRequest, collection: Collection, mode: SearchMode) -> int:
    """Checks what belongs together; returns the slot of the vector name that is searched."""
    config = collection.config
    slot = config.slot(request.vector_name)
    if request.HasField("space"):
        config.vectors[slot].space.expect(convert.space(request.space), given_vectors.where(collection, slot))
    if mode is SearchMode.VECTOR:
        if any(query.keywords for query in request.queries):
            raise InvalidInput(
                "a query has keywords, which a search by vectors does not look at; take mode HYBRID or KEYWORD"
            )
    else:
        if request.HasField("vectors"):
            raise InvalidInput(f"a {mode} search needs words, so queries instead of vectors")
        if not config.keep_content:
            raise InvalidInput(
                f"collection {config.id!r} keeps no texts, so it has no keywords; make one with keep_content"
            )
    if not request.HasField("vectors"):
        convert.at_most(len(request.queries), MOST_QUERIES, "queries")
    elif request.queries:
        raise InvalidInput("the request has both queries and vectors; give one of them")
    return slot


def _only_vectors(request: pb.SearchRecordsRequest, mode: SearchMode) -> bool:
    return mode is SearchMode.VECTOR and all(query.HasField("vector") for query in request.queries)


def _count(request: pb.SearchRecordsRequest) -> int:
    return request.vectors.shape[0] if request.vectors.shape else len(request.queries)


def _rows(
    request: pb.SearchRecordsRequest, collection: Collection, slot: int
) -> tuple[NDArray[np.float32], dict[int, FrostlineError]]:
    """The vectors of the queries, float32 of shape (q, d), and what is wrong with some of them."""
    if request.HasField("vectors"):
        convert.at_most(_count(request), MOST_QUERIES, "queries")
        return given_vectors.many(request.vectors, None, collection, slot)
    rows = np.zeros((len(request.queries), collection.config.vectors[slot].space.dimensions), np.float32)
    errors: dict[int, FrostlineError] = {}
    for index, query in enumerate(request.queries):
        try:
            rows[index] = given_vectors.one(query.vector, collection, slot)
        except FrostlineError as error:
            errors[index] = error
    return rows, errors


def _is_special(options: SearchOptions) -> bool:
    """Whether the search is not for the lane: it takes long, or says what was done for its caller alone."""
    return bool(options.whole_range or options.diversity or options.grouping or options.exact or options.explain)


def _kind(
    collection: Collection, slot: int, request: pb.SearchRecordsRequest, options: SearchOptions
) -> tuple[object, ...]:
    return (
        collection.token,
        slot,
        options.limit,
        options.offset,
        options.min_score,
        options.payloads,
        options.payload_fields,
        filters.filter_digest(request.filter) if options.expression is not None else None,
    )
