"""How good a ranking is."""

import numpy as np
from numpy.typing import NDArray

DEPTH = 10
_DISCOUNTS = 1 / np.log2(np.arange(2, DEPTH + 2))
_IDEAL = np.cumsum(_DISCOUNTS)


def ideal(relevant: int) -> float:
    """The most that a ranking gains before it is normalised, where so many items are relevant; above 0."""
    return float(_IDEAL[min(DEPTH, relevant) - 1])


def ndcg(scores: NDArray[np.floating], relevant: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Normalised discounted cumulative gain of the first ten, of several rankings of the same items.

    Args:
        scores: of shape (r, n), higher is better, equal ones in the order they have; -inf takes part nowhere.
        relevant: of shape (n,), at least one of which is.

    Returns:
        float64 of shape (r,), from 0 to 1.

    Source: Järvelin and Kekäläinen 2002, with gains of 0 and 1.
    """
    left, gained = scores.copy(), np.zeros(len(scores))
    flat, starts = left.reshape(-1), np.arange(len(scores)) * scores.shape[1]
    for discount in _DISCOUNTS[: scores.shape[1]].tolist():  # ten times the best is quicker than a partition
        best = left.argmax(axis=1)
        places = starts + best
        gained += discount * (relevant[best] & (flat[places] > -np.inf))
        flat[places] = -np.inf
    return gained / ideal(int(relevant.sum()))
