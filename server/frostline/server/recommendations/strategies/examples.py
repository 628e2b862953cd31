"""Closeness to examples: what needs neither users nor learning."""

import numpy as np
from numpy.typing import NDArray

_ROUNDING = 1e-6


def average(
    vectors: NDArray[np.float32], examples: NDArray[np.float32], weights: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Scores by the cosine with the weighted mean of the examples.

    Args:
        vectors: float32 of shape (n, d), of unit length or 0.
        examples: float32 of shape (e, d), likewise.
        weights: float32 of shape (e,); below 0 to stay away.

    Returns:
        float32 of shape (n,); all 0 where the examples cancel each other out, but for rounding.
    """
    total: NDArray[np.float32] = weights @ examples
    length = float(np.linalg.norm(total))
    if length <= _ROUNDING * np.abs(weights).sum():
        return np.zeros(len(vectors), np.float32)
    scores: NDArray[np.float32] = vectors @ np.divide(total, length, dtype=np.float32)
    return scores


def best_score(
    vectors: NDArray[np.float32], examples: NDArray[np.float32], weights: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Scores by the highest weighted cosine with an example, less the highest with one to stay away from.

    Takes and gives what `average` does.
    """
    close = vectors @ examples.T * weights
    liked, disliked = weights > 0, weights < 0
    scores = close[:, liked].max(axis=1) if liked.any() else np.zeros(len(vectors), np.float32)
    if disliked.any():
        scores = scores + close[:, disliked].min(axis=1)
    return scores


def sum_scores(
    vectors: NDArray[np.float32], examples: NDArray[np.float32], weights: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Scores by the weighted sum of the cosines with all examples. Takes and gives what `average` does."""
    total: NDArray[np.float32] = weights @ examples
    return vectors @ total
