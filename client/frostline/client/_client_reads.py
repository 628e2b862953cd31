"""The part of `Client` that reads and counts records."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from frostline.client._blocking import iterate, run
from frostline.client._operations import Operations
from frostline.client.types import Record


class ReadMethods:
    """Reads and counts records."""

    _operations: Operations

    def get(
        self,
        collection: str,
        ids: Iterable[str],
        *,
        include_vectors: bool = False,
        include_content: bool = False,
        min_sequence: int = 0,
        timeout_seconds: float | None = None,
    ) -> list[Record]:
        """Gets records by id.

        Args:
            collection: its name.
            ids: which records.
            include_vectors: whether to get their vectors.
            include_content: whether to get their texts and images, where the collection keeps them.
            min_sequence: waits until this commit is there, for a minute at most.
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
                min_sequence=min_sequence,
                timeout_seconds=timeout_seconds,
            )
        )

    def list_records(
        self,
        collection: str,
        *,
        filter: str = "",
        parameters: Mapping[str, Any] | None = None,
        include_vectors: bool = False,
        include_content: bool = False,
        timeout_seconds: float | None = None,
    ) -> Iterator[Record]:
        """Goes through records in the order they were last written; asks for them as they are iterated over.

        Args:
            collection: its name.
            filter: which records, see `search`; all when empty.
            parameters: values of the filter's parameters, see `search`.
            include_vectors: whether to get their vectors.
            include_content: whether to get their texts and images, where the collection keeps them.
            timeout_seconds: see `Client`.

        Raises:
            InvalidInput: the filter cannot be read.
            NotFound: there is no such collection.
        """
        return iterate(
            self._operations.list_records(
                collection,
                filter=filter,
                parameters=parameters,
                include_vectors=include_vectors,
                include_content=include_content,
                timeout_seconds=timeout_seconds,
            )
        )

    def count(
        self,
        collection: str,
        *,
        filter: str = "",
        parameters: Mapping[str, Any] | None = None,
        timeout_seconds: float | None = None,
    ) -> int:
        """Counts the records, or those that a filter lets through; see `search`.

        Raises:
            InvalidInput: the filter cannot be read.
            NotFound: there is no such collection.
        """
        return run(
            self._operations.count(collection, filter=filter, parameters=parameters, timeout_seconds=timeout_seconds)
        )

    def facets(
        self,
        collection: str,
        path: str,
        *,
        filter: str = "",
        parameters: Mapping[str, Any] | None = None,
        limit: int = 10,
        timeout_seconds: float | None = None,
    ) -> list[tuple[Any, int]]:
        """Counts the values of a payload field.

        Args:
            collection: its name.
            path: of the field, with dots between: `author.name`.
            filter: which records count, see `search`; all when empty.
            parameters: values of the filter's parameters, see `search`.
            limit: the most values, at most 1,000.
            timeout_seconds: see `Client`.

        Returns:
            Each value and the number of records that have it, most frequent first.

        Raises:
            InvalidInput: the filter cannot be read.
            NotFound: there is no such collection.
        """
        return run(
            self._operations.facets(
                collection, path, filter=filter, parameters=parameters, limit=limit, timeout_seconds=timeout_seconds
            )
        )
