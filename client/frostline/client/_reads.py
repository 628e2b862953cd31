"""Reading records, written once for both clients; documented where it is called, in `Client`."""

import json
from collections.abc import AsyncGenerator, Iterable, Mapping
from typing import Any

from frostline.client._batches import cut, each
from frostline.client._caller import Caller, pages
from frostline.client._from_wire import errors_of, exception_of, record_of
from frostline.client._to_wire import (
    LARGEST_SEQUENCE,
    collection_path,
    id_bytes,
    not_alone,
    unicode,
    whole,
)
from frostline.client._to_wire_filters import filter_message
from frostline.client.types import Record
from frostline.v1 import record_service_pb2 as v1

# What a server answers at once: records by its limits, content by its message limit of 64 MiB.
_RECORDS = 1000
_CONTENTS = 32


class ReadCalls(Caller):
    """Reads and counts records."""

    async def get(
        self,
        collection: str,
        ids: Iterable[str],
        *,
        include_vectors: bool = False,
        include_content: bool = False,
        min_sequence: int = 0,
        timeout_seconds: float | None = None,
    ) -> list[Record]:
        """Gets records by id; see `Client.get`."""
        not_alone(ids)
        found: list[Record] = []
        most = _CONTENTS if include_content else _RECORDS
        async for batch in cut(each(dict.fromkeys(map(unicode, ids))), most, id_bytes):
            request = v1.GetRecordsRequest(
                collection=collection_path(collection),
                ids=batch,
                include_vectors=include_vectors,
                include_content=include_content,
                min_sequence=whole(min_sequence, "min_sequence", most=LARGEST_SEQUENCE),
            )
            answer = await self._call(self._transport.records.GetRecords, request, timeout_seconds)
            if damaged := errors_of(answer.errors, offset=0):
                raise exception_of(next(iter(damaged.values())))
            found += map(record_of, answer.records)
        return found

    async def list_records(
        self,
        collection: str,
        *,
        filter: str = "",
        parameters: Mapping[str, Any] | None = None,
        include_vectors: bool = False,
        include_content: bool = False,
        timeout_seconds: float | None = None,
    ) -> AsyncGenerator[Record]:
        """Goes through records; see `Client.list_records`."""
        request = v1.ListRecordsRequest(
            collection=collection_path(collection),
            page_size=_CONTENTS if include_content else _RECORDS,
            include_vectors=include_vectors,
            include_content=include_content,
            filter=filter_message(filter, parameters),
        )

        async def page_of(token: str) -> v1.ListRecordsResponse:
            request.page_token = token
            return await self._call(self._transport.records.ListRecords, request, timeout_seconds)

        async for page in pages(page_of):
            for record in page.records:
                yield record_of(record)

    async def count(
        self,
        collection: str,
        *,
        filter: str = "",
        parameters: Mapping[str, Any] | None = None,
        timeout_seconds: float | None = None,
    ) -> int:
        """Counts records; see `Client.count`."""
        request = v1.CountRecordsRequest(
            collection=collection_path(collection), filter=filter_message(filter, parameters)
        )
        return (await self._call(self._transport.records.CountRecords, request, timeout_seconds)).count

    async def facets(
        self,
        collection: str,
        path: str,
        *,
        filter: str = "",
        parameters: Mapping[str, Any] | None = None,
        limit: int = 10,
        timeout_seconds: float | None = None,
    ) -> list[tuple[Any, int]]:
        """Counts the values of a payload field; see `Client.facets`."""
        request = v1.CountFacetsRequest(
            collection=collection_path(collection),
            path=unicode(path),
            filter=filter_message(filter, parameters),
            limit=whole(limit, "limit", least=1),
        )
        answer = await self._call(self._transport.records.CountFacets, request, timeout_seconds)
        return [(json.loads(facet.value), facet.count) for facet in answer.facets]
