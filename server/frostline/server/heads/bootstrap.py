"""How far off figures may be by chance: percentile bootstrap intervals over examples."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from frostline.server.heads.confusion import RESAMPLES
from frostline.server.heads.interval import Interval

_SEED = 0
_ENDS = (2.5, 97.5)
_COUNTS_AT_ONCE = 1 << 23


def intervals(scores: Callable[[NDArray[np.float64]], NDArray[np.float64]], rows: int, width: int) -> list[Interval]:
    """Figures with their 95 % intervals. The same examples give the same ones.

    Args:
        scores: gives s figures, float64 of shape (r, s), for r ways to count the examples, float64 of shape (r, rows);
            each way has as many examples as there are.
        rows: how many examples there are.
        width: how many values are computed for each way, beside its counts.

    Source: Efron and Tibshirani 1993, An Introduction to the Bootstrap, chapter 13.
    """
    draw = np.random.default_rng(_SEED)
    step = max(1, _COUNTS_AT_ONCE // (rows + width))
    drawn = [
        scores(draw.multinomial(rows, np.full(rows, 1 / rows), min(step, RESAMPLES - start)).astype(np.float64))
        for start in range(0, RESAMPLES, step)
    ]
    found = scores(np.ones((1, rows)))[0].tolist()
    lows, highs = np.percentile(np.concatenate(drawn), _ENDS, axis=0).tolist()
    return [Interval(value=value, low=low, high=high) for value, low, high in zip(found, lows, highs, strict=True)]
