"""Searching records: queries become vectors, hits become columns."""

import asyncio
from collections.abc import Sequence
from time import perf_counter

from frostline.server.api import convert
from frostline.server.api.inputs import CollectionInputs, Source, Vectors, Waiting
from frostline.server.api.status import item_error
from frostline.server.collections.collection import Collection
from frostline.server.encoders.space import EmbeddingSpace
from frostline.server.errors import DataDamaged, FrostlineError, InvalidInput, NotFound
from frostline.v1 import collection_service_pb2 as pb

DEFAULT_LIMIT = 10
LARGEST_LIMIT = 10_000
MOST_QUERIES = 1024


class Searches:
    """Runs the searches of requests.

    Args:
        inputs: embeds contents.
    """

    def __init__(self, inputs: CollectionInputs) -> None:
        self._inputs = inputs

    async def run(
        self, collection: Collection, request: pb.SearchRecordsRequest, waiting: Waiting
    ) -> pb.SearchRecordsResponse:
        """Answers several queries.

        Args:
            collection: is searched.
            request: the queries.
            waiting: how long the caller waits.

        Raises:
            InvalidInput: the request as a whole is not right.
            SpaceMismatch: its vectors live in another space, or the encoder has changed.
        """
        if not 0 <= request.limit <= LARGEST_LIMIT:
            raise InvalidInput(f"limit {request.limit} is out of range; ask for 1 to {LARGEST_LIMIT} hits")
        sources = await asyncio.to_thread(_sources, request, collection)
        vectors = await self._inputs.embed(collection, sources, collection.config.query_prompt, waiting)
        return await asyncio.to_thread(_search, collection, request, vectors)


def _search(collection: Collection, request: pb.SearchRecordsRequest, vectors: Vectors) -> pb.SearchRecordsResponse:
    good = [index for index in range(len(vectors.rows)) if index not in vectors.errors]
    themselves = [request.queries[index].record_id or None if request.queries else None for index in good]
    started = perf_counter()
    hits = collection.search(
        vectors.rows[good],
        request.limit or DEFAULT_LIMIT,
        request.include_payloads,
        exclude=themselves if any(themselves) else None,
    )
    vectors.timings.search_seconds = perf_counter() - started
    counts = dict(zip(good, map(len, hits.ids), strict=True))
    return pb.SearchRecordsResponse(
        hit_counts=[counts.get(index, 0) for index in range(len(vectors.rows))],
        ids=[each for ids in hits.ids for each in ids],
        scores=b"".join(scores.astype("<f4").tobytes() for scores in hits.scores),
        payloads=[each for payloads in hits.payloads or () for each in payloads],
        errors=[item_error(index, error) for index, error in sorted(vectors.errors.items())],
        sequence=hits.sequence,
        timings=vectors.timings,
    )


def _sources(request: pb.SearchRecordsRequest, collection: Collection) -> list[Source]:
    space, where = collection.config.space, f"collection {collection.config.id!r}"
    if request.HasField("space"):
        space.expect(convert.space(request.space), where)
    if request.HasField("vectors"):
        if request.queries:
            raise InvalidInput("the request has both queries and vectors; give one of them")
        rows = convert.matrix(request.vectors, None, space, where)
        convert.at_most(len(rows), MOST_QUERIES, "queries")
        return list(rows)
    convert.at_most(len(request.queries), MOST_QUERIES, "queries")
    named = _named(collection, [query.record_id for query in request.queries if query.record_id])
    return [_source(query, named, space, where) for query in request.queries]


def _named(collection: Collection, ids: Sequence[str]) -> dict[str, Source]:
    named: dict[str, Source] = {}
    for record_id, record in collection.get(ids, payloads=False, vectors=True).items():
        source = record if isinstance(record, DataDamaged) else record.vector
        if source is not None:
            named[record_id] = source
    return named


def _source(query: pb.Query, named: dict[str, Source], space: EmbeddingSpace, where: str) -> Source:
    match query.WhichOneof("kind"):
        case "text":
            return query.text
        case "image":
            return query.image
        case "vector":
            try:
                return convert.vector(query.vector, space, where)
            except FrostlineError as error:
                return error
        case "record_id" if query.record_id in named:
            return named[query.record_id]
        case "record_id":
            return NotFound(f"{where} has no record {query.record_id!r}")
        case _:
            return InvalidInput("the query holds neither text, image, vector nor record id")
