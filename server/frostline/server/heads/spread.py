"""How embeddings spread about their mean, and what turns one spread into another.

What is fitted here follows from sums alone, so it may be fitted anew after each update.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from frostline.server.errors import InvalidInput
from frostline.server.heads.decision import Decision, Linear, Perceptron
from frostline.server.heads.labelled import Labelled
from frostline.server.heads.moments import Moments

_NO_SPREAD = 1e-12
"""Up to this share of the mean square, variance is what rounding left."""


@dataclass(frozen=True, slots=True, eq=False)
class Spread:
    """A mean and a covariance, shrunk so that it can be inverted however few the embeddings.

    Attributes:
        mean: float64 of shape (d,).
        variances: float64 of shape (d,), above 0: along `axes`.
        axes: float64 of shape (d, d), orthonormal columns.
    """

    mean: NDArray[np.float64]
    variances: NDArray[np.float64]
    axes: NDArray[np.float64]

    @classmethod
    def of(cls, moments: Moments) -> "Spread":
        """The spread of all examples, whatever their classes.

        Source: Chen, Wiesel, Eldar and Hero 2010, section III.C (oracle approximating shrinkage).
        """
        rows = float(moments.counts.sum())
        mean = moments.sums.sum(axis=0) / rows
        variances, axes = np.linalg.eigh(moments.grams / rows - np.outer(mean, mean))
        variances = np.maximum(variances, 0)
        level, dimensions = float(variances.mean()), len(mean)
        if level <= _NO_SPREAD * float(np.trace(moments.grams)) / rows / dimensions:
            return cls(mean, np.ones(dimensions), axes)
        squares = float((variances**2).sum()) / dimensions**2
        excess = (rows + 1) * (squares - level**2 / dimensions)
        share = 1.0 if excess <= 0 else min(1.0, (squares + level**2) / excess)
        return cls(mean, (1 - share) * variances + share * level, axes)

    def power(self, exponent: float) -> NDArray[np.float64]:
        """The covariance to a power: float64 of shape (d, d)."""
        raised: NDArray[np.float64] = (self.axes * self.variances**exponent) @ self.axes.T
        return raised


@dataclass(frozen=True, slots=True, eq=False)
class Affine:
    """Takes embeddings to `(x - origin) @ matrix + target`.

    Attributes:
        origin: float64 of shape (d,).
        matrix: float64 of shape (d, d).
        target: float64 of shape (d,).
    """

    origin: NDArray[np.float64]
    matrix: NDArray[np.float64]
    target: NDArray[np.float64]

    def examples(self, labelled: Labelled) -> Labelled:
        """The examples, their embeddings taken elsewhere."""
        moved = (labelled.features - self.origin) @ self.matrix + self.target
        return replace(labelled, features=moved.astype(np.float32))

    def sums(self, moments: Moments) -> Moments:
        """The sums as if they had been taken over embeddings that were taken elsewhere."""
        shift = self.target - self.origin @ self.matrix
        turned = moments.sums @ self.matrix
        crossed = np.outer(shift, turned.sum(axis=0))
        grams = self.matrix.T @ moments.grams @ self.matrix + crossed + crossed.T
        grams += moments.counts.sum() * np.outer(shift, shift)
        return Moments(moments.classes, moments.counts, turned + np.outer(moments.counts, shift), grams)

    def before(self, decision: Decision) -> Decision:
        """What does to embeddings as they are what `decision` does to those taken elsewhere.

        Raises:
            InvalidInput: votes do not fold.
        """
        shift = self.target - self.origin @ self.matrix
        match decision:
            case Linear():
                return Linear(decision.coef @ self.matrix.T, decision.intercept + decision.coef @ shift)
            case Perceptron():
                hidden = decision.hidden @ self.matrix.T
                intercept = decision.hidden_intercept + decision.hidden @ shift
                return Perceptron(hidden, intercept, decision.output, decision.output_intercept)
            case _:
                raise InvalidInput(f"{type(decision).__name__.lower()} do not work on whitened embeddings")
