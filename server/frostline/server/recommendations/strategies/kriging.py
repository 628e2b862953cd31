"""Kriging: what is known of some items is carried to others by what they are.

Scores of items are taken as a smooth field over content: near items have near scores. The best linear estimate at an
item is a weighted sum of the scores around it, with weights that depend on content alone. So they are made once for an
item, whoever the user, and a new item has its own at once.
"""

# scipy ships no types
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportOptionalSubscript=false

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

FEWEST_NEIGHBORS, MOST_NEIGHBORS = 64, 256
MOST_SHARES = 6_400_000
"""Of all items together: bounds the time of a call. Few items are estimated from all anchors."""
WIDTH = 0.35
"""Of the kernel, in median distances between items."""
NOISE = 0.3
"""Variance of a single score beside that of the field."""
_ENTRIES_AT_ONCE = 4_000_000


def median_square(features: NDArray[np.float32], seed: int = 0, pairs: int = 2_000) -> float:
    """The median squared distance of pairs of items, which the width of the kernel is measured by; above 0.

    Args:
        features: float32 of shape (n, d).
        seed: draws the pairs.
        pairs: how many.
    """
    if len(features) < 2:
        return 1.0
    rng = np.random.default_rng(seed)
    left, right = rng.integers(0, len(features), (2, pairs))
    differences = features[left[left != right]] - features[right[left != right]]
    return float(np.median(np.einsum("nd,nd->n", differences, differences))) or 1.0


def neighbor_count(items: int, anchors: int) -> int:
    """From how many anchors each of so many items is estimated: from all, where that is not too much."""
    if items * anchors <= MOST_SHARES:
        return anchors
    return min(max(MOST_SHARES // items, FEWEST_NEIGHBORS), MOST_NEIGHBORS, anchors)


def weights(
    anchors: NDArray[np.float32], targets: NDArray[np.float32], neighbors: int, unit: float, width: float = WIDTH
) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    """Finds from which anchors, and by how much, the scores of targets are estimated.

    Args:
        anchors: float32 of shape (a, d), features of the items whose scores are known.
        targets: float32 of shape (n, d), of those to estimate. One that is an anchor too counts among its neighbors:
            its own score is smoothed by theirs.
        neighbors: k, from how many of the nearest; at most a. See `neighbor_count`.
        unit: as `median_square` gives it.
        width: of the kernel.

    Returns:
        int32 of shape (n, k), anchors, and float32 of shape (n, k), what their differences from the mean score are
        weighted by.

    Source: simple kriging in neighborhoods, Cressie 1993, section 3.4.5; the kernel is a Gaussian.
    """
    found = np.zeros((len(targets), neighbors), np.int32)
    by = np.zeros((len(targets), neighbors), np.float32)
    scale = 2 * width**2 * unit
    if neighbors == len(anchors) > 0:
        found[:] = np.arange(neighbors)
        by[:] = _solved_from_all(anchors, targets, scale)
        return found, by
    at_once = _ENTRIES_AT_ONCE // max(neighbors, 1) ** 2 + 1
    for start in range(0, len(targets), at_once) if neighbors else ():
        some = targets[start : start + at_once]
        distances = _squares(some, anchors)
        near = np.argpartition(distances, neighbors - 1, axis=1)[:, :neighbors]
        closeness = np.exp(-np.take_along_axis(distances, near, 1) / scale)
        found[start : start + len(some)] = near
        by[start : start + len(some)] = _solved(anchors[near], closeness, scale)
    return found, by


def _squares(one: NDArray[np.float32], other: NDArray[np.float32]) -> NDArray[np.float32]:
    """Squared distances, of shape (len(one), len(other))."""
    lengths = np.einsum("nd,nd->n", one, one)[:, np.newaxis] + np.einsum("nd,nd->n", other, other)
    squares: NDArray[np.float32] = np.maximum(lengths - 2 * (one @ other.T), 0)
    return squares


def _solved_from_all(anchors: NDArray[np.float32], targets: NDArray[np.float32], scale: float) -> NDArray[np.float32]:
    kernel = np.exp(-_squares(anchors, anchors).astype(np.float64) / scale)
    kernel[np.diag_indices_from(kernel)] = 1 + NOISE
    closeness = np.exp(-_squares(targets, anchors).astype(np.float64) / scale)
    solved: NDArray[np.float64] = np.linalg.solve(kernel, closeness.T)
    return solved.T.astype(np.float32)


def _solved(near: NDArray[np.float32], closeness: NDArray[np.float32], scale: float) -> NDArray[np.float32]:
    """Solves for the weights of the neighbors of each target, near being float32 of shape (n, k, d)."""
    products = near @ near.transpose(0, 2, 1)
    squares = np.einsum("nkk->nk", products)
    distances = squares[:, :, np.newaxis] + squares[:, np.newaxis] - 2 * products
    kernel = np.exp(-np.maximum(distances, 0).astype(np.float64) / scale)
    kernel[:, np.arange(kernel.shape[1]), np.arange(kernel.shape[1])] = 1 + NOISE
    solved: NDArray[np.float64] = np.linalg.solve(kernel, closeness.astype(np.float64)[:, :, np.newaxis])[:, :, 0]
    return solved.astype(np.float32)


def operator(found: NDArray[np.int32], by: NDArray[np.float32], anchors: int) -> csr_array:
    """The weights as a sparse matrix of shape (n, a)."""
    starts = np.arange(len(found) + 1) * found.shape[1]
    return csr_array((by.ravel(), found.ravel(), starts), shape=(len(found), anchors))


def carried(matrix: csr_array, scores: NDArray[np.float32]) -> NDArray[np.float32]:
    """Estimates scores.

    Args:
        matrix: as `operator` gives it.
        scores: float32 of shape (..., a), of the anchors.

    Returns:
        float32 of shape (..., n); the mean where an item is far from all anchors.
    """
    if not scores.shape[-1]:
        return np.zeros((*scores.shape[:-1], matrix.shape[0]), np.float32)
    mean = scores.mean(axis=-1, keepdims=True)
    estimated: NDArray[np.float32] = (matrix @ (scores - mean).T).T + mean
    return estimated
