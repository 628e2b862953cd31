"""The part of `Client` that writes, patches and deletes records."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from numpy.typing import ArrayLike

from frostline.client._blocking import iterate, run
from frostline.client._operations import Operations
from frostline.client.types import Deleted, Embeddings, Patched, PayloadPatch, Record, Upserted


class WriteMethods:
    """Writes, patches and deletes records."""

    _operations: Operations

    def upsert(
        self,
        collection: str,
        records: Iterable[Record],
        *,
        skip_unchanged: bool = False,
        batch_size: int = 256,
        timeout_seconds: float | None = None,
    ) -> Upserted:
        """Writes records, replacing those with the same id. What is answered is as durable as the collection says.

        Args:
            collection: its name.
            records: read as they are sent, so that they need not fit in memory.
            skip_unchanged: whether records whose content and payload are stored already are passed over, and those
                whose content is stored with another payload keep their vectors; not together with ready vectors.
            batch_size: the most records in one request; each request is one commit.
            timeout_seconds: see `Client`.

        Returns:
            How many were written; a record that was refused is in `errors` and does not stop the others.

        Raises:
            InvalidInput: a record cannot be sent: names it. Batches before it may be written.
            NotFound: there is no such collection.
        """
        return run(
            self._operations.upsert(
                collection,
                records,
                skip_unchanged=skip_unchanged,
                batch_size=batch_size,
                timeout_seconds=timeout_seconds,
            )
        )

    def upsert_batches(
        self,
        collection: str,
        batches: Iterable[Sequence[Record]],
        *,
        skip_unchanged: bool = False,
        timeout_seconds: float | None = None,
    ) -> Iterator[Upserted]:
        """Writes batch after batch, sending a few ahead of the answers.

        Nothing is sent before the answers are iterated over, and at most four batches are taken ahead of them.

        Args:
            collection: its name.
            batches: each is one commit, unless it is larger than a message (3 MiB, 10,000 records).
            skip_unchanged: see `upsert`.
            timeout_seconds: see `Client`.

        Yields:
            For each batch, in order, what became of it; indices of `errors` count from the start of the batch.

        Raises:
            InvalidInput: a record cannot be sent: names it.
            NotFound: there is no such collection.
        """
        return iterate(
            self._operations.upsert_batches(
                collection, batches, skip_unchanged=skip_unchanged, timeout_seconds=timeout_seconds
            )
        )

    def upsert_vectors(
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
        """Writes records that are only vectors, cheaper than as `Record` objects.

        Args:
            collection: its name.
            ids: n ids.
            vectors: of shape (n, d), or embeddings, whose space is then checked against the collection's.
            payloads: n payloads; empty ones when None.
            vector_name: which vector of the records they are; the collection's first when empty.
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
                collection,
                ids,
                vectors,
                payloads,
                vector_name=vector_name,
                batch_size=batch_size,
                timeout_seconds=timeout_seconds,
            )
        )

    def patch_payloads(
        self,
        collection: str,
        patches: Mapping[str, Mapping[str, Any]] | Iterable[PayloadPatch],
        *,
        timeout_seconds: float | None = None,
    ) -> Patched:
        """Changes parts of payloads; texts, images and vectors stay as they are.

        Args:
            collection: its name.
            patches: for each id a JSON merge patch (RFC 7396): fields given replace those stored, None removes one;
                or `PayloadPatch` objects, which may have a condition.
            timeout_seconds: see `Client`.

        Returns:
            How many were changed; a change that was refused is in `errors`, by its place among the patches.

        Raises:
            InvalidInput: a patch cannot be sent: names its record.
            NotFound: there is no such collection.
        """
        return run(self._operations.patch_payloads(collection, patches, timeout_seconds=timeout_seconds))

    def delete(
        self,
        collection: str,
        ids: Iterable[str] | None = None,
        *,
        filter: str = "",
        parameters: Mapping[str, Any] | None = None,
        timeout_seconds: float | None = None,
    ) -> Deleted:
        """Deletes records by id, or those that a filter lets through.

        Args:
            collection: its name.
            ids: which records; those that do not exist are passed over.
            filter: instead of ids, which records, see `search`; those written again meanwhile stay.
            parameters: values of the filter's parameters, see `search`.
            timeout_seconds: see `Client`.

        Raises:
            InvalidInput: neither or both of ids and filter are given, or the filter cannot be read.
            NotFound: there is no such collection.
        """
        return run(
            self._operations.delete(
                collection, ids, filter=filter, parameters=parameters, timeout_seconds=timeout_seconds
            )
        )
