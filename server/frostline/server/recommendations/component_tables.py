"""Scores of all components for a history, with several regularizations of EASE."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from frostline.server.recommendations.blending import Component, standardised
from frostline.server.recommendations.collaborative import Collaborative, Limits, fit_ease
from frostline.server.recommendations.histories import Liked
from frostline.server.recommendations.strategies import ease


class Tables:
    """Learns from interactions, and scores histories.

    Args:
        liked: interactions with w items, those with most first.
        regularizations: of EASE, r of them.
        limits: of what is learned.
    """

    def __init__(self, liked: Liked, regularizations: Sequence[float], limits: Limits) -> None:
        self._learned = Collaborative.learned(liked, (regularizations[0], regularizations[0]), limits)
        matrix = liked.matrix()
        self._others = [fit_ease(matrix, each, limits) for each in regularizations[1:]]
        popularity = np.bincount(liked.items, liked.weights, liked.item_count)
        self._popularity = standardised(popularity.astype(np.float32))

    def of(self, items: NDArray[np.int64], liked: NDArray[np.float32]) -> NDArray[np.float32]:
        """Scores items for a history.

        Args:
            items: int64 of shape (h,), those of the history.
            liked: float32 of shape (h,), their weights.

        Returns:
            Standardised scores, float32 of shape (r, components, w).
        """
        table = np.zeros((len(Component), len(self._popularity)), np.float32)
        table[Component.POPULARITY] = self._popularity
        for each in (Component.NEIGHBORS, Component.EASE, Component.FACTORS):
            scores = self._learned.scores(each, items, liked)
            table[each, : len(scores)] = standardised(scores)
        tables = np.repeat(table[np.newaxis], 1 + len(self._others), axis=0)
        known = items < len(self._learned.ease)
        for own, weights in zip(tables[1:], self._others, strict=True):
            scores = ease.score(weights, items[known], liked[known])
            own[Component.EASE, : len(scores)] = standardised(scores)
        return tables
