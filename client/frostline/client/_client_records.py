"""The part of `Client` that writes, reads, deletes and searches records."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from numpy.typing import ArrayLike

from frostline.client._blocking import iterate, run
from frostline.client._operations import Operations
from frostline.client.types import Embeddings, Floats, Hit, Query, Record, SearchResults, Upserted


class RecordMethods:
    """Writes, reads, deletes and searches records."""

    _operations: Operations

    def upsert(
        self,
        collection: str,
        records: Iterable[Record],
        *,
        batch_size: int = 256,
        timeout_seconds: float | None = None,
    ) -> Upserted:
        """Writes records, replacing those with the same id. What is answered is on the server's disk.

        Args:
            collection: its name.
            records: read as they are sent, so that they need not fit in memory.
            batch_size: the most records in one request; each request is one commit.
            timeout_seconds: see `Client`.

        Returns:
            How many were written; a record that was refused is in `errors` and does not stop the others.

        Raises:
            InvalidInput: a record cannot be sent: names it. Batches before it may be written.
            NotFound: there is no such collection.
        """
        return run(self._operations.upsert(collection, records, batch_size=batch_size, timeout_seconds=timeout_seconds))

    def upsert_batches(
        self, collection: str, batches: Iterable[Sequence[Record]], *, timeout_seconds: float | None = None
    ) -> Iterator[Upserted]:
        """Writes batch after batch, sending a few ahead of the answers.

        Nothing is sent before the answers are iterated over, and at most four batches are taken ahead of them.

        Args:
            collection: its name.
            batches: each is one commit, unless it is larger than a message (3 MiB, 10,000 records).
            timeout_seconds: see `Client`.

        Yields:
            For each batch, in order, what became of it; indices of `errors` count from the start of the batch.

        Raises:
            InvalidInput: a record cannot be sent: names it.
            NotFound: there is no such collection.
        """
        return iterate(self._operations.upsert_batches(collection, batches, timeout_seconds=timeout_seconds))

    def upsert_vectors(
        self,
        collection: str,
        ids: Sequence[str],
        vectors: ArrayLike | Embeddings,
        payloads: Sequence[Mapping[str, Any]] | None = None,
        *,
        batch_size: int = 1000,
        timeout_seconds: float | None = None,
    ) -> Upserted:
        """Writes records that are only vectors, cheaper than as `Record` objects.

        Args:
            collection: its name.
            ids: n ids.
            vectors: of shape (n, d), or embeddings, whose space is then checked against the collection's.
            payloads: n payloads; empty ones when None.
            batch_size: the most records in one request; each request is one commit.
            timeout_seconds: see `Client`.

        Returns:
            How many were written; a record that was refused is in `errors`.

        Raises:
            InvalidInput: the numbers of ids, vectors and payloads differ.
            NotFound: there is no such collection.
            SpaceMismatch: the embeddings live in another space.
        """
        return run(
            self._operations.upsert_vectors(
                collection, ids, vectors, payloads, batch_size=batch_size, timeout_seconds=timeout_seconds
            )
        )

    def get(
        self,
        collection: str,
        ids: Iterable[str],
        *,
        include_vectors: bool = False,
        include_content: bool = False,
        timeout_seconds: float | None = None,
    ) -> list[Record]:
        """Gets records by id.

        Args:
            collection: its name.
            ids: which records.
            include_vectors: whether to get their vectors.
            include_content: whether to get their texts or images, where the collection keeps them.
            timeout_seconds: see `Client`.

        Returns:
            The records that exist, each once, in the order they were first asked for.

        Raises:
            NotFound: there is no such collection.
            DataDamaged: one of them is damaged on the server's disk; names it.
        """
        return run(
            self._operations.get(
                collection,
                ids,
                include_vectors=include_vectors,
                include_content=include_content,
                timeout_seconds=timeout_seconds,
            )
        )

    def list_records(
        self,
        collection: str,
        *,
        include_vectors: bool = False,
        include_content: bool = False,
        timeout_seconds: float | None = None,
    ) -> Iterator[Record]:
        """Goes through all records, in the order they were last written; asks for them as they are iterated over.

        Args:
            collection: its name.
            include_vectors: whether to get their vectors.
            include_content: whether to get their texts or images, where the collection keeps them.
            timeout_seconds: see `Client`.

        Raises:
            NotFound: there is no such collection.
        """
        return iterate(
            self._operations.list_records(
                collection,
                include_vectors=include_vectors,
                include_content=include_content,
                timeout_seconds=timeout_seconds,
            )
        )

    def delete(self, collection: str, ids: Iterable[str], *, timeout_seconds: float | None = None) -> int:
        """Deletes records by id and returns how many there were; ids that do not exist are passed over.

        Raises:
            NotFound: there is no such collection.
        """
        return run(self._operations.delete(collection, ids, timeout_seconds=timeout_seconds))

    def count(self, collection: str, *, timeout_seconds: float | None = None) -> int:
        """Counts the records.

        Raises:
            NotFound: there is no such collection.
        """
        return run(self._operations.count(collection, timeout_seconds=timeout_seconds))

    def search(
        self,
        collection: str,
        query: Query,
        *,
        limit: int = 10,
        include_payloads: bool = True,
        timeout_seconds: float | None = None,
    ) -> list[Hit]:
        """Finds the records closest to one query.

        Args:
            collection: its name.
            query: a text, an image file (bytes or a path), a vector of shape (d,), or a `RecordId`.
            limit: the most hits.
            include_payloads: whether to get payloads.
            timeout_seconds: see `Client`.

        Returns:
            The hits, closest first.

        Raises:
            InvalidInput: the query cannot be embedded, or has another dimension.
            NotFound: there is no such collection, or no such record.
        """
        return run(
            self._operations.search(
                collection, query, limit=limit, include_payloads=include_payloads, timeout_seconds=timeout_seconds
            )
        )

    def search_batch(
        self,
        collection: str,
        queries: Sequence[Query] | Floats | Embeddings,
        *,
        limit: int = 10,
        include_payloads: bool = True,
        timeout_seconds: float | None = None,
    ) -> SearchResults:
        """Finds the records closest to each of several queries.

        Args:
            collection: its name.
            queries: q queries as `search` takes them; or vectors of shape (q, d); or embeddings, whose space is then
                checked against the collection's.
            limit: the most hits of a query.
            include_payloads: whether to get payloads.
            timeout_seconds: see `Client`.

        Returns:
            The hits of each query; a query that failed is in `errors` and has none.

        Raises:
            NotFound: there is no such collection.
            SpaceMismatch: the embeddings live in another space.
        """
        return run(
            self._operations.search_batch(
                collection, queries, limit=limit, include_payloads=include_payloads, timeout_seconds=timeout_seconds
            )
        )
