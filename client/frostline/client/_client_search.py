"""The part of `Client` that searches records."""

from collections.abc import Mapping, Sequence
from typing import Any

from frostline.client._blocking import run
from frostline.client._operations import Operations
from frostline.client.queries import Fusion, Hits, Query, SearchMode, SearchResults
from frostline.client.types import Embeddings, Floats


class SearchMethods:
    """Searches records."""

    _operations: Operations

    def search(
        self,
        collection: str,
        query: Query,
        *,
        limit: int | None = None,
        filter: str = "",
        parameters: Mapping[str, Any] | None = None,
        vector_name: str = "",
        offset: int = 0,
        min_score: float | None = None,
        include_payloads: bool = True,
        payload_fields: Sequence[str] = (),
        mode: SearchMode = "vector",
        keywords: str = "",
        fusion: Fusion | None = None,
        diversity: float = 0.0,
        group_by: str = "",
        max_per_group: int = 1,
        exact: bool = False,
        range: bool = False,
        min_sequence: int = 0,
        explain: bool = False,
        timeout_seconds: float | None = None,
    ) -> Hits:
        """Finds the records closest to one query.

        Args:
            collection: its name.
            query: a text, an image file (bytes or a path), a vector of shape (d,), a `RecordId`, or a `Combination`
                of these.
            limit: the most hits; 10 when None, or with `range` all up to 10,000.
            filter: which records may be found: an AIP-160 expression over payloads, `price < $max AND tags:"new"`,
                in which OR binds tighter than AND. Fewer than `limit` are returned only if fewer match.
            parameters: values of the parameters in the filter, by name without `$`: str, int, float, bool, None,
                datetime with a time zone, and lists of these. Never put what users type into the filter itself.
            vector_name: which vector of the records is searched; the collection's first when empty.
            offset: hits to pass over.
            min_score: the lowest score of a hit: by vectors on the scale of the metric (cosine: -1 to 1, euclidean: 0
                and below), in `hybrid` on that of `fusion` (see there; with the default at most 0.033).
            include_payloads: whether to get payloads.
            payload_fields: the paths of payloads to get; all when empty.
            mode: `vector` by closeness, `keyword` by the words of kept texts (BM25), `hybrid` by both.
            keywords: the words that `keyword` and `hybrid` look for; the text of the query when empty.
            fusion: how the rankings of `hybrid`, and of combinations, become one.
            diversity: from 0 to 1, how much hits shall differ from those before them (maximal marginal relevance).
            group_by: path of a payload field whose values make groups, of which few hits are let through.
            max_per_group: the most hits of a group.
            exact: whether vectors must be compared exactly, whatever it takes; not for `keyword`, where all records
                with the words are found anyway.
            range: whether every record with at least `min_score` is wanted, found exactly.
            min_sequence: waits until this commit is there: with the `sequence` of a write, the search sees that write.
            explain: whether to get `explanation`.
            timeout_seconds: see `Client`.

        Returns:
            A list of the hits, closest first, with `recall`, `sequence`, `timings` and `explanation`.

        Raises:
            InvalidInput: the query cannot be embedded or has another dimension, or the filter cannot be read.
            NotFound: there is no such collection, vector or record.
        """
        return run(
            self._operations.search(
                collection,
                query,
                limit=limit,
                filter=filter,
                parameters=parameters,
                vector_name=vector_name,
                offset=offset,
                min_score=min_score,
                include_payloads=include_payloads,
                payload_fields=payload_fields,
                mode=mode,
                keywords=keywords,
                fusion=fusion,
                diversity=diversity,
                group_by=group_by,
                max_per_group=max_per_group,
                exact=exact,
                range=range,
                min_sequence=min_sequence,
                explain=explain,
                timeout_seconds=timeout_seconds,
            )
        )

    def search_batch(
        self,
        collection: str,
        queries: Sequence[Query] | Floats | Embeddings,
        *,
        limit: int | None = None,
        filter: str = "",
        parameters: Mapping[str, Any] | None = None,
        vector_name: str = "",
        offset: int = 0,
        min_score: float | None = None,
        include_payloads: bool = True,
        payload_fields: Sequence[str] = (),
        mode: SearchMode = "vector",
        keywords: str | Sequence[str] = "",
        fusion: Fusion | None = None,
        diversity: float = 0.0,
        group_by: str = "",
        max_per_group: int = 1,
        exact: bool = False,
        range: bool = False,
        min_sequence: int = 0,
        explain: bool = False,
        timeout_seconds: float | None = None,
    ) -> SearchResults:
        """Finds the records closest to each of several queries; see `search` for the other arguments.

        Args:
            collection: its name.
            queries: q queries as `search` takes them; or vectors of shape (q, d); or embeddings, whose space is then
                checked against the collection's.
            limit: the most hits of a query.
            filter: which records may be found.
            parameters: values of the parameters in the filter.
            vector_name: which vector of the records is searched.
            offset: hits to pass over.
            min_score: the lowest score of a hit: by vectors on the scale of the metric (cosine: -1 to 1, euclidean: 0
                and below), in `hybrid` on that of `fusion` (see there; with the default at most 0.033).
            include_payloads: whether to get payloads.
            payload_fields: the paths of payloads to get.
            mode: `vector`, `keyword` or `hybrid`.
            keywords: the words to look for: the same for all queries, or those of each.
            fusion: how several rankings become one.
            diversity: how much hits shall differ from those before them.
            group_by: path of a payload field whose values make groups.
            max_per_group: the most hits of a group.
            exact: whether the search must be exact.
            range: whether every record with at least `min_score` is wanted.
            min_sequence: waits until this commit is there.
            explain: whether to get `explanation`.
            timeout_seconds: see `Client`.

        Returns:
            The hits of each query; a query that failed is in `errors` and has none.

        Raises:
            InvalidInput: an option is out of range, or the filter cannot be read.
            NotFound: there is no such collection or vector.
            SpaceMismatch: the embeddings live in another space.
        """
        return run(
            self._operations.search_batch(
                collection,
                queries,
                limit=limit,
                filter=filter,
                parameters=parameters,
                vector_name=vector_name,
                offset=offset,
                min_score=min_score,
                include_payloads=include_payloads,
                payload_fields=payload_fields,
                mode=mode,
                keywords=keywords,
                fusion=fusion,
                diversity=diversity,
                group_by=group_by,
                max_per_group=max_per_group,
                exact=exact,
                range=range,
                min_sequence=min_sequence,
                explain=explain,
                timeout_seconds=timeout_seconds,
            )
        )
