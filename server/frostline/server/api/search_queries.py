"""What callers search for becomes queries: contents are embedded, records looked up, combinations added up."""

import asyncio
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from frostline.server.api import given_vectors
from frostline.server.api.content_vectors import ContentVectors, Made, Wanted
from frostline.server.api.inputs import Waiting
from frostline.server.collections.collection import Collection
from frostline.server.collections.config import Metric
from frostline.server.collections.rows.records import Record
from frostline.server.collections.search.query import Leg, SearchMode, SearchQuery
from frostline.server.encoders.encoder import Content
from frostline.server.errors import DataDamaged, FrostlineError, InvalidInput, NotFound
from frostline.v1 import search_service_pb2 as pb
from frostline.v1.embedding_pb2 import Timings

MOST_PARTS = 64

_CANCELLED = 1e-6
"""A sum of parts that is so short beside their weights is rounding and nothing else."""

Stored = Mapping[str, Record | DataDamaged]


@dataclass(slots=True)
class _Part:
    """One vector of a query.

    Attributes:
        query: position of the query.
        message: what the vector is made of.
        slot: of the vector name it is compared with.
        weight: in the sum of the parts of one vector name.
        vector: it, or why there is none.
    """

    query: int
    message: pb.Query | pb.QueryPart
    slot: int
    weight: float = 1.0
    vector: Made | None = None


@dataclass(slots=True)
class Queries:
    """What became of n queries.

    Attributes:
        good: by position.
        errors: why a query failed, by position.
        timings: where the time went.
    """

    good: dict[int, SearchQuery] = field(default_factory=dict[int, SearchQuery])
    errors: dict[int, FrostlineError] = field(default_factory=dict[int, FrostlineError])
    timings: Timings = field(default_factory=Timings)


class QueryReader:
    """Reads the queries of requests.

    Args:
        contents: embeds them.
    """

    def __init__(self, contents: ContentVectors) -> None:
        self._contents = contents

    async def read(
        self, collection: Collection, request: pb.SearchRecordsRequest, mode: SearchMode, waiting: Waiting
    ) -> Queries:
        """Reads all queries of a call; each fails alone.

        Args:
            collection: is searched.
            request: of the call.
            mode: how records are found.
            waiting: how long the caller waits.

        Raises:
            NotFound: the collection has no such vector, or all queries are contents and the encoder is gone.
            SpaceMismatch: all queries are contents, and the encoder has changed.
        """
        slot, queries = collection.config.slot(request.vector_name), Queries()
        parts: dict[int, list[_Part]] = {}
        for index, query in enumerate(request.queries):
            try:
                parts[index] = [] if mode is SearchMode.KEYWORD else _parts(index, query, slot, collection)
            except FrostlineError as error:
                queries.errors[index] = error
        every = [part for of_query in parts.values() for part in of_query]
        await _look_up(collection, every)
        await self._embed(collection, every, queries, len(request.queries), waiting)
        for index, of_query in parts.items():
            query = request.queries[index]
            try:
                legs = _legs(of_query, collection) if query.HasField("combination") else _leg(of_query)
                queries.good[index] = SearchQuery(legs, _keywords(query, mode), tuple(_record_ids(query)))
            except FrostlineError as error:
                queries.errors[index] = error
        return queries

    async def _embed(
        self, collection: Collection, parts: Sequence[_Part], queries: Queries, count: int, waiting: Waiting
    ) -> None:
        fields = collection.config.vectors
        asked = [(part, content) for part in parts if (content := _content(part.message)) is not None]
        wanted = [Wanted(part.slot, content, fields[part.slot].query_prompt) for part, content in asked]
        if not wanted:
            return
        vectors = await self._contents.make(collection, wanted, waiting)
        errors: list[FrostlineError | None] = [queries.errors.get(index) for index in range(count)]
        for (part, _), made in zip(asked, vectors.made, strict=True):
            part.vector = made
            if isinstance(made, FrostlineError):
                errors[part.query] = made
        vectors.raise_if_all(errors)
        queries.timings = vectors.timings


