"""The newest rows of one vector, in memory, compared exactly."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from frostline.server.collections.config import Metric
from frostline.server.collections.vectors import exact
from frostline.server.collections.vectors.plan import Found
from frostline.server.collections.vectors.selection import Selection

_FIRST_ROWS = 1024


@dataclass(frozen=True, slots=True, eq=False)
class Tail:
    """Rows 0 to count - 1 as of one commit.

    Rows are written once. Each commit makes a new tail that shares the memory of the one before: searches keep the one
    they began with, and neither waits for the other.

    Attributes:
        metric: how close two vectors are.
        count: how many rows there are.
        memory: float32 of shape (capacity, d); rows from `count` on are free.
    """

    metric: Metric
    count: int
    memory: NDArray[np.float32]

    @classmethod
    def empty(cls, dimensions: int, metric: Metric) -> "Tail":
        """A tail without rows."""
        return cls(metric, 0, np.empty((0, dimensions), np.float32))

    @property
    def vectors(self) -> NDArray[np.float32]:
        """The rows as they are compared (normalised for cosine): float32 of shape (count, d). Do not write."""
        return self.memory[: self.count]

    def added(self, vectors: NDArray[np.float32]) -> "Tail":
        """The tail after a commit. Only the newest tail may be added to, by one thread at a time.

        Args:
            vectors: float32 of shape (n, d), finite; not zero where the metric is cosine.

        Returns:
            A new tail whose last n rows these are; this one goes on answering as before.
        """
        end = self.count + len(vectors)
        memory = self.memory
        if end > len(memory):
            # Untouched pages take no memory, so growing fourfold costs a copy now and then and no more.
            memory = np.empty((max(end, 4 * len(memory), _FIRST_ROWS), memory.shape[1]), np.float32)
            memory[: self.count] = self.vectors
        memory[self.count : end] = exact.normalized(vectors, self.metric)
        return Tail(self.metric, end, memory)

    def search(self, queries: NDArray[np.float32], k: int, selection: Selection | None = None) -> Found:
        """Finds the nearest rows; see `exact.nearest`. Queries must be normalised where the metric is cosine."""
        return exact.nearest(self.vectors, queries, k, self.metric, selection)
