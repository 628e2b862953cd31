"""What the nearest other examples say of each example."""

import numpy as np
from numpy.typing import NDArray

NEIGHBORS = 5
_AT_ONCE = 1_024


def of_neighbors(features: NDArray[np.float32], targets: NDArray[np.int64], classes: int) -> NDArray[np.int64]:
    """The class that most of the 5 nearest other examples are of; of several such, the one with the closest.

    Args:
        features: float32 of shape (n, d), n at least 2. They are compared by the cosine.
        targets: int64 of shape (n,).
        classes: how many there are.

    Returns:
        int64 of shape (n,).
    """
    lengths = np.linalg.norm(features.astype(np.float64), axis=1, keepdims=True)
    unit = (features / np.where(lengths > 0, lengths, 1)).astype(np.float32)
    k = min(NEIGHBORS, len(targets) - 1)
    found = np.empty(len(targets), np.int64)
    for start in range(0, len(targets), _AT_ONCE):
        closeness = unit[start : start + _AT_ONCE] @ unit.T
        rows = np.arange(len(closeness))
        closeness[rows, start + rows] = -np.inf
        nearest = np.argpartition(-closeness, k - 1, axis=1)[:, :k]
        votes = np.zeros((len(closeness), classes))
        # Closeness is at most 1 and so never outweighs a vote, but decides between equal ones.
        weights = 1 + np.take_along_axis(closeness, nearest, axis=1) / (4 * NEIGHBORS)
        np.add.at(votes, (rows[:, np.newaxis], targets[nearest]), weights)
        found[start : start + _AT_ONCE] = votes.argmax(axis=1)
    return found
