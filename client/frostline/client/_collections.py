"""Operations on collections, written once for both clients; documented where they are called, in `Client`."""

from google.protobuf.field_mask_pb2 import FieldMask

from frostline.client._caller import Caller, pages
from frostline.client._from_wire import collection_of
from frostline.client._names import METRICS, number_of
from frostline.client._to_wire import collection_path, encoder_path, literal, unicode, whole
from frostline.client.resources import Collection
from frostline.client.types import Metric
from frostline.v1 import collection_service_pb2 as v1


class CollectionCalls(Caller):
    """Creates, lists, changes and deletes collections."""

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
        keep_content: bool = True,
        timeout_seconds: float | None = None,
    ) -> Collection:
        """Creates a collection; see `Client.create_collection`."""
        collection = v1.Collection(
            description=unicode(description),
            encoder=encoder_path(encoder) if encoder else "",
            layer=unicode(layer),
            dimensions=whole(dimensions, "dimensions"),
            normalize=normalize,
            metric=number_of(METRICS, metric, "metric"),
            document_prompt=literal(document_prompt),
            query_prompt=literal(query_prompt),
            keep_content=keep_content,
        )
        request = v1.CreateCollectionRequest(collection_id=unicode(name), collection=collection)
        return collection_of(await self._call(self._transport.collections.CreateCollection, request, timeout_seconds))

    async def get_collection(self, name: str, *, timeout_seconds: float | None = None) -> Collection:
        """Gets one collection; see `Client.get_collection`."""
        request = v1.GetCollectionRequest(name=collection_path(name))
        return collection_of(await self._call(self._transport.collections.GetCollection, request, timeout_seconds))

    async def list_collections(self, *, timeout_seconds: float | None = None) -> list[Collection]:
        """Lists the collections; see `Client.list_collections`."""
        found: list[Collection] = []
        async for page in pages(
            lambda token: self._call(
                self._transport.collections.ListCollections,
                v1.ListCollectionsRequest(page_token=token),
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
        query_prompt: str | None = None,
        timeout_seconds: float | None = None,
    ) -> Collection:
        """Changes a collection; see `Client.update_collection`."""
        changes = {"description": description, "query_prompt": query_prompt}
        request = v1.UpdateCollectionRequest(
            collection=v1.Collection(
                name=collection_path(name), description=unicode(description or ""), query_prompt=literal(query_prompt)
            ),
            update_mask=FieldMask(paths=[field for field, value in changes.items() if value is not None]),
        )
        return collection_of(await self._call(self._transport.collections.UpdateCollection, request, timeout_seconds))

    async def delete_collection(self, name: str, *, timeout_seconds: float | None = None) -> None:
        """Deletes a collection and all its records; see `Client.delete_collection`."""
        request = v1.DeleteCollectionRequest(name=collection_path(name))
        await self._call(self._transport.collections.DeleteCollection, request, timeout_seconds)
