"""Implicit matrix factors: users and items as vectors whose products say who likes what."""

# scipy ships no types
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportOptionalSubscript=false

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import lapack
from scipy.sparse import csr_array

FACTORS = 64
REGULARIZATION = 20.0
CONFIDENCE = 5.0
SWEEPS = 8
_ROWS_AT_ONCE = 128


@dataclass(frozen=True, slots=True, eq=False)
class Factors:
    """Learned factors.

    Attributes:
        items: float32 of shape (n, f).
    """

    items: NDArray[np.float32]
    _gram: NDArray[np.float64] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_gram", _gram_of(self.items))

    def score(self, items: NDArray[np.int64], liked: NDArray[np.float32]) -> NDArray[np.float32]:
        """Folds a history in and scores all items; see `ease.score`. Dislikes are passed over."""
        loved = liked > 0
        if not loved.any():
            return np.zeros(len(self.items), np.float32)
        user = _solved(self._gram, self.items[items[loved]], liked[loved])
        return self.items @ user.astype(np.float32)


def fit(matrix: csr_array, seed: int = 0, factors: int = FACTORS) -> Factors:
    """Learns factors by alternating least squares.

    Args:
        matrix: float32 of shape (users, n), weights of those liked.
        seed: of the start.
        factors: f.

    Returns:
        The factors of the items, 0 for those that nobody liked.

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
    """Solves for one side: float32 of shape (rows, f)."""
    gram, width = _gram_of(others), others.shape[1]
    solved = np.zeros((len(rows.indptr) - 1, width), np.float32)
    lengths: NDArray[np.int64] = np.diff(rows.indptr)
    data = rows.data.astype(np.float32, copy=False)
    for row in np.flatnonzero(lengths > width // 2).tolist():
        own = slice(rows.indptr[row], rows.indptr[row + 1])
        solved[row] = _solved(gram, others[rows.indices[own]], data[own])
    short = np.flatnonzero((lengths > 0) & (lengths <= width // 2))
    short = short[np.argsort(lengths[short], kind="stable")]
    spread = others @ np.linalg.inv(gram)
    for start in range(0, len(short), _ROWS_AT_ONCE):
        some = short[start : start + _ROWS_AT_ONCE]
        places = np.arange(int(lengths[some[-1]]))
        there = places < lengths[some, np.newaxis]
        places = np.where(there, rows.indptr[some, np.newaxis] + places, 0)
        own, weights = rows.indices[places], np.where(there, data[places], np.float32(0))
        solved[some] = _solved_short(spread[own], others[own], weights, there)
    return solved


def _gram_of(vectors: NDArray[np.float32]) -> NDArray[np.float64]:
    gram = (vectors.T @ vectors).astype(np.float64)
    gram[np.diag_indices_from(gram)] += REGULARIZATION
    return gram


def _solved(gram: NDArray[np.float64], liked: NDArray[np.float32], weights: NDArray[np.float32]) -> NDArray[np.float64]:
    more = CONFIDENCE * weights
    system = gram + (liked * more[:, np.newaxis]).T @ liked
    wanted = (1 + more) @ liked
    # LAPACK itself: what scipy does around it takes longer than it.
    _, found, failed = lapack.dposv(system.T, wanted, lower=1, overwrite_a=1)  # pyright: ignore[reportAttributeAccessIssue]
    if failed:
        raise FloatingPointError("factors cannot be solved for: weights or factors are not finite")
    solution: NDArray[np.float64] = found
    return solution


def _solved_short(
    spread: NDArray[np.float64], liked: NDArray[np.float32], weights: NDArray[np.float32], there: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """The same for r histories of at most h items, by systems of h unknowns (Woodbury's identity).

    Args:
        spread: float64 of shape (r, h, f), `liked` times the inverse of the Gram matrix.
        liked: float32 of shape (r, h, f).
        weights: float32 of shape (r, h), 0 where a history is shorter.
        there: bool of shape (r, h), where it is not.
    """
    more = CONFIDENCE * weights
    system = more[:, :, np.newaxis] * (spread @ liked.transpose(0, 2, 1)) + np.eye(there.shape[1])
    shares = np.linalg.solve(system, ((1 + more) * there)[:, :, np.newaxis])
    return (shares.transpose(0, 2, 1) @ spread)[:, 0]
