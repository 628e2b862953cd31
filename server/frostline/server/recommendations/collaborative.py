"""What is learned from all users together."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from frostline.server.recommendations.blending import Component
from frostline.server.recommendations.histories import Liked
from frostline.server.recommendations.strategies import ease, factors, neighbors
from frostline.server.recommendations.strategies.factors import Factors
from frostline.server.report import Report

NEIGHBORS = 200
"""Of an item, the most that are kept."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How much is learned.

    Attributes:
        ease_items: the most items of EASE, whose matrix has their square.
        seed: of what is drawn.
    """

    ease_items: int = 5_000
    seed: int = 0


def _untold(step: str, done: float) -> None:
    pass


def fit_ease(matrix: csr_array, regularization: float, limits: Limits) -> NDArray[np.float32]:
    """Learns EASE for the first items of a matrix of users and items; see `ease.fit`."""
    return ease.fit(matrix[:, : limits.ease_items], regularization)  # pyright: ignore[reportUnknownArgumentType]


@dataclass(frozen=True, slots=True, eq=False)
class Collaborative:
    """Strategies over w items that had interactions when it was learned, those with most first.

    Attributes:
        ease: float32 of shape (c, c), over the first c items; see `ease.fit`.
        carried_ease: the same with the regularization that suits what is carried to new items.
        neighbors: of shape (w, w); see `neighbors.fit`.
        factors: of w items.
    """

    ease: NDArray[np.float32]
    carried_ease: NDArray[np.float32]
    neighbors: csr_array
    factors: Factors

    @classmethod
    def learned(
        cls, liked: Liked, regularizations: tuple[float, float], limits: Limits, report: Report = _untold
    ) -> "Collaborative":
        """Learns from interactions with w items, those with most first.

        Args:
            liked: the interactions.
            regularizations: of EASE, and of what is carried.
            limits: of what is learned.
            report: told how far it is.
        """
        matrix = liked.matrix()
        report("items that go together", 0)
        near = neighbors.fit(matrix, NEIGHBORS, limits.seed)
        report("factors", 0.2)
        latent = factors.fit(matrix, limits.seed)
        report("a linear autoencoder", 0.7)
        first, second = regularizations
        own = fit_ease(matrix, first, limits)
        return cls(own, own if first == second else fit_ease(matrix, second, limits), near, latent)

    def carried(self, items: NDArray[np.int64], liked: NDArray[np.float32]) -> NDArray[np.float32]:
        """Scores items for a history by EASE, as it suits what is carried; see `scores`."""
        known = items < len(self.carried_ease)
        return ease.score(self.carried_ease, items[known], liked[known])

    def scores(self, component: Component, items: NDArray[np.int64], liked: NDArray[np.float32]) -> NDArray[np.float32]:
        """Scores items for a history by one strategy other than popularity.

        Args:
            component: the strategy.
            items: int64 of shape (h,), of the w items.
            liked: float32 of shape (h,), their weights; below 0 for dislike.

        Returns:
            float32 of shape (w,); of shape (c,) for EASE.
        """
        match component:
            case Component.EASE:
                known = items < len(self.ease)
                return ease.score(self.ease, items[known], liked[known])
            case Component.NEIGHBORS:
                return neighbors.score(self.neighbors, items, liked)
            case Component.FACTORS:
                return self.factors.score(items, liked)
            case Component.POPULARITY:
                raise ValueError("popularity is not learned")
