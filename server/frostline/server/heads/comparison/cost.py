"""What comparing takes, before it is done."""

from frostline.server.heads.comparison.resampling import RESAMPLES
from frostline.server.heads.comparison.ridge import PENALTIES

_RATE = 3e9
"""Multiplications and additions a second of one core that does other things too."""
_OF_SVD = 12
"""Operations for each number and each direction."""


def seconds(examples: int, dimensions: int, classes: int) -> float:
    """About how long one candidate takes, on one core.

    Args:
        examples: n, how many there are.
        dimensions: of their vectors.
        classes: how many there are.
    """
    directions = min(examples, dimensions)
    decomposition = _OF_SVD * examples * dimensions * directions
    ridge = 2 * len(PENALTIES) * examples * directions * (classes + 1)
    neighbors = 2 * examples * examples * dimensions
    return (decomposition + ridge + neighbors + RESAMPLES * examples) / _RATE
