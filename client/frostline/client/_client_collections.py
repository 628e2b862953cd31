"""The part of `Client` that creates, lists, changes, names and deletes collections."""

from collections.abc import Iterator, Mapping

from frostline.client._blocking import iterate, run
from frostline.client._operations import Operations
from frostline.client.resources import Collection, Durability, FieldKind, IndexKind, VectorField
from frostline.client.stats import CollectionStats
from frostline.client.types import Metric


class CollectionMethods:
    """Creates, lists, changes, names and deletes collections. Where one is named, an alias does as well."""

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
        vectors: Mapping[str, VectorField] | None = None,
        keep_content: bool = True,
        fields: Mapping[str, FieldKind] | None = None,
        index: IndexKind = "auto",
        min_recall: float = 0.95,
        durability: Durability = "full",
        timeout_seconds: float | None = None,
    ) -> Collection:
        """Creates a collection.

        Args:
            name: lower-case letters, digits, hyphens and underscores, at most 63.
            encoder: name of the encoder of its texts or images; empty for a collection of plain vectors. This, and
                what else describes one vector, makes the only one, with the name `default`.
            dimensions: length of a vector; with an encoder, the first so many are kept, and 0 keeps all.
            metric: how close two vectors are.
            description: what the collection holds, for people.
            layer: the encoder's depth to take; its default when empty.
            normalize: whether the encoder's vectors get unit length; its default when None.
            document_prompt: put before each text that is stored, word for word; the encoder's when None.
            query_prompt: put before each text that is searched for, word for word; the encoder's when None.
            vectors: several vectors of each record by name, at most 16, instead of the one.
            keep_content: whether the text and image of a record are kept; keyword search needs it.
            fields: payload fields that filters find fast, by path (`price`, `author.name`), and what each holds.
            index: how vectors are indexed: `auto` is exact below 50,000 records and `ivf_pq` beyond.
            min_recall: the recall at 10 that the index must have, above 0 and at most 1.
            durability: what an acknowledged write survives: `full` a power cut, `relaxed` the end of the process.
            timeout_seconds: see `Client`.

        Raises:
            InvalidInput: a name or number is out of range, or `vectors` and one vector are given.
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
                vectors=vectors,
                keep_content=keep_content,
                fields=fields,
                index=index,
                min_recall=min_recall,
                durability=durability,
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
        query_prompt: str | Mapping[str, str] | None = None,
        fields: Mapping[str, FieldKind] | None = None,
        index: IndexKind | None = None,
        min_recall: float | None = None,
        durability: Durability | None = None,
        timeout_seconds: float | None = None,
    ) -> Collection:
        """Changes a collection; None leaves a value as it is.

        Args:
            name: its name.
            description: the new one.
            query_prompt: the new one, word for word, of the vector `default`; or several by name of their vector.
            fields: all payload fields that are to be indexed; those left out no longer are.
            index: how vectors are indexed.
            min_recall: the recall at 10 that the index must have.
            durability: what an acknowledged write survives.
            timeout_seconds: see `Client`.

        Raises:
            InvalidInput: a value is out of range.
            NotFound: there is no such collection.
        """
        return run(
            self._operations.update_collection(
                name,
                description=description,
                query_prompt=query_prompt,
                fields=fields,
                index=index,
                min_recall=min_recall,
                durability=durability,
                timeout_seconds=timeout_seconds,
            )
        )

    def rename_collection(self, name: str, new_name: str, *, timeout_seconds: float | None = None) -> Collection:
        """Gives a collection another name; its aliases follow.

        Raises:
            NotFound: there is no such collection; an alias does not do.
            AlreadyExists: the new name is taken.
        """
        return run(self._operations.rename_collection(name, new_name, timeout_seconds=timeout_seconds))

    def delete_collection(self, name: str, *, timeout_seconds: float | None = None) -> None:
        """Deletes a collection, all its records and its aliases.

        Raises:
            NotFound: there is no such collection; an alias does not do.
        """
        run(self._operations.delete_collection(name, timeout_seconds=timeout_seconds))

    def set_alias(self, alias: str, collection: str, *, timeout_seconds: float | None = None) -> None:
        """Points an alias to a collection, at once for all callers; a new alias is made.

        Raises:
            NotFound: there is no such collection; another alias does not do.
            AlreadyExists: a collection has the name.
        """
        run(self._operations.set_alias(alias, collection, timeout_seconds=timeout_seconds))

    def list_aliases(self, *, timeout_seconds: float | None = None) -> dict[str, str]:
        """Lists the aliases by name, and the collection each leads to."""
        return run(self._operations.list_aliases(timeout_seconds=timeout_seconds))

    def delete_alias(self, alias: str, *, timeout_seconds: float | None = None) -> None:
        """Deletes an alias; the collection stays.

        Raises:
            NotFound: there is no such alias.
        """
        run(self._operations.delete_alias(alias, timeout_seconds=timeout_seconds))

    def collection_stats(self, name: str, *, timeout_seconds: float | None = None) -> CollectionStats:
        """Gets what a collection is made of: segments, indexes and their measured recall, bytes.

        Raises:
            NotFound: there is no such collection.
        """
        return run(self._operations.collection_stats(name, timeout_seconds=timeout_seconds))

    def optimize(self, name: str, *, timeout_seconds: float = 600.0) -> Iterator[tuple[str, float]]:
        """Indexes all that waits and joins segments, while searches and writes go on.

        Begins when it is iterated over, and is given up when the iteration is. Not tried again on failure.

        Args:
            name: of the collection.
            timeout_seconds: the longest time without a report of the server.

        Yields:
            What is being done, for people, and how much of all is done, from 0 to 1.

        Raises:
            NotFound: there is no such collection.
        """
        return iterate(self._operations.optimize(name, timeout_seconds=timeout_seconds))
