"""Ridge heads over what items are: one for each user, all from one Gram matrix."""

# scipy ships no types
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_factor, cho_solve

REGULARIZATION = 1.0


class ContentHeads:
    """Heads of users, of whom it keeps nothing: a head is solved for when it is asked for.

    A head fits their weights to the items of a history and 0 to all other items that anybody has interactions with. So
    the matrix of its normal equations is that of the items alone, and exact at any time: an item is added with its
    first interaction, and taken out with its last.

    Args:
        dimensions: d, of the features.
    """

    def __init__(self, dimensions: int) -> None:
        self._gram = np.zeros((dimensions, dimensions))
        self._factor: tuple[NDArray[np.float64], bool] | None = None

    def add(self, features: NDArray[np.float32]) -> None:
        """Items that have interactions now: float32 of shape (n, d)."""
        self._change(features, 1)

    def remove(self, features: NDArray[np.float32]) -> None:
        """Items that have none any more, with the features they were added with."""
        self._change(features, -1)

    def head(self, features: NDArray[np.float32], liked: NDArray[np.float32]) -> NDArray[np.float32]:
        """Solves for the head of a history.

        Args:
            features: float32 of shape (h, d), of the items of the history.
            liked: float32 of shape (h,), their weights; below 0 for dislike.

        Returns:
            float32 of shape (d,): its product with features of an item is the item's score.
        """
        if self._factor is None:
            system = self._gram.copy()
            system[np.diag_indices_from(system)] += REGULARIZATION
            self._factor = cho_factor(system, overwrite_a=True, check_finite=False)
        wanted = liked.astype(np.float64) @ features.astype(np.float64)
        solved: NDArray[np.float64] = cho_solve(self._factor, wanted, check_finite=False)
        head: NDArray[np.float32] = solved.astype(np.float32)
        return head

    def _change(self, features: NDArray[np.float32], sign: int) -> None:
        rows = features.astype(np.float64)
        self._gram += sign * (rows.T @ rows)
        self._factor = None
