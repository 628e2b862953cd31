"""What a trained head computes: from embeddings to one logit for each class."""

from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

_Floats = TypeVar("_Floats", bound=np.floating[Any])


def unit(vectors: NDArray[_Floats]) -> NDArray[_Floats]:
    """Vectors, as rows, made as long as one, in the precision that they have; zero ones stay zero."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True).astype(vectors.dtype, copy=False)
    made: NDArray[_Floats] = vectors / np.maximum(lengths, np.finfo(vectors.dtype).tiny)
    return made


class Decision(Protocol):
    """A decision function."""

    def logits(self, features: NDArray[np.float32]) -> NDArray[np.float64]:
        """Logits of n embeddings, float32 of shape (n, d): float64 of shape (n, c)."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class Linear:
    """Logits are `features @ coef.T + intercept`.

    Attributes:
        coef: float64 of shape (c, d).
        intercept: float64 of shape (c,).
    """

    coef: NDArray[np.float64]
    intercept: NDArray[np.float64]

    def logits(self, features: NDArray[np.float32]) -> NDArray[np.float64]:
        """See `Decision.logits`."""
        return features.astype(np.float64) @ self.coef.T + self.intercept


@dataclass(frozen=True, slots=True, eq=False)
class Perceptron:
    """One hidden layer of rectified units.

    Attributes:
        hidden: float64 of shape (h, d).
        hidden_intercept: float64 of shape (h,).
        output: float64 of shape (c, h).
        output_intercept: float64 of shape (c,).
    """

    hidden: NDArray[np.float64]
    hidden_intercept: NDArray[np.float64]
    output: NDArray[np.float64]
    output_intercept: NDArray[np.float64]

    def logits(self, features: NDArray[np.float32]) -> NDArray[np.float64]:
        """See `Decision.logits`."""
        units = np.maximum(features.astype(np.float64) @ self.hidden.T + self.hidden_intercept, 0)
        return units @ self.output.T + self.output_intercept


@dataclass(frozen=True, slots=True, eq=False)
class Neighbors:
    """The vote of the nearest examples by cosine: the logarithm of each class's share, one vote for all shared out.

    Attributes:
        vectors: float32 of shape (n, d), of unit length.
        targets: int64 of shape (n,).
        classes: how many there are.
        neighbors: how many vote, at most n.
    """

    vectors: NDArray[np.float32]
    targets: NDArray[np.int64]
    classes: int
    neighbors: int

    def logits(self, features: NDArray[np.float32]) -> NDArray[np.float64]:
        """See `Decision.logits`."""
        near = unit(features) @ self.vectors.T
        nearest = np.argsort(-near, axis=1, kind="stable")[:, : self.neighbors]
        votes = np.zeros((len(features), self.classes))
        np.add.at(votes, (np.arange(len(features))[:, np.newaxis], self.targets[nearest]), 1.0)
        return np.log((votes + 1 / self.classes) / (self.neighbors + 1))
