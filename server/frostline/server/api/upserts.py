"""Writing records: what has no vector is embedded, what is right is written, each item that is not says why."""

import asyncio
import hashlib
from collections import Counter
from collections.abc import Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from time import perf_counter

import numpy as np
from numpy.typing import NDArray

from frostline.server.api import convert, given_vectors, ready_vectors
from frostline.server.api.content_vectors import ContentVectors, Vectors, Wanted, refusal
from frostline.server.api.inputs import Waiting
from frostline.server.api.off_loop import off_loop
from frostline.server.api.ready_vectors import Columns
from frostline.server.api.record_message import check_record, condition, content_for, contents, own_vectors
from frostline.server.api.status import item_error
from frostline.server.api.streams import Turn
from frostline.server.collections.collection import Collection
from frostline.server.collections.rows.checksums import content_hash
from frostline.server.collections.rows.operations import UpsertVectors, Write, Written
from frostline.server.collections.rows.records import Record, Stored
from frostline.server.encoders.bundle import Manifest
from frostline.server.errors import Conflict, FrostlineError, InvalidInput
from frostline.v1 import record_service_pb2 as pb

MOST_RECORDS = 10_000


@dataclass(slots=True)
class _Batch:
    """What becomes of the records of a request, by their position.

    Attributes:
        vectors: by name, of those to be written.
        wanted: position and vector name of each vector that is to be made, and how.
        reused: the sequences of stored records whose vectors are kept.
        unchanged: records that are passed over.
        columns: all that is to be written, where the records bring nothing but ids, payloads and rows of `vectors`.
        errors: why a record is refused.
    """

    vectors: dict[int, dict[str, NDArray[np.float32]]] = field(
        default_factory=dict[int, dict[str, NDArray[np.float32]]]
    )
    wanted: list[tuple[int, str, Wanted]] = field(default_factory=list[tuple[int, str, Wanted]])
    reused: dict[int, int] = field(default_factory=dict[int, int])
    unchanged: int = 0
    columns: Columns | None = None
    errors: dict[int, FrostlineError] = field(default_factory=dict[int, FrostlineError])


class RecordWriter:
    """Writes the records of requests.

    Args:
        contents: embeds them.
    """

    def __init__(self, contents: ContentVectors) -> None:
        self._contents = contents

    async def upsert(
        self, collection: Collection, request: pb.UpsertRecordsRequest, waiting: Waiting, turn: Turn | None = None
    ) -> pb.UpsertRecordsResponse:
        """Writes one batch.

        Args:
            collection: takes the records.
            request: the batch.
            waiting: how long the caller waits.
            turn: in a stream, keeps the writes in order; contents are embedded before it comes. Not so where unchanged
                records are passed over: what is stored is only known once the batches before are written.

        Raises:
            InvalidInput: the batch as a whole is not right.
            NotFound: the collection has no such vector, or there are only contents and the encoder is gone.
            SpaceMismatch: the vectors live in another space, or there are only contents and the encoder has changed.
        """
        convert.at_most(len(request.records), MOST_RECORDS, "records")
        if turn and request.skip_unchanged:
            await turn.come()
        items = MOST_RECORDS if request.skip_unchanged else len(request.records)  # what is stored is on a disk
        batch = await off_loop(request, items, lambda: self._read(collection, request))
        vectors = await self._contents.make(collection, [each for _, _, each in batch.wanted], waiting)
        _take(batch, vectors)
        vectors.raise_if_all([batch.errors.get(index) for index in range(len(request.records))])
        if turn and not request.skip_unchanged:
            await turn.come()
        started = perf_counter()
        written = await _write(collection, request, batch, turn)
        if written.count:
            vectors.timings.write_seconds = perf_counter() - started
        return pb.UpsertRecordsResponse(
            upserted_count=written.count,
            errors=[item_error(index, error) for index, error in sorted(batch.errors.items())],
            sequence=written.sequence,
            timings=vectors.timings,
            unchanged_count=batch.unchanged,
            reused_count=len(batch.reused.keys() - batch.errors.keys()),
        )

    def _read(self, collection: Collection, request: pb.UpsertRecordsRequest) -> _Batch:
        batch = _Batch(columns=ready_vectors.columns(request))
        if batch.columns:
            batch.errors = ready_vectors.check(batch.columns)
            rows, name = _matrix(collection, request, batch)
            assert rows is not None
            batch.columns.take(collection.config.slot(name), rows, batch.errors)
            return batch
        for index, message in enumerate(request.records):
            try:
                check_record(message)
            except FrostlineError as error:
                batch.errors[index] = error
        rows, name = _matrix(collection, request, batch)
        stored = _stored(collection, request)
        manifests = [self._contents.manifest(collection, slot) for slot in range(len(collection.config.vectors))]
        for index, message in enumerate(request.records):
            if index in batch.errors or _passed_over(index, message, stored.get(message.id), batch):
                continue
            try:
                vectors = own_vectors(message, collection)
                if rows is not None:
                    if name in vectors:
                        raise InvalidInput("the record has a vector beside its row in `vectors`; give one of them")
                    vectors[name] = rows[index]
                if vectors and request.skip_unchanged:
                    raise InvalidInput("the record has a vector beside skip_unchanged; leave one of them out")
                _want(index, message, vectors, collection, manifests, batch)
                batch.vectors[index] = vectors
            except FrostlineError as error:
                batch.errors[index] = error
        return batch


