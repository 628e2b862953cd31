"""Closeness to examples: what needs neither users nor learning."""

import numpy as np
from numpy.typing import NDArray


def average(
    vectors: NDArray[np.float32], examples: NDArray[np.float32], weights: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Scores by the cosine with the weighted mean of the examples.

    Args:
        vectors: float32 of shape (n, d), of unit length or 0.
        examples: float32 of shape (e, d), likewise.
        weights: float32 of shape (e,); below 0 to stay away.

    Returns:
        float32 of shape (n,); all 0 where the examples cancel each other out.
    """
    mean = weights @ examples
    length = np.linalg.norm(mean)
    scores: NDArray[np.float32] = vectors @ (mean / length if length > 0 else mean)
    return scores


def best_score(
    vectors: NDArray[np.float32], examples: NDArray[np.float32], weights: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Scores by the highest weighted cosine with an example, less the highest with one to stay away from."""
    close = vectors @ examples.T * weights
    liked, disliked = weights > 0, weights < 0
    scores = close[:, liked].max(axis=1) if liked.any() else np.zeros(len(vectors), np.float32)
    if disliked.any():
        scores = scores + close[:, disliked].min(axis=1)
    return scores


def sum_scores(
    vectors: NDArray[np.float32], examples: NDArray[np.float32], weights: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Scores by the weighted sum of the cosines with all examples."""
    scores: NDArray[np.float32] = vectors @ (weights @ examples)
    return scores
