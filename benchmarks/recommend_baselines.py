"""What recommendations of new items are compared with, computed here: chance, popularity, mean profiles."""

import numpy as np
from numpy.typing import NDArray

from recommend_data import Movies

_GENRES = _DECADES = 0.3
_PENALTY = 10.0


def features(found: Movies, vectors: NDArray[np.float32]) -> NDArray[np.float64]:
    """Embedding, genres and decades side by side, tags weighted by 0.3; of shape (items, features)."""
    return np.hstack([vectors, _GENRES * found.genre_tags(), _DECADES * found.decade_tags()]).astype(np.float64)


def chance(found: Movies, held: NDArray[np.int64], seed: int) -> NDArray[np.float64]:
    """Random scores, of shape (users, held)."""
    return np.random.default_rng([seed, 1]).random((len(found.users), len(held)))


def mean_profile(
    found: Movies, described: NDArray[np.float64], learned: NDArray[np.int64], held: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Cosine to the mean of what a user liked, of shape (users, held): what vector databases call recommend.

    Args:
        found: the movies.
        described: float64 of shape (items, features).
        learned: rows whose positives are known.
        held: rows to score.
    """
    profiles = found.positives[learned].T.astype(np.float64) @ described[learned]
    candidates = described[held]
    scores: NDArray[np.float64] = profiles @ (candidates / np.linalg.norm(candidates, axis=1, keepdims=True)).T
    return scores


def predicted_popularity(
    found: Movies, described: NDArray[np.float64], learned: NDArray[np.int64], held: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Ridge from features to the logarithm of the number of positives; the same for all users. As `mean_profile`."""
    target = np.log1p(found.positives[learned].sum(axis=1))
    mean = described[learned].mean(axis=0)
    known = described[learned] - mean
    weights = np.linalg.solve(known.T @ known + _PENALTY * np.eye(known.shape[1]), known.T @ (target - target.mean()))
    return np.tile((described[held] - mean) @ weights, (len(found.users), 1))
