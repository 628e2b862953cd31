"""Writing records: what has no vector is embedded, what is right is written, each item that is not says why."""

import asyncio
import hashlib
from collections.abc import Sequence
from concurrent.futures import Future
from time import perf_counter

import numpy as np
from numpy.typing import NDArray

from frostline.server.api import convert
from frostline.server.api.inputs import CollectionInputs, Source, Waiting
from frostline.server.api.status import item_error
from frostline.server.api.streams import Turn
from frostline.server.collections.collection import Collection
from frostline.server.collections.config import CollectionConfig
from frostline.server.collections.operations import Written
from frostline.server.collections.records import Record
from frostline.server.collections.validation import check_id, check_payload
from frostline.server.encoders.space import EmbeddingSpace
from frostline.server.errors import FrostlineError, InvalidInput
from frostline.v1 import collection_service_pb2 as pb

MOST_RECORDS = 10_000


class RecordWriter:
    """Writes the records of requests.

    Args:
        inputs: embeds contents.
    """

    def __init__(self, inputs: CollectionInputs) -> None:
        self._inputs = inputs

    async def upsert(
        self, collection: Collection, request: pb.UpsertRecordsRequest, waiting: Waiting, turn: Turn | None = None
    ) -> pb.UpsertRecordsResponse:
        """Writes one batch.

        Args:
            collection: takes the records.
            request: the batch.
            waiting: how long the caller waits.
            turn: in a stream, keeps the writes in order; contents are embedded before it comes.

        Raises:
            InvalidInput: the batch as a whole is not right.
            SpaceMismatch: its vectors live in another space, or the encoder has changed.
        """
        convert.at_most(len(request.records), MOST_RECORDS, "records")
        config = collection.config
        sources = await asyncio.to_thread(_sources, request, config)
        vectors = await self._inputs.embed(collection, sources, config.document_prompt, waiting)
        records = [
            _record(message, vectors.rows[index])
            for index, message in enumerate(request.records)
            if index not in vectors.errors
        ]
        if turn:
            await turn.come()
        started = perf_counter()
        writing = await asyncio.to_thread(_write, collection, records, request) if records else None
        if turn:
            turn.over()
        written = await asyncio.wrap_future(writing) if writing else Written(0, collection.sequence)
        if writing:
            vectors.timings.write_seconds = perf_counter() - started
        return pb.UpsertRecordsResponse(
            upserted_count=written.count,
            errors=[item_error(index, error) for index, error in sorted(vectors.errors.items())],
            sequence=written.sequence,
            timings=vectors.timings,
        )


def record_message(record: Record, space: EmbeddingSpace) -> pb.Record:
    """Describes a record.

    Args:
        record: as it was read.
        space: its collection's.
    """
    message = pb.Record(id=record.id, payload=record.payload, sequence=record.sequence)
    if record.text is not None:
        message.text = record.text
    if record.image is not None:
        message.image = record.image
    if record.vector is not None:
        message.vector.data = record.vector.astype("<f4").tobytes()
        message.vector.space.CopyFrom(convert.space_message(space))
    return message


def _sources(request: pb.UpsertRecordsRequest, config: CollectionConfig) -> list[Source]:
    where = f"collection {config.id!r}"
    if request.HasField("space"):
        config.space.expect(convert.space(request.space), where)
    rows: Sequence[Source | None] = [None] * len(request.records)
    if request.HasField("vectors"):
        rows = list(convert.matrix(request.vectors, len(request.records), config.space, where))
    return [_source(record, row, config.space, where) for record, row in zip(request.records, rows, strict=True)]


def _source(record: pb.Record, row: Source | None, space: EmbeddingSpace, where: str) -> Source:
    try:
        check_id(record.id)
        check_payload(record.payload)
        if row is not None and record.HasField("vector"):
            return InvalidInput("the record has a vector beside the row in `vectors`; give one of them")
        if record.HasField("vector"):
            return convert.vector(record.vector, space, where)
    except FrostlineError as error:
        return error
    if row is not None:
        return row
    match record.WhichOneof("content"):
        case "text":
            return record.text
        case "image":
            return record.image
        case _:
            return InvalidInput("the record has neither text, image nor vector; give one of them")


def _write(collection: Collection, records: Sequence[Record], request: pb.UpsertRecordsRequest) -> "Future[Written]":
    if not request.request_id:
        return collection.upsert(records)
    # Of the request as it was sent: vectors computed from it differ in their last bits.
    digest = hashlib.sha256(request.SerializeToString(deterministic=True)).digest()
    return collection.upsert(records, request.request_id, digest)


def _record(message: pb.Record, vector: NDArray[np.float32]) -> Record:
    content = message.WhichOneof("content")
    return Record(
        id=message.id,
        vector=vector,
        payload=message.payload or b"{}",
        text=message.text if content == "text" else None,
        image=message.image if content == "image" else None,
    )