def _matrix(
    collection: Collection, request: pb.UpsertRecordsRequest, batch: _Batch
) -> tuple[NDArray[np.float32] | None, str]:
    """The vectors that came as one array, and their name."""
    slot = collection.config.slot(request.vector_name)
    if request.HasField("space"):
        expected = collection.config.vectors[slot].space
        expected.expect(convert.space(request.space), given_vectors.where(collection, slot))
    if not request.HasField("vectors"):
        return None, ""
    if request.skip_unchanged:
        raise InvalidInput("the request has vectors beside skip_unchanged; leave one of them out")
    rows, errors = given_vectors.many(request.vectors, len(request.records), collection, slot)
    for index, error in errors.items():
        batch.errors.setdefault(index, error)
    return rows, collection.config.vectors[slot].name


def _stored(collection: Collection, request: pb.UpsertRecordsRequest) -> Mapping[str, Stored]:
    if not request.skip_unchanged:
        return {}
    times = Counter(record.id for record in request.records)
    # Of those that come twice, which is stored last is known only later: they are written in any case.
    return collection.stored([record_id for record_id, count in times.items() if count == 1])


def _passed_over(index: int, message: pb.Record, stored: Stored | None, batch: _Batch) -> bool:
    """Whether the vectors of the record are there already; what is to be done is noted."""
    if stored is None or message.HasField("vector") or message.vectors or contents(message) == (None, None):
        return False
    if condition(message) not in (None, stored.sequence) or content_hash(*contents(message)) != stored.content_hash:
        return False
    if (message.payload or b"{}") == stored.payload:
        batch.unchanged += 1
    else:
        batch.reused[index] = stored.sequence
    return True


def _want(
    index: int,
    message: pb.Record,
    vectors: Mapping[str, NDArray[np.float32]],
    collection: Collection,
    manifests: list[Manifest | FrostlineError | None],
    batch: _Batch,
) -> None:
    """Notes which vectors are to be made of the record's content."""
    wanted: list[tuple[int, str, Wanted]] = []
    text, image = contents(message)
    for slot, vector_field in enumerate(collection.config.vectors):
        manifest = manifests[slot]
        if vector_field.name in vectors or manifest is None:
            continue
        if isinstance(manifest, FrostlineError):  # what it would take is not known; it says why it cannot
            content = text if text is not None else image
        else:
            content = content_for(message, manifest.modality)
        if content is not None:
            wanted.append((index, vector_field.name, Wanted(slot, content, vector_field.document_prompt)))
    if not vectors and not wanted:
        raise refusal(text if text is not None else image, manifests)
    batch.wanted += wanted


def _take(batch: _Batch, vectors: Vectors) -> None:
    for (index, name, _), made in zip(batch.wanted, vectors.made, strict=True):
        if isinstance(made, FrostlineError):
            batch.errors.setdefault(index, made)
        else:
            batch.vectors[index][name] = made


async def _write(collection: Collection, request: pb.UpsertRecordsRequest, batch: _Batch, turn: Turn | None) -> Written:
    positions = (
        batch.columns.positions
        if batch.columns
        else sorted(batch.reused.keys() | (batch.vectors.keys() - batch.errors.keys()))
    )
    if not positions:
        if turn:
            turn.over()
        return Written(0, collection.sequence)
    writing = await off_loop(request, len(positions), lambda: _submit(collection, request, batch, positions))
    if turn and not request.skip_unchanged:
        turn.over()
    written = await asyncio.wrap_future(writing)
    if turn and request.skip_unchanged:
        turn.over()
    for place, error in written.errors.items():
        # A repeated request is answered as it was, although fewer of its records may have changed this time.
        if place < len(positions):
            batch.errors[positions[place]] = _told(error, positions[place], request, batch)
    return written


def _told(error: FrostlineError, index: int, request: pb.UpsertRecordsRequest, batch: _Batch) -> FrostlineError:
    record = request.records[index]
    if not isinstance(error, Conflict) or index not in batch.reused or condition(record) is not None:
        return error
    return Conflict(
        f"record {record.id!r} was written by someone else while it was compared with what is stored; send it again"
    )


def _submit(
    collection: Collection, request: pb.UpsertRecordsRequest, batch: _Batch, positions: list[int]
) -> "Future[Written]":
    digest = b""
    if request.request_id:
        # Of the request as it was sent: vectors computed from it differ in their last bits.
        digest = hashlib.sha512(request.SerializeToString(deterministic=True)).digest()[:16]
    if ready := batch.columns:
        operation = UpsertVectors(ready.slot, ready.ids, ready.payloads, ready.vectors, request.request_id, digest)
        return collection.upsert_vectors(operation)
    writes = [_as_write(request.records[index], index, batch) for index in positions]
    return collection.upsert(writes, request.request_id, digest)


def _as_write(message: pb.Record, index: int, batch: _Batch) -> Write:
    text, image = contents(message)
    sequence = batch.reused.get(index)
    record = Record(
        id=message.id,
        vectors={} if sequence is not None else batch.vectors[index],
        payload=message.payload or b"{}",
        text=text,
        image=image,
    )
    if sequence is not None:
        return Write(record, expected_sequence=sequence, keeps_vectors=True)
    return Write(record, expected_sequence=condition(message))
