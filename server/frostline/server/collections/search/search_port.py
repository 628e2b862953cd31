"""The port behind which records are found: all that search knows of the store.

An implementation is a read-only picture of a collection as of one commit: asked twice, it answers the same. It speaks
of rows by internal id. So other engines can stand behind it, and searches can move into other processes.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from frostline.server.collections.config import CollectionConfig
from frostline.server.collections.filters.expression import Expression
from frostline.server.collections.search.query import Step
from frostline.server.errors import DataDamaged


@dataclass(frozen=True, slots=True, eq=False)
class Ranking:
    """What was found for q queries, closest first, equal scores in the order they were written.

    Attributes:
        internal_ids: q arrays, int64 of shape (k,).
        scores: q arrays, float32 of the same shapes; higher is closer.
        steps: how they were found.
    """

    internal_ids: Sequence[NDArray[np.int64]]
    scores: Sequence[NDArray[np.float32]]
    steps: Sequence[Step] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Matching:
    """The rows that a filter lets through, for the view it came from.

    Attributes:
        count: how many.
        indexed: whether the filter was answered from declared fields alone.
        unindexed_fields: those of its fields that were looked up row by row.
        rows: the view's own.
    """

    count: int
    indexed: bool
    unindexed_fields: tuple[str, ...]
    rows: Any


class View(Protocol):
    """The records as of one commit. May be asked from several threads at once."""

    @property
    def sequence(self) -> int:
        """The commit's number."""
        ...

    @property
    def config(self) -> CollectionConfig:
        """The configuration as of the commit."""
        ...

    @property
    def count(self) -> int:
        """Records."""
        ...

    def matching(self, expression: Expression) -> Matching:
        """Finds the rows that a filter lets through."""
        ...

    def outside_groups(
        self, path: tuple[str, ...], groups: Collection[bytes], matching: Matching | None = None
    ) -> Matching | None:
        """Leaves out the rows of groups, but for those in which the field has other values too.

        Args:
            path: of the payload field whose values make the groups.
            groups: its values, as `payload_paths.first_value` reads them.
            matching: which rows are left; None for all.

        Returns:
            The others; None where the field is not declared as keyword, integer or boolean.
        """
        ...

    def nearest(
        self, slot: int, queries: NDArray[np.float32], k: int, matching: Matching | None = None, *, exact: bool = False
    ) -> Ranking:
        """Finds the nearest rows.

        Args:
            slot: of the vector name.
            queries: float32 of shape (q, d), checked.
            k: how many of each query, at least 1.
            matching: which rows may be found; None for all.
            exact: whether the search must be exact.

        Returns:
            min(k, rows that match and have the vector) of each query.
        """
        ...

    def within(
        self, slot: int, query: NDArray[np.float32], min_score: float, most: int, matching: Matching | None = None
    ) -> Ranking:
        """Finds all rows with at least a score, exactly; the `most` closest where there are more.

        Args:
            slot: of the vector name.
            query: float32 of shape (d,), checked.
            min_score: the lowest score.
            most: the most rows.
            matching: which rows may be found; None for all.
        """
        ...

    def keywords(self, text: str, k: int, matching: Matching | None = None) -> Ranking:
        """Finds the rows whose texts have any of the words, best first (BM25).

        Raises:
            InvalidInput: the collection keeps no texts.
        """
        ...

    def vectors(self, slot: int, internal_ids: NDArray[np.int64]) -> NDArray[np.float32]:
        """The vectors of rows, of unit length where the metric is cosine.

        Args:
            slot: of the vector name.
            internal_ids: int64 of shape (n,), rows of this view.

        Returns:
            float32 of shape (n, d); a row without the vector is nan.
        """
        ...

    def record_ids(self, internal_ids: NDArray[np.int64]) -> list[str]:
        """The ids of the records behind rows, in their order."""
        ...

    def internal_ids(self, record_ids: Sequence[str]) -> NDArray[np.int64]:
        """The rows of records; those that do not exist are left out."""
        ...

    def payloads(self, internal_ids: NDArray[np.int64]) -> dict[int, bytes | DataDamaged]:
        """The payloads of rows by internal id, or how a row is damaged; each row is read once."""
        ...
