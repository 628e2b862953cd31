"""Writing records, written once for both clients; documented where it is called, in `Client`."""

import uuid
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Iterable, Mapping, Sequence
from contextlib import aclosing
from itertools import repeat
from typing import Any, cast

from numpy.typing import ArrayLike

from frostline.client._batches import cut, cut_ready, each
from frostline.client._caller import WINDOW, WRITE_WINDOW, Caller
from frostline.client._from_wire import errors_of, timings_of
from frostline.client._to_wire import (
    collection_path,
    id_bytes,
    matrix,
    not_alone,
    patch_message,
    plain_record_message,
    record_message,
    space_message,
    unicode,
)
from frostline.client._to_wire_filters import filter_message
from frostline.client.errors import InvalidInput
from frostline.client.types import Deleted, Embeddings, ItemError, Patched, PayloadPatch, Record, Timings, Upserted
from frostline.v1 import record_service_pb2 as v1
from frostline.wire import tensors

_MOST = 10_000  # records, patches or ids that a server takes at once


class WriteCalls(Caller):
    """Writes, patches and deletes records."""

    async def upsert(
        self,
        collection: str,
        records: Iterable[Record] | AsyncIterable[Record],
        *,
        skip_unchanged: bool = False,
        batch_size: int = 256,
        timeout_seconds: float | None = None,
    ) -> Upserted:
        """Writes records; see `Client.upsert`."""
        not_alone(records)
        return await self._upsert(_requests(collection, records, batch_size, skip_unchanged), timeout_seconds)

    async def upsert_batches(
        self,
        collection: str,
        batches: Iterable[Sequence[Record]] | AsyncIterable[Sequence[Record]],
        *,
        skip_unchanged: bool = False,
        timeout_seconds: float | None = None,
    ) -> AsyncGenerator[Upserted]:
        """Writes batch after batch; see `Client.upsert_batches`."""
        ends: deque[bool] = deque()  # for each request under way, whether it is the last of its batch

        async def requests() -> AsyncIterator[v1.UpsertRecordsRequest]:
            async for batch in each(batches):
                pieces = [piece async for piece in _requests(collection, batch, _MOST, skip_unchanged)]
                for number, piece in enumerate(pieces, 1):
                    ends.append(number == len(pieces))
                    yield piece

        tally = _Tally()
        stream = self._transport.records.StreamUpsertRecords
        async with aclosing(self._stream(stream, requests(), timeout_seconds)) as answers:
            async for request, answer in answers:
                tally.add(answer, len(request.records))
                if ends.popleft():
                    yield tally.upserted()
                    tally = _Tally()

    async def upsert_vectors(
        self,
        collection: str,
        ids: Sequence[str],
        vectors: ArrayLike | Embeddings,
        payloads: Sequence[Mapping[str, Any]] | None = None,
        *,
        vector_name: str = "",
        batch_size: int = 1000,
        timeout_seconds: float | None = None,
    ) -> Upserted:
        """Writes vectors; see `Client.upsert_vectors`."""
        not_alone(ids)
        rows, space = matrix(vectors)
        if not len(ids) == len(rows) == len(payloads if payloads is not None else ids):
            given = "no" if payloads is None else len(payloads)
            raise InvalidInput(f"{len(ids)} ids, {len(rows)} vectors and {given} payloads do not fit; give one of each")
        records = map(plain_record_message, ids, payloads if payloads is not None else repeat({}))
        row_bytes = 4 * rows.shape[1]

        async def requests() -> AsyncIterator[v1.UpsertRecordsRequest]:
            start = 0
            for batch in cut_ready(records, batch_size, lambda record: record.ByteSize() + row_bytes):
                request = _request(collection, batch)
                request.vector_name = unicode(vector_name)
                request.vectors.CopyFrom(tensors.encode(rows[start : start + len(batch)]))
                if space is not None:
                    request.space.CopyFrom(space_message(space))
                start += len(batch)
                yield request

        return await self._upsert(requests(), timeout_seconds, WRITE_WINDOW)

    async def patch_payloads(
        self,
        collection: str,
        patches: Mapping[str, Mapping[str, Any]] | Iterable[PayloadPatch],
        *,
        timeout_seconds: float | None = None,
    ) -> Patched:
        """Changes parts of payloads; see `Client.patch_payloads`."""
        given = _patches(patches)
        asked = count = sequence = 0
        errors: dict[int, ItemError] = {}
        async for batch in cut(each(map(patch_message, given)), _MOST, v1.PayloadPatch.ByteSize):
            request = v1.PatchPayloadsRequest(
                collection=collection_path(collection), patches=batch, request_id=uuid.uuid4().hex
            )
            answer = await self._call(self._transport.records.PatchPayloads, request, timeout_seconds)
            errors.update(errors_of(answer.errors, offset=asked))
            asked += len(batch)
            count += answer.patched_count
            sequence = max(sequence, answer.sequence)
        return Patched(count, errors, sequence)

    async def delete(
        self,
        collection: str,
        ids: Iterable[str] | None = None,
        *,
        filter: str = "",
        parameters: Mapping[str, Any] | None = None,
        timeout_seconds: float | None = None,
    ) -> Deleted:
        """Deletes records by id or filter; see `Client.delete`."""
        not_alone(ids)
        # A blank filter means every record, which nobody deletes by accident.
        if (ids is None) == (not filter.strip()):
            raise InvalidInput("name either the ids to delete or a filter; delete_collection deletes all")
        count = sequence = 0
        async for batch in cut(each(map(unicode, ids or ())), _MOST, id_bytes):
            if ids is not None and not batch:
                break  # nothing to delete; the server takes such a request for a mistake
            request = v1.DeleteRecordsRequest(
                collection=collection_path(collection),
                ids=batch,
                request_id=uuid.uuid4().hex,
                filter=filter_message(filter, parameters),
            )
            answer = await self._call(self._transport.records.DeleteRecords, request, timeout_seconds)
            count += answer.deleted_count
            sequence = max(sequence, answer.sequence)
        return Deleted(count, sequence)

    async def _upsert(
        self, requests: AsyncIterator[v1.UpsertRecordsRequest], timeout_seconds: float | None, window: int = WINDOW
    ) -> Upserted:
        tally = _Tally()
        stubs = self._transport.records
        async with aclosing(
            self._call_or_stream(stubs.UpsertRecords, stubs.StreamUpsertRecords, requests, timeout_seconds, window)
        ) as answers:
            async for request, answer in answers:
                tally.add(answer, len(request.records))
        return tally.upserted()


