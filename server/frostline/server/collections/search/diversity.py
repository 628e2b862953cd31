"""Hits that differ from each other."""

from collections.abc import Callable
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from frostline.server.collections.config import Metric
from frostline.server.collections.search.fusion import scaled

Similarity: TypeAlias = Callable[[int], NDArray[np.float32]]
"""How similar all candidates are to one."""


def diverse(
    scores: NDArray[np.float32],
    vectors: NDArray[np.float32],
    metric: Metric,
    diversity: float,
    count: int,
    *,
    cosines: bool,
) -> NDArray[np.int64]:
    """Chooses candidates one by one by maximal marginal relevance.

    Each time the one with the highest (1 - diversity) * relevance - diversity * similarity is taken, similarity being
    that to the most similar candidate taken before. Both are cosines where the scores are; otherwise relevance is the
    score brought to 0..1 over the candidates. Similarity under dot product is the cosine too. Under Euclidean distance
    it is 1 - distance / (2 * radius), the radius that of the candidates around their mean, so that it is in 0..1
    whatever their scale.

    Args:
        scores: float32 of shape (n,), best first.
        vectors: float32 of shape (n, d), of unit length under cosine; a candidate whose vector is nan has no
            similarity to any: its relevance alone counts.
        metric: of the vectors.
        diversity: 0 to 1.
        count: the most to choose.
        cosines: whether the scores are cosines of the vectors.

    Returns:
        int64 of shape (min(count, n),): the places of the chosen among the candidates, in the order chosen. Of equal
        ones the first is chosen.

    Source: Carbonell and Goldstein 1998, section 2, with lambda = 1 - diversity.
    """
    known = ~np.isnan(vectors[:, 0])
    similar = _similarity(vectors, known, metric)
    relevance = (1 - diversity) * (scores.astype(np.float64) if cosines else scaled(scores))
    closest = np.full(len(scores), -np.inf)
    values = relevance.copy()
    chosen = np.empty(min(count, len(scores)), np.int64)
    for place in range(len(chosen)):
        best = int(values.argmax())
        chosen[place] = best
        relevance[best] = -np.inf
        if known[best]:
            np.maximum(closest, similar(best), out=closest, where=known)
            values = relevance - diversity * np.where(known, closest, 0)
        else:
            values[best] = -np.inf
    return chosen


def _similarity(vectors: NDArray[np.float32], known: NDArray[np.bool_], metric: Metric) -> Similarity:
    points = np.where(known[:, np.newaxis], vectors, np.float32(0))
    if metric is Metric.EUCLIDEAN:
        return _closeness(points, known)
    if metric is Metric.DOT:
        lengths = np.sqrt(np.einsum("nd,nd->n", points, points))
        points /= np.maximum(lengths, np.finfo(np.float32).tiny)[:, np.newaxis]
    return lambda place: points @ points[place]


def _closeness(points: NDArray[np.float32], known: NDArray[np.bool_]) -> Similarity:
    # Around the mean the numbers are small, so that differences of squares keep their digits.
    points = points - points[known].mean(axis=0) if known.any() else points
    squares = np.einsum("nd,nd->n", points, points)
    diameter = 2 * np.sqrt(squares[known].max(initial=0)) or np.float32(1)

    def similar(place: int) -> NDArray[np.float32]:
        distances = np.sqrt(np.maximum(squares + squares[place] - 2 * (points @ points[place]), 0))
        closeness: NDArray[np.float32] = 1 - distances / diameter
        return closeness

    return similar
