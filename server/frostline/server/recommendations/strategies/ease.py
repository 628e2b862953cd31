"""EASE: each item's score is a sum over the items of a history, by weights that were solved for in closed form."""

# scipy ships no types
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportOptionalSubscript=false

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import lapack
from scipy.sparse import csr_array


def fit(matrix: csr_array, regularization: float) -> NDArray[np.float32]:
    """Learns how much each item of a history says for every item.

    Args:
        matrix: float32 of shape (users, n), weights of those liked.
        regularization: on the weights, in interactions of an item; above 0.

    Returns:
        float32 of shape (n, n): row i is what an item i in a history adds to the score of each item, itself 0.

    Raises:
        FloatingPointError: the regularization is too small for float64, or weights are not finite.

    Source: Steck 2019, Embarrassingly Shallow Autoencoders for Sparse Data, equation 8.
    """
    if not matrix.shape[1]:
        return np.zeros((0, 0), np.float32)
    gram: NDArray[np.float64] = (matrix.T @ matrix).toarray().astype(np.float64)
    gram[np.diag_indices_from(gram)] += regularization
    # The transpose, as LAPACK has columns one after another: it works in place.
    factor, failed = lapack.dpotrf(gram.T, lower=1, overwrite_a=1)  # pyright: ignore[reportAttributeAccessIssue]
    if not failed:
        factor, failed = lapack.dpotri(factor, lower=1, overwrite_c=1)  # pyright: ignore[reportAttributeAccessIssue]
    if failed:
        raise FloatingPointError(f"the Gram matrix of {len(gram)} items cannot be inverted")
    inverse: NDArray[np.float64] = np.tril(factor) + np.tril(factor, -1).T
    weights = (inverse / -np.diag(inverse)).astype(np.float32)
    np.fill_diagonal(weights, 0)
    return weights


def score(weights: NDArray[np.float32], items: NDArray[np.int64], liked: NDArray[np.float32]) -> NDArray[np.float32]:
    """Scores all items for a history.

    Args:
        weights: as `fit` gives them.
        items: int64 of shape (h,), the items of the history.
        liked: float32 of shape (h,), their weights; below 0 for dislike.

    Returns:
        float32 of shape (n,).
    """
    scores: NDArray[np.float32] = liked @ weights[items]
    return scores