def _patches(patches: Mapping[str, Mapping[str, Any]] | Iterable[PayloadPatch]) -> Iterable[PayloadPatch]:
    if isinstance(patches, Mapping):
        return [PayloadPatch(id, patch) for id, patch in cast("Mapping[str, Mapping[str, Any]]", patches).items()]
    return patches


async def _requests(
    collection: str, records: Iterable[Record] | AsyncIterable[Record], batch_size: int, skip_unchanged: bool
) -> AsyncIterator[v1.UpsertRecordsRequest]:
    messages = (record_message(record) async for record in each(records))
    async for batch in cut(messages, batch_size, v1.Record.ByteSize):
        request = _request(collection, batch)
        request.skip_unchanged = skip_unchanged
        yield request


def _request(collection: str, records: Sequence[v1.Record]) -> v1.UpsertRecordsRequest:
    # The request id is chosen here, once, and so outlives retries.
    return v1.UpsertRecordsRequest(collection=collection_path(collection), records=records, request_id=uuid.uuid4().hex)


class _Tally:
    """Answers of several requests become the answer of one call."""

    def __init__(self) -> None:
        self._records = self._count = self._sequence = self._unchanged = self._reused = 0
        self._errors: dict[int, ItemError] = {}
        self._timings = Timings()

    def add(self, answer: v1.UpsertRecordsResponse, records: int) -> None:
        self._errors.update(errors_of(answer.errors, offset=self._records))
        self._records += records
        self._count += answer.upserted_count
        self._unchanged += answer.unchanged_count
        self._reused += answer.reused_count
        self._sequence = answer.sequence
        self._timings += timings_of(answer.timings)

    def upserted(self) -> Upserted:
        return Upserted(self._count, self._errors, self._sequence, self._timings, self._unchanged, self._reused)
