"""The part of `Client` that creates, lists, changes and deletes collections."""

from frostline.client._blocking import run
from frostline.client._operations import Operations
from frostline.client.resources import Collection
from frostline.client.types import Metric


class CollectionMethods:
    """Creates, lists, changes and deletes collections."""

    _operations: Operations

    def create_collection(
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
        """Creates a collection.

        Args:
            name: lower-case letters, digits, hyphens and underscores, at most 63.
            encoder: name of the encoder of its texts or images; empty for a collection of plain vectors.
            dimensions: length of a vector; with an encoder, the first so many are kept, and 0 keeps all.
            metric: how close two vectors are.
            description: what the collection holds, for people.
            layer: the encoder's depth to take; its default when empty.
            normalize: whether the encoder's vectors get unit length; its default when None.
            document_prompt: put before each text that is stored, word for word; the encoder's when None.
            query_prompt: put before each text that is searched for, word for word; the encoder's when None.
            keep_content: whether the text or image of a record is kept.
            timeout_seconds: see `Client`.

        Raises:
            InvalidInput: a name or number is out of range.
            NotFound: no such encoder or layer.
            AlreadyExists: the name is taken.
        """
        return run(
            self._operations.create_collection(
                name,
                encoder=encoder,
                dimensions=dimensions,
                metric=metric,
                description=description,
                layer=layer,
                normalize=normalize,
                document_prompt=document_prompt,
                query_prompt=query_prompt,
                keep_content=keep_content,
                timeout_seconds=timeout_seconds,
            )
        )

    def get_collection(self, name: str, *, timeout_seconds: float | None = None) -> Collection:
        """Gets one collection.

        Raises:
            NotFound: there is no such collection.
        """
        return run(self._operations.get_collection(name, timeout_seconds=timeout_seconds))

    def list_collections(self, *, timeout_seconds: float | None = None) -> list[Collection]:
        """Lists the collections, by name."""
        return run(self._operations.list_collections(timeout_seconds=timeout_seconds))

    def update_collection(
        self,
        name: str,
        *,
        description: str | None = None,
        query_prompt: str | None = None,
        timeout_seconds: float | None = None,
    ) -> Collection:
        """Changes a collection.

        Args:
            name: its name.
            description: the new one; None leaves it.
            query_prompt: the new one, word for word; None leaves it.
            timeout_seconds: see `Client`.

        Raises:
            NotFound: there is no such collection.
        """
        return run(
            self._operations.update_collection(
                name, description=description, query_prompt=query_prompt, timeout_seconds=timeout_seconds
            )
        )

    def delete_collection(self, name: str, *, timeout_seconds: float | None = None) -> None:
        """Deletes a collection and all its records.

        Raises:
            NotFound: there is no such collection.
        """
        run(self._operations.delete_collection(name, timeout_seconds=timeout_seconds))
