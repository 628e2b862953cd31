"""How far off shares of right answers, and their differences, may be by chance."""

import numpy as np
from numpy.typing import NDArray

from frostline.server.heads.interval import Interval

RESAMPLES = 2_000
_SEED = 0
_ENDS = (2.5, 97.5)


class Resampled:
    """Answers of several candidates to the same n examples, which are drawn again and again with replacement.

    All candidates are judged by the same draws: what makes an example hard for all of them cancels in differences. The
    same answers give the same intervals.

    Args:
        right: bool of shape (m, n), whether each of m candidates is right.

    Source: Efron and Tibshirani 1993, An Introduction to the Bootstrap, chapter 13.
    """

    def __init__(self, right: NDArray[np.bool_]) -> None:
        examples = right.shape[1]
        # Examples that all candidates answer alike need not be told apart.
        kinds, counts = np.unique(right, axis=1, return_counts=True)
        drawn = np.random.default_rng(_SEED).multinomial(examples, counts / examples, RESAMPLES)
        self._shares = right.mean(axis=1)
        self._drawn = drawn @ kinds.T / examples

    def share(self, candidate: int) -> Interval:
        """How much of the examples a candidate has right."""
        return _interval(float(self._shares[candidate]), self._drawn[:, candidate])

    def difference(self, candidate: int, other: int) -> Interval:
        """How much more one has right than the other."""
        value = float(self._shares[candidate] - self._shares[other])
        return _interval(value, self._drawn[:, candidate] - self._drawn[:, other])


def _interval(value: float, drawn: NDArray[np.float64]) -> Interval:
    low, high = np.percentile(drawn, _ENDS).tolist()
    return Interval(value=value, low=low, high=high)