def _parts(index: int, query: pb.Query, slot: int, collection: Collection) -> list[_Part]:
    kind = query.WhichOneof("kind")
    if kind is None:
        raise InvalidInput("the query holds neither text, image, vector, record id nor a combination")
    if kind != "combination":
        return [_part(_Part(index, query, slot), collection)]
    messages = query.combination.parts
    if not 1 <= len(messages) <= MOST_PARTS:
        raise InvalidInput(f"the combination has {len(messages)} parts; give 1 to {MOST_PARTS}")
    parts: list[_Part] = []
    for message in messages:
        weight = message.weight if message.HasField("weight") else 1.0
        if not math.isfinite(weight) or not weight:
            raise InvalidInput(f"a part has the weight {weight:g}; give a number above or below 0")
        own = collection.config.slot(message.vector_name) if message.vector_name else slot
        parts.append(_part(_Part(index, message, own, weight), collection))
    return parts


def _part(part: _Part, collection: Collection) -> _Part:
    kind = part.message.WhichOneof("kind")
    if kind is None:
        raise InvalidInput("a part of the combination holds neither text, image, vector nor record id")
    if kind == "vector":
        part.vector = given_vectors.one(part.message.vector, collection, part.slot)
    return part


async def _look_up(collection: Collection, parts: Iterable[_Part]) -> None:
    asked = [part for part in parts if part.message.WhichOneof("kind") == "record_id"]
    if not asked:
        return
    ids = list(dict.fromkeys(part.message.record_id for part in asked))
    stored = await asyncio.to_thread(collection.get, ids, payloads=False, vectors=True)
    for part in asked:
        part.vector = _stored_vector(part, stored, collection)


def _stored_vector(part: _Part, stored: Stored, collection: Collection) -> Made:
    record_id, config = part.message.record_id, collection.config
    record = stored.get(record_id)
    if record is None:
        return NotFound(f"collection {config.id!r} has no record {record_id[:80]!r}")
    if isinstance(record, DataDamaged):
        return record
    name = config.vectors[part.slot].name
    if name not in record.vectors:
        return NotFound(f"record {record_id!r} has no vector {name!r}; search with another vector_name, or write one")
    return record.vectors[name]


def _leg(parts: Sequence[_Part]) -> tuple[Leg, ...]:
    return tuple(Leg(part.slot, _vector(part)) for part in parts)


def _legs(parts: Sequence[_Part], collection: Collection) -> tuple[Leg, ...]:
    """One leg for each vector name of a combination."""
    by_slot: dict[int, list[_Part]] = {}
    for part in parts:
        by_slot.setdefault(part.slot, []).append(part)
    return tuple(_sum(slot, of_slot, collection) for slot, of_slot in by_slot.items())


def _sum(slot: int, parts: Sequence[_Part], collection: Collection) -> Leg:
    """Adds up parts; the leg weighs as much as they do together."""
    field = collection.config.vectors[slot]
    weight = sum(abs(part.weight) for part in parts)
    if field.metric is Metric.EUCLIDEAN:  # a vector is a place and no direction, so this is the place between them
        total = sum((part.weight / weight * _vector(part).astype(np.float64) for part in parts), np.zeros(1))
        return Leg(slot, total.astype(np.float32), weight)
    total = np.zeros(field.space.dimensions)
    for part in parts:
        vector = _vector(part).astype(np.float64)
        length = float(np.linalg.norm(vector))
        if not length:
            raise InvalidInput("a part of the combination is a vector of zeros, which has no direction; leave it out")
        total += part.weight / length * vector
    length = float(np.linalg.norm(total))
    if length < _CANCELLED * weight:
        raise InvalidInput(
            f"the parts of vector {field.name!r} cancel each other out; change a weight, or leave one of them out"
        )
    return Leg(slot, (total / length).astype(np.float32), weight)


def _vector(part: _Part) -> NDArray[np.float32]:
    if isinstance(part.vector, FrostlineError):
        raise part.vector
    assert part.vector is not None  # vectors are read, records looked up and contents embedded
    return part.vector


def _content(message: pb.Query | pb.QueryPart) -> Content | None:
    match message.WhichOneof("kind"):
        case "text":
            return message.text
        case "image":
            return message.image
        case _:
            return None


def _keywords(query: pb.Query, mode: SearchMode) -> str:
    if mode is SearchMode.VECTOR:
        return ""
    texts = [query.text] if query.HasField("text") else [part.text for part in query.combination.parts]
    words = query.keywords or " ".join(text for text in texts if text)
    if not words.strip():
        raise InvalidInput(f"a {mode} search needs words; give the query `keywords`, or a text")
    return words


def _record_ids(query: pb.Query) -> Iterable[str]:
    messages = query.combination.parts if query.HasField("combination") else (query,)
    return (message.record_id for message in messages if message.HasField("record_id"))
