"""Item neighbors: items that the same users liked."""

# scipy ships no types
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportOptionalSubscript=false

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

SHRINKAGE = 20.0
"""Added to the product of lengths, so that few users in common say little."""
MAX_HISTORY = 500
"""Of longer histories so many count, drawn at random: pairs grow with the square."""
_ROWS_AT_ONCE = 2_000


def fit(matrix: csr_array, neighbors: int, seed: int = 0) -> csr_array:
    """Learns which items go with each.

    Args:
        matrix: float32 of shape (users, n), weights of those liked.
        neighbors: the most of an item, at least 1.
        seed: draws from histories that are too long.

    Returns:
        float32 of shape (n, n): row i is what an item i in a history adds to the score of others.

    Source: Sarwar et al. 2001, section 3.1.1 (cosine), shrunk as in Bell and Koren 2007, section 3.
    """
    matrix = _shortened(matrix, seed)
    lengths = np.sqrt(np.asarray(matrix.power(2).sum(axis=0)).ravel())
    transposed = matrix.T.tocsr()
    rows: list[csr_array] = []
    for start in range(0, matrix.shape[1], _ROWS_AT_ONCE):
        together = (transposed[start : start + _ROWS_AT_ONCE] @ matrix).tocoo()
        own = together.row + start
        together.data /= lengths[own] * lengths[together.col] + SHRINKAGE
        together.data[own == together.col] = 0
        rows.append(_strongest(together.tocsr(), neighbors))
    return _stacked(rows, matrix.shape[1])


def score(weights: csr_array, items: NDArray[np.int64], liked: NDArray[np.float32]) -> NDArray[np.float32]:
    """Scores all items for a history; see `ease.score`."""
    scores = np.zeros(weights.shape[1], np.float32)
    for item, weight in zip(items.tolist(), liked.tolist(), strict=True):
        begin, end = weights.indptr[item], weights.indptr[item + 1]
        scores[weights.indices[begin:end]] += weight * weights.data[begin:end]
    return scores


def _shortened(matrix: csr_array, seed: int) -> csr_array:
    lengths = np.diff(matrix.indptr)
    if lengths.max(initial=0) <= MAX_HISTORY:
        return matrix
    rng = np.random.default_rng(seed)
    kept = np.ones(matrix.nnz, np.bool_)
    for user in np.flatnonzero(lengths > MAX_HISTORY).tolist():
        own = np.arange(matrix.indptr[user], matrix.indptr[user + 1])
        kept[rng.permutation(own)[MAX_HISTORY:]] = False
    rows = np.repeat(np.arange(matrix.shape[0]), lengths)[kept]
    return csr_array((matrix.data[kept], (rows, matrix.indices[kept])), shape=matrix.shape)


def _strongest(rows: csr_array, count: int) -> csr_array:
    """The largest entries of each row."""
    rows.eliminate_zeros()
    owners = np.repeat(np.arange(rows.shape[0]), np.diff(rows.indptr))
    order = np.lexsort((np.negative(rows.data), owners))
    places = np.arange(rows.nnz) - rows.indptr[owners]
    kept = np.sort(order[places < count])
    return csr_array((rows.data[kept], (owners[kept], rows.indices[kept])), shape=rows.shape, dtype=np.float32)


def _stacked(rows: list[csr_array], width: int) -> csr_array:
    lengths = [np.diff(each.indptr) for each in rows]
    indptr = np.concatenate([[0], np.cumsum(np.concatenate([*lengths, np.empty(0, np.int64)]))])
    indices = np.concatenate([*(each.indices for each in rows), np.empty(0, np.int32)])
    data = np.concatenate([*(each.data for each in rows), np.empty(0, np.float32)]).astype(np.float32)
    return csr_array((data, indices, indptr), shape=(width, width))
