"""How far off accuracies may be by chance: held-out examples and draws, drawn again."""

import numpy as np
from numpy.typing import NDArray

from frostline.server.heads.interval import Interval

RESAMPLES = 2_000
_SEED = 0
_ENDS = (2.5, 97.5)
_WEIGHTS_AT_ONCE = 1 << 23


def accuracies(right: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Accuracies as they are, and as they might have been.

    The bootstrap is paired: both sides, and all numbers of shots, are judged by the same examples and draws each time.

    Args:
        right: bool of shape (2 sides, p numbers of shots, r draws, m held-out examples).

    Returns:
        float64 of shape (1 + 2,000, 2 sides, p); the first as they are. The same `right` gives the same.

    Source: Efron and Tibshirani 1993, An Introduction to the Bootstrap, chapter 13; examples and draws are resampled
    independently (Owen 2007, The pigeonhole bootstrap), which errs on the side of wide intervals.
    """
    sides, points, draws, held_out = right.shape
    chance = np.random.default_rng(_SEED)
    columns = right.reshape(-1, held_out).T.astype(np.float32)
    step = max(1, _WEIGHTS_AT_ONCE // held_out)
    found = [right.mean(axis=(2, 3))[np.newaxis]]
    for start in range(0, RESAMPLES, step):
        count = min(step, RESAMPLES - start)
        examples = chance.multinomial(held_out, np.full(held_out, 1 / held_out), count)
        by_draw = (examples.astype(np.float32) @ columns).astype(np.float64).reshape(count, sides, points, draws)
        weights = chance.multinomial(draws, np.full(draws, 1 / draws), count)
        found.append(np.einsum("bspr,br->bsp", by_draw, weights) / (held_out * draws))
    return np.concatenate(found)


def interval(figures: NDArray[np.float64]) -> Interval:
    """A figure with its percentile interval.

    Args:
        figures: float64 of shape (1 + n,): as it is, and as it might have been.
    """
    low, high = np.percentile(figures[1:], _ENDS).tolist()
    return Interval(value=float(figures[0]), low=low, high=high)
