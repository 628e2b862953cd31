"""Implicit matrix factors: users and items as vectors whose products say who likes what."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_factor, cho_solve
from scipy.sparse import csr_array

FACTORS = 64
REGULARIZATION = 20.0
CONFIDENCE = 5.0
SWEEPS = 8


@dataclass(frozen=True, slots=True, eq=False)
class Factors:
    """Learned factors.

    Attributes:
        items: float32 of shape (n, f).
    """

    items: NDArray[np.float32]

    def score(self, items: NDArray[np.int64], liked: NDArray[np.float32]) -> NDArray[np.float32]:
        """Folds a history in and scores all items; see `ease.score`. Dislikes are passed over."""
        loved = liked > 0
        if not loved.any():
            return np.zeros(len(self.items), np.float32)
        user = _solved(self._gram(), self.items[items[loved]], liked[loved])
        scores: NDArray[np.float32] = self.items @ user.astype(np.float32)
        return scores

    def _gram(self) -> NDArray[np.float64]:
        return _gram_of(self.items)


def fit(matrix: csr_array, seed: int = 0, factors: int = FACTORS) -> Factors:
    """Learns factors by alternating least squares.

    Args:
        matrix: float32 of shape (users, n), weights of those liked.
        seed: of the start.
        factors: f.

    Source: Hu, Koren and Volinsky 2008, section 4: preference 1 for what was liked, with the confidence
        1 + CONFIDENCE * weight, and 0 with the confidence 1 for all else.
    """
    rng = np.random.default_rng(seed)
    users, items = matrix.tocsr(), matrix.T.tocsr()
    of_items = rng.normal(0, 0.1, (matrix.shape[1], factors)).astype(np.float32)
    for _ in range(SWEEPS):
        of_users = _half(users, of_items)
        of_items = _half(items, of_users)
    return Factors(of_items)


def _half(rows: csr_array, others: NDArray[np.float32]) -> NDArray[np.float32]:
    gram = _gram_of(others)
    solved = np.zeros((rows.shape[0], others.shape[1]), np.float32)
    for row in np.flatnonzero(np.diff(rows.indptr)).tolist():
        own = slice(rows.indptr[row], rows.indptr[row + 1])
        solved[row] = _solved(gram, others[rows.indices[own]], rows.data[own])
    return solved


def _gram_of(vectors: NDArray[np.float32]) -> NDArray[np.float64]:
    gram = (vectors.T @ vectors).astype(np.float64)
    gram[np.diag_indices_from(gram)] += REGULARIZATION
    return gram


def _solved(gram: NDArray[np.float64], liked: NDArray[np.float32], weights: NDArray[np.float32]) -> NDArray[np.float64]:
    more = CONFIDENCE * weights
    system = gram + (liked * more[:, np.newaxis]).T @ liked
    solution: NDArray[np.float64] = cho_solve(cho_factor(system, check_finite=False), (1 + more) @ liked)
    return solution
