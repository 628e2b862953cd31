"""The port behind which nearest neighbors are found.

An implementation is a read-only picture of the vectors as of one commit: asked twice, it answers the same. It knows
internal ids only. So a search can move into worker processes over read-only segments, and nobody above notices.
"""

from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray


class Neighbors(NamedTuple):
    """What was found for q queries, closest first, equal scores in the order they were written.

    Attributes:
        ids: int64 of shape (q, k), internal ids.
        scores: float32 of shape (q, k); higher is closer.
    """

    ids: NDArray[np.int64]
    scores: NDArray[np.float32]


class VectorSearch(Protocol):
    """The vectors as of one commit. May be searched from several threads at once."""

    @property
    def count(self) -> int:
        """Vectors that can be found."""
        ...

    def search(self, queries: NDArray[np.float32], k: int) -> Neighbors:
        """Finds the nearest vectors.

        Args:
            queries: float32 of shape (q, d), finite; not zero where the metric is cosine.
            k: how many neighbors of each query, at least 1.

        Returns:
            min(k, count) neighbors of each query.
        """
        ...
