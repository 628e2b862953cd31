"""Features as solvers like them, which changes nothing of what they find but how fast they do."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from frostline.server.heads.decision import Linear


@dataclass(frozen=True, slots=True, eq=False)
class Scaling:
    """Moves features to their mean and divides them by their root mean square length.

    Embeddings of length one are not divided, so strengths mean what they do in scikit-learn; and they mean the same for
    any other encoder.

    Attributes:
        mean: float64 of shape (d,).
        length: the root mean square length, before they are moved.
    """

    mean: NDArray[np.float64]
    length: float

    @classmethod
    def of(cls, features: NDArray[np.float32]) -> "Scaling":
        """What suits these features, float32 of shape (n, d)."""
        wide = features.astype(np.float64)
        return cls(wide.mean(axis=0), float(np.sqrt(np.einsum("ij,ij->", wide, wide) / len(wide))) or 1.0)

    def scaled(self, features: NDArray[np.float32]) -> NDArray[np.float64]:
        """The features, float64 of shape (n, d)."""
        return (features - self.mean) / self.length

    def unscaled(self, scaled: Linear) -> Linear:
        """What does to features as they are what `scaled` does to scaled ones."""
        coef = scaled.coef / self.length
        return Linear(coef, scaled.intercept - coef @ self.mean)

    def scaled_back(self, unscaled: Linear) -> Linear:
        """What `unscaled` is the same as for scaled features."""
        return Linear(unscaled.coef * self.length, unscaled.intercept + unscaled.coef @ self.mean)


def of_both_classes(coef: NDArray[np.float64], intercept: NDArray[np.float64]) -> Linear:
    """Logits for each class, where scikit-learn has one row for both of two classes."""
    if len(coef) > 1:
        return Linear(coef, intercept)
    return Linear(np.concatenate([-coef, coef]) / 2, np.concatenate([-intercept, intercept]) / 2)
