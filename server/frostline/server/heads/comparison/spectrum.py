"""The one decomposition that ridge, evidence and H-score share."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_NO_SPREAD = 1e-12
"""Up to this share of the largest singular value, a direction is what rounding left."""


@dataclass(frozen=True, slots=True, eq=False)
class Spectrum:
    """The singular value decomposition of n features of d dimensions less their mean.

    Attributes:
        left: float64 of shape (n, r), orthonormal columns: the features along their r directions, at unit length.
        squares: float64 of shape (r,), the squared singular values, descending, above 0.
        dimensions: d.
        scale: the mean squared length of a feature less the mean; 1 where all are the same.
    """

    left: NDArray[np.float64]
    squares: NDArray[np.float64]
    dimensions: int
    scale: float

    @classmethod
    def of(cls, features: NDArray[np.float32]) -> "Spectrum":
        """Decomposes features, float32 of shape (n, d)."""
        wide = features.astype(np.float64)
        left, values, _ = np.linalg.svd(wide - wide.mean(axis=0), full_matrices=False)
        kept = int((values > _NO_SPREAD * values.max(initial=0.0)).sum())
        squares = values[:kept] ** 2
        return cls(left[:, :kept], squares, wide.shape[1], float(squares.sum() / len(wide)) or 1.0)


def one_hot(targets: NDArray[np.int64], classes: int) -> NDArray[np.float64]:
    """Targets as float64 of shape (n, c), 1 in the column of the class and 0 elsewhere."""
    columns = np.zeros((len(targets), classes))
    columns[np.arange(len(targets)), targets] = 1.0
    return columns
