"""How far examples are from what an encoder has seen: a proxy, and what is said by it."""

import numpy as np
from numpy.typing import NDArray

from frostline.server.heads.comparison.neighbors import of_neighbors
from frostline.server.heads.comparison.report import Transfer
from frostline.server.heads.comparison.resampling import Resampled
from frostline.server.heads.interval import Interval

MOST_OF_EACH = 500
"""More would tell the same, and a larger sample is told apart more easily than a smaller one."""
FAR = 0.5
"""Half of the way from not to be told apart to always told apart."""


def separability(features: NDArray[np.float32], seen: NDArray[np.float32]) -> Interval:
    """How well an example is told from what an encoder has seen, by the 5 nearest others among both.

    As many are taken of the one as of the other, at most 500 of each.

    Args:
        features: float32 of shape (n, d), the examples; n at least 2.
        seen: float32 of shape (m, d), m at least 2.

    Returns:
        0 where both lie among each other, 1 where each lies among its own: half of the proxy A-distance.

    Source: Ben-David et al. 2007 (A-distance by how well a classifier tells two samples apart); Lopez-Paz and Oquab
        2017 (nearest neighbors as that classifier).
    """
    count = min(MOST_OF_EACH, len(features), len(seen))
    both = np.concatenate([_some(features, count), _some(seen, count)])
    sides = np.repeat([0, 1], count)
    told_apart = Resampled((of_neighbors(both, sides, 2) == sides)[np.newaxis]).share(0)
    value, low, high = (max(0.0, 2 * share - 1) for share in (told_apart.value, told_apart.low, told_apart.high))
    return Interval(value=value, low=low, high=high)


def transfer(apart: Interval) -> Transfer:
    """What is said by it: far or near where the whole interval is."""
    if apart.low >= FAR:
        return Transfer.FAR
    return Transfer.NEAR if apart.high < FAR else Transfer.BETWEEN


def _some(rows: NDArray[np.float32], count: int) -> NDArray[np.float32]:
    return rows[np.random.default_rng(0).permutation(len(rows))[:count]]
