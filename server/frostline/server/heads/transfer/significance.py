"""Whether two sides differ at any number of shots, or only by chance."""

from typing import Any  # SciPy is typed in part only

import numpy as np
from numpy.typing import NDArray

LEVEL = 0.05


def bootstrap_p(differences: NDArray[np.float64]) -> float:
    """How often, of the resampled differences, the sign is the other: two-sided.

    Args:
        differences: float64 of shape (n,).

    Source: Efron and Tibshirani 1993, section 15.4; one is added above and below, so that no p is 0.
    """
    tail = min(int(np.sum(differences <= 0)), int(np.sum(differences >= 0)))
    return min(1.0, 2 * (tail + 1) / (len(differences) + 1))


def mcnemar_p(only_first: NDArray[np.int64], only_second: NDArray[np.int64]) -> float:
    """McNemar's exact test of each draw, put together: two-sided.

    The draws share their held-out examples, so that their p values depend on each other. Twice their median is a valid
    one nevertheless. The p of a single draw is its own.

    Args:
        only_first: int64 of shape (r,), examples that the first side alone has right in each draw.
        only_second: int64 of shape (r,), and those that the second alone has right.

    Source: McNemar 1947; Meinshausen, Meier and Buehlmann 2009, p-values for high-dimensional regression, section 3.
    """
    from scipy import stats

    fewer, both = np.minimum(only_first, only_second), only_first + only_second
    binom: Any = stats.binom
    tails: NDArray[np.float64] = binom.cdf(fewer, both, 0.5)
    each = np.minimum(1.0, 2 * tails)
    return float(each[0]) if len(each) == 1 else min(1.0, 2 * float(np.median(each)))


def holm(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """P values corrected for there being several: float64 of shape (n,), as it came.

    Source: Holm 1979.
    """
    order = np.argsort(values, kind="stable")
    steps = np.minimum(1.0, values[order] * np.arange(len(values), 0, -1))
    corrected = np.empty(len(values))
    corrected[order] = np.maximum.accumulate(steps)
    return corrected
