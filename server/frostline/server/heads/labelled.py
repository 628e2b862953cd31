"""Labelled embeddings: what a head learns from."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class Labelled:
    """Examples of classes, in one embedding space.

    Attributes:
        features: float32 of shape (n, d), finite.
        targets: int64 of shape (n,), places in `classes`.
        classes: labels, ascending; each has at least one row.
        described: bool of shape (n,). Rows that stand for what a class is said to be about: they are learned from like
            one more example each, but are never held out and not counted as examples.
    """

    features: NDArray[np.float32]
    targets: NDArray[np.int64]
    classes: tuple[str, ...]
    described: NDArray[np.bool_]

    @cached_property
    def counts(self) -> NDArray[np.int64]:
        """Examples of each class, descriptions left out: int64 of shape (c,)."""
        return np.bincount(self.targets[~self.described], minlength=len(self.classes))

    def rows(self, chosen: NDArray[np.int64]) -> "Labelled":
        """Some of the examples, with all the classes."""
        return Labelled(self.features[chosen], self.targets[chosen], self.classes, self.described[chosen])
