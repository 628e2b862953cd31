"""Operations on records, written once for both clients; documented where they are called, in `Client`."""

import uuid
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Iterable, Mapping, Sequence
from contextlib import aclosing
from typing import Any

from numpy.typing import ArrayLike

from frostline.client._batches import cut, each
from frostline.client._caller import Caller, pages
from frostline.client._from_wire import errors_of, exception_of, record_of, timings_of
from frostline.client._to_wire import collection_path, matrix, not_alone, record_message, space_message, unicode
from frostline.client.errors import InvalidInput
from frostline.client.types import Embeddings, ItemError, Record, Timings, Upserted
from frostline.v1 import collection_service_pb2 as v1
from frostline.wire import tensors

# What a server takes and answers at once: records and ids by its limits, content by its message limit of 64 MiB.
_BATCH_RECORDS = 10_000
_DELETE_IDS = 10_000
_READ_RECORDS = 1000
_READ_CONTENTS = 32


class RecordCalls(Caller):
    """Writes, reads and deletes records."""

    async def upsert(
        self,
        collection: str,
        records: Iterable[Record] | AsyncIterable[Record],
        *,
        batch_size: int = 256,
        timeout_seconds: float | None = None,
    ) -> Upserted:
        """Writes records; see `Client.upsert`."""
        return await self._upsert(_requests(collection, records, batch_size), timeout_seconds)

    async def upsert_batches(
        self,
        collection: str,
        batches: Iterable[Sequence[Record]] | AsyncIterable[Sequence[Record]],
        *,
        timeout_seconds: float | None = None,
    ) -> AsyncGenerator[Upserted]:
        """Writes batch after batch; see `Client.upsert_batches`."""
        ends: deque[bool] = deque()  # for each request under way, whether it is the last of its batch

        async def requests() -> AsyncIterator[v1.UpsertRecordsRequest]:
            async for batch in each(batches):
                pieces = [piece async for piece in _requests(collection, batch, _BATCH_RECORDS)]
                for number, piece in enumerate(pieces, 1):
                    ends.append(number == len(pieces))
                    yield piece

        tally = _Tally()
        stream = self._transport.collections.StreamUpsertRecords
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
        batch_size: int = 1000,
        timeout_seconds: float | None = None,
    ) -> Upserted:
        """Writes vectors; see `Client.upsert_vectors`."""
        not_alone(ids)
        rows, space = matrix(vectors)
        if not len(ids) == len(rows) == len(payloads if payloads is not None else ids):
            given = "no" if payloads is None else len(payloads)
            raise InvalidInput(f"{len(ids)} ids, {len(rows)} vectors and {given} payloads do not fit; give one of each")
        records = (
            record_message(Record(id, payload=payloads[index] if payloads is not None else {}))
            for index, id in enumerate(ids)
        )
        row_bytes = 4 * rows.shape[1]

        async def requests() -> AsyncIterator[v1.UpsertRecordsRequest]:
            start = 0
            async for batch in cut(each(records), batch_size, lambda record: record.ByteSize() + row_bytes):
                request = _request(collection, batch)
                request.vectors.CopyFrom(tensors.encode(rows[start : start + len(batch)]))
                if space is not None:
                    request.space.CopyFrom(space_message(space))
                start += len(batch)
                yield request

        return await self._upsert(requests(), timeout_seconds)

    async def get(
        self,
        collection: str,
        ids: Iterable[str],
        *,
        include_vectors: bool = False,
        include_content: bool = False,
        timeout_seconds: float | None = None,
    ) -> list[Record]:
        """Gets records by id; see `Client.get`."""
        not_alone(ids)
        found: list[Record] = []
        most = _READ_CONTENTS if include_content else _READ_RECORDS
        async for batch in cut(each(dict.fromkeys(map(unicode, ids))), most, _id_bytes):
            request = v1.GetRecordsRequest(
                collection=collection_path(collection),
                ids=batch,
                include_vectors=include_vectors,
                include_content=include_content,
            )
            answer = await self._call(self._transport.collections.GetRecords, request, timeout_seconds)
            if damaged := errors_of(answer.errors, offset=0):
                raise exception_of(next(iter(damaged.values())))
            found += map(record_of, answer.records)
        return found

    async def list_records(
        self,
        collection: str,
        *,
        include_vectors: bool = False,
        include_content: bool = False,
        timeout_seconds: float | None = None,
    ) -> AsyncGenerator[Record]:
        """Goes through all records; see `Client.list_records`."""
        async for page in pages(
            lambda token: self._call(
                self._transport.collections.ListRecords,
                v1.ListRecordsRequest(
                    collection=collection_path(collection),
                    page_size=_READ_CONTENTS if include_content else _READ_RECORDS,
                    page_token=token,
                    include_vectors=include_vectors,
                    include_content=include_content,
                ),
                timeout_seconds,
            )
        ):
            for record in page.records:
                yield record_of(record)

    async def delete(self, collection: str, ids: Iterable[str], *, timeout_seconds: float | None = None) -> int:
        """Deletes records by id; see `Client.delete`."""
        not_alone(ids)
        deleted = 0
        async for batch in cut(each(map(unicode, ids)), _DELETE_IDS, _id_bytes):
            request = v1.DeleteRecordsRequest(
                collection=collection_path(collection), ids=batch, request_id=uuid.uuid4().hex
            )
            answer = await self._call(self._transport.collections.DeleteRecords, request, timeout_seconds)
            deleted += answer.deleted_count
        return deleted

    async def count(self, collection: str, *, timeout_seconds: float | None = None) -> int:
        """Counts the records; see `Client.count`."""
        request = v1.CountRecordsRequest(collection=collection_path(collection))
        return (await self._call(self._transport.collections.CountRecords, request, timeout_seconds)).count

    async def _upsert(
        self, requests: AsyncIterator[v1.UpsertRecordsRequest], timeout_seconds: float | None
    ) -> Upserted:
        tally = _Tally()
        stubs = self._transport.collections
        async with aclosing(
            self._call_or_stream(stubs.UpsertRecords, stubs.StreamUpsertRecords, requests, timeout_seconds)
        ) as answers:
            async for request, answer in answers:
                tally.add(answer, len(request.records))
        return tally.upserted()


def _id_bytes(id: str) -> int:
    return len(id.encode()) + 4  # with its tag and length on the wire


async def _requests(
    collection: str, records: Iterable[Record] | AsyncIterable[Record], batch_size: int
) -> AsyncIterator[v1.UpsertRecordsRequest]:
    messages = (record_message(record) async for record in each(records))
    async for batch in cut(messages, batch_size, v1.Record.ByteSize):
        yield _request(collection, batch)


def _request(collection: str, records: Sequence[v1.Record]) -> v1.UpsertRecordsRequest:
    # The request id is chosen here, once, and so outlives retries.
    return v1.UpsertRecordsRequest(collection=collection_path(collection), records=records, request_id=uuid.uuid4().hex)


class _Tally:
    """Answers of several requests become the answer of one call."""

    def __init__(self) -> None:
        self._records = self._count = self._sequence = 0
        self._errors: dict[int, ItemError] = {}
        self._timings = Timings()

    def add(self, answer: v1.UpsertRecordsResponse, records: int) -> None:
        self._errors.update(errors_of(answer.errors, offset=self._records))
        self._records += records
        self._count += answer.upserted_count
        self._sequence = answer.sequence
        self._timings += timings_of(answer.timings)

    def upserted(self) -> Upserted:
        return Upserted(self._count, self._errors, self._sequence, self._timings)
