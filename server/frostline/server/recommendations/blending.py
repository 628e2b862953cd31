"""How strategies become one score: standardised, weighted by how much is known of the user, carried to new items."""

import math
from collections.abc import Sequence
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

LENGTHS = (1, 3, 5, 10, 20, 50)
"""Lengths of histories that weights are learned for; between them they are interpolated."""
PRIOR: tuple[tuple[float, float, float, float], ...] = (
    (4.0, 1.0, 1.0, 0.5),
    (2.0, 1.0, 1.0, 0.5),
    (1.0, 1.0, 1.0, 0.5),
    (0.5, 0.5, 1.0, 1.0),
    (0.25, 0.25, 0.25, 0.25),
    (0.25, 0.25, 0.25, 0.25),
)
"""Taken where there are too few users to learn from: the less is known, the more popularity counts."""
TRUST = 2.0
"""So many interactions count half: an item's beside those of items alike, a user's beside those of all."""
_ROUNDING = 1e-6


class Component(IntEnum):
    """What is blended, in the order of the weights."""

    POPULARITY = 0
    NEIGHBORS = 1
    EASE = 2
    FACTORS = 3


class Blend(BaseModel):
    """What has been learned about blending.

    Attributes:
        weights: for each of `LENGTHS`, those of the components.
        carried: weights of the components in what is carried to items without interactions, for long histories.
        content: weight of a user's ridge head for items that have no interactions, beside what is carried to them.
        width: of the kernel by which scores are carried.
        regularization: of EASE.
        carried_regularization: of EASE in what is carried.
    """

    model_config = ConfigDict(frozen=True)

    weights: tuple[tuple[float, float, float, float], ...] = PRIOR
    carried: tuple[float, float, float, float] = (0.0, 0.0, 1.0, 1.0)
    content: float = 0.5
    width: float = 0.35
    regularization: float = 200.0
    carried_regularization: float = 60.0

    def at(self, length: float) -> NDArray[np.float32]:
        """The weights for a history, float32 of shape (4,), adding up to 1; popularity alone where it is empty.

        Args:
            length: how many interactions count, at least 0.
        """
        if length <= 0:
            return np.array([1, 0, 0, 0], np.float32)
        known = np.log(LENGTHS)
        table: NDArray[np.float64] = np.array(self.weights)
        at = np.array([float(np.interp(math.log(max(length, 1)), known, table[:, each])) for each in Component])
        weights: NDArray[np.float32] = (at / at.sum()).astype(np.float32)
        return weights

    def carried_at(self, length: float) -> NDArray[np.float32]:
        """Weights of what is carried to items without interactions, as `at` gives them: popularity as by `TRUST`."""
        known = length / (length + TRUST)
        carried = known * np.array(self.carried) / sum(self.carried) + (1 - known) * np.array([1, 0, 0, 0])
        return carried.astype(np.float32)


def standardised(scores: NDArray[np.float32]) -> NDArray[np.float32]:
    """Brings scores of shape (n,) to mean 0 and deviation 1; to 0 where all are equal but for rounding."""
    largest = np.abs(scores).max(initial=0)
    if not largest:
        return np.zeros_like(scores)
    centered: NDArray[np.float32] = scores / largest  # squares of sums with decay are beyond float32
    centered -= centered.mean(dtype=np.float64).astype(np.float32)
    deviation = np.sqrt(np.dot(centered, centered) / np.float32(len(centered)))
    if deviation <= _ROUNDING:
        return np.zeros_like(scores)
    centered /= deviation
    return centered


def weighted(components: Sequence[NDArray[np.float32]], weights: NDArray[np.float32]) -> NDArray[np.float32]:
    """What each component gives to a blend.

    Args:
        components: float32 of shape (n_c,) each. A shorter one knows the first items alone; for the others the rest of
            the weights counts for more.
        weights: float32, one for each component, adding up to 1.

    Returns:
        float32 of shape (components, n), n that of the longest; their sum is the blend.
    """
    length = max(map(len, components))
    given, known = np.zeros((len(components), length), np.float32), np.zeros(length, np.float32)
    for row, scores, weight in zip(given, components, weights, strict=True):
        if weight:
            row[: len(scores)] = weight * standardised(scores)
            known[: len(scores)] += weight
    return np.divide(given, known, out=given, where=known > 0)


def with_content(
    carried: NDArray[np.float32], content: NDArray[np.float32], weight: float | NDArray[np.float32]
) -> NDArray[np.float32]:
    """Adds a user's ridge head to what is carried to n items.

    Args:
        carried: float32 of shape (..., n).
        content: float32 of shape (n,), what the head gives.
        weight: of the head, in deviations of what is carried; an array of several has the shape (..., 1).

    Returns:
        float32 of shape (..., n).
    """
    scale = np.asarray(weight, np.float32) * carried.std(axis=-1, keepdims=True)
    both: NDArray[np.float32] = scale * standardised(content)
    both += carried
    return both


def trusted(own: NDArray[np.float32], carried: NDArray[np.float32], counts: NDArray[np.int64]) -> NDArray[np.float32]:
    """Mixes what interactions of an item say with what those of items alike do; see `TRUST`.

    Args:
        own: float32 of shape (..., n).
        carried: float32 of shape (..., n).
        counts: int64 of shape (n,), interactions of each item.

    Returns:
        float32 of shape (..., n).
    """
    share = (counts / (counts + TRUST)).astype(np.float32)
    mixed = own - carried
    mixed *= share
    mixed += carried
    return mixed
