"""Operations on collections, written once for both clients; documented where they are called, in `Client`."""

from collections.abc import AsyncGenerator, Mapping

from google.protobuf.field_mask_pb2 import FieldMask

from frostline.client._caller import Caller, pages
from frostline.client._from_wire import short
from frostline.client._from_wire_collections import collection_of, stats_of
from frostline.client._to_wire import collection_path, unicode
from frostline.client._to_wire_collections import (
    durability_number,
    field_messages,
    index_number,
    prompt_messages,
    recall_number,
    vector_messages,
)
from frostline.client._transport import Deadline
from frostline.client.resources import Collection, Durability, FieldKind, IndexKind, VectorField
from frostline.client.stats import CollectionStats
from frostline.client.types import Metric
from frostline.v1 import collection_pb2 as v1
from frostline.v1 import collection_service_pb2 as service_v1


class CollectionCalls(Caller):
    """Creates, lists, changes, names and deletes collections."""

    async def create_collection(
        self,
        name: str,
        *,
        encoder: str = "",
        dimensions: int = 0,
        metric: Metric = "cosine",
        description: str = "",
        layer: str = "",
        normalize: bool | None = None,
        document_prompt: str | None = None,
        query_prompt: str | None = None,
        vectors: Mapping[str, VectorField] | None = None,
        keep_content: bool = True,
        fields: Mapping[str, FieldKind] | None = None,
        index: IndexKind = "auto",
        min_recall: float = 0.95,
        durability: Durability = "full",
        timeout_seconds: float | None = None,
    ) -> Collection:
        """Creates a collection; see `Client.create_collection`."""
        one = VectorField(encoder, dimensions, metric, layer, normalize, document_prompt, query_prompt)
        collection = v1.Collection(
            description=unicode(description),
            vectors=vector_messages(one, vectors),
            keep_content=keep_content,
            fields=field_messages(fields or {}),
            index=index_number(index),
            min_recall=recall_number(min_recall),
            durability=durability_number(durability),
        )
        request = service_v1.CreateCollectionRequest(collection_id=unicode(name), collection=collection)
        return collection_of(await self._call(self._transport.collections.CreateCollection, request, timeout_seconds))

    async def get_collection(self, name: str, *, timeout_seconds: float | None = None) -> Collection:
        """Gets one collection; see `Client.get_collection`."""
        request = service_v1.GetCollectionRequest(name=collection_path(name))
        return collection_of(await self._call(self._transport.collections.GetCollection, request, timeout_seconds))

    async def list_collections(self, *, timeout_seconds: float | None = None) -> list[Collection]:
        """Lists the collections; see `Client.list_collections`."""
        found: list[Collection] = []
        async for page in pages(
            lambda token: self._call(
                self._transport.collections.ListCollections,
                service_v1.ListCollectionsRequest(page_token=token),
                timeout_seconds,
            )
        ):
            found += map(collection_of, page.collections)
        return found

    async def update_collection(
        self,
        name: str,
        *,
        description: str | None = None,
        query_prompt: str | Mapping[str, str] | None = None,
        fields: Mapping[str, FieldKind] | None = None,
        index: IndexKind | None = None,
        min_recall: float | None = None,
        durability: Durability | None = None,
        timeout_seconds: float | None = None,
    ) -> Collection:
        """Changes a collection; see `Client.update_collection`."""
        changes = {
            "description": description,
            "vectors.query_prompt": query_prompt,
            "fields": fields,
            "index": index,
            "min_recall": min_recall,
            "durability": durability,
        }
        collection = v1.Collection(  # what the mask does not name is not looked at
            name=collection_path(name),
            description=unicode(description or ""),
            vectors=prompt_messages({} if query_prompt is None else query_prompt),
            fields=field_messages(fields or {}),
            index=index_number(index or "auto"),
            min_recall=recall_number(1.0 if min_recall is None else min_recall),
            durability=durability_number(durability or "full"),
        )
        request = service_v1.UpdateCollectionRequest(
            collection=collection,
            update_mask=FieldMask(paths=[field for field, value in changes.items() if value is not None]),
        )
        return collection_of(await self._call(self._transport.collections.UpdateCollection, request, timeout_seconds))

    async def rename_collection(self, name: str, new_name: str, *, timeout_seconds: float | None = None) -> Collection:
        """Gives a collection another name; see `Client.rename_collection`."""
        request = service_v1.RenameCollectionRequest(name=collection_path(name), new_collection_id=unicode(new_name))
        return collection_of(await self._call(self._transport.collections.RenameCollection, request, timeout_seconds))

    async def delete_collection(self, name: str, *, timeout_seconds: float | None = None) -> None:
        """Deletes a collection and all its records; see `Client.delete_collection`."""
        request = service_v1.DeleteCollectionRequest(name=collection_path(name))
        await self._call(self._transport.collections.DeleteCollection, request, timeout_seconds)

    async def set_alias(self, alias: str, collection: str, *, timeout_seconds: float | None = None) -> None:
        """Points an alias to a collection; see `Client.set_alias`."""
        request = service_v1.SetAliasRequest(alias_id=unicode(alias), collection=collection_path(collection))
        await self._call(self._transport.collections.SetAlias, request, timeout_seconds)

    async def list_aliases(self, *, timeout_seconds: float | None = None) -> dict[str, str]:
        """Lists the aliases; see `Client.list_aliases`."""
        found: dict[str, str] = {}
        async for page in pages(
            lambda token: self._call(
                self._transport.collections.ListAliases,
                service_v1.ListAliasesRequest(page_token=token),
                timeout_seconds,
            )
        ):
            found |= {short(alias.name): short(alias.collection) for alias in page.aliases}
        return found

    async def delete_alias(self, alias: str, *, timeout_seconds: float | None = None) -> None:
        """Deletes an alias; see `Client.delete_alias`."""
        request = service_v1.DeleteAliasRequest(name=collection_path(alias))
        await self._call(self._transport.collections.DeleteAlias, request, timeout_seconds)

    async def collection_stats(self, name: str, *, timeout_seconds: float | None = None) -> CollectionStats:
        """Gets what a collection is made of; see `Client.collection_stats`."""
        request = service_v1.GetCollectionStatsRequest(collection=collection_path(name))
        return stats_of(await self._call(self._transport.collections.GetCollectionStats, request, timeout_seconds))

    async def optimize(self, name: str, *, timeout_seconds: float = 600.0) -> AsyncGenerator[tuple[str, float]]:
        """Indexes all that waits; see `Client.optimize`."""
        request = service_v1.OptimizeCollectionRequest(collection=collection_path(name))
        self._refuse_closed()
        stream = self._transport.watch(self._transport.collections.OptimizeCollection, request)
        try:
            while report := await stream.receive(Deadline(timeout_seconds)):
                yield report.step, report.progress
        finally:
            stream.close()
