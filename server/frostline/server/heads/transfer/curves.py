"""What learning curves say as a whole.

All work on b curves at once, as they are and as they might have been: float64 of shape (b, p), accuracies at p numbers
of examples, ascending.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

_RATES = np.geomspace(0.02, 4, 80)
_FEWEST_POINTS = 4


def average(curves: NDArray[np.float64], examples: NDArray[np.int64]) -> NDArray[np.float64]:
    """The mean over the logarithm of the number of examples, by the trapezoid rule: float64 of shape (b,)."""
    if len(examples) == 1:
        return curves[:, 0]
    steps = np.diff(np.log(examples))
    means: NDArray[np.float64] = (curves[:, :-1] + curves[:, 1:]) / 2 @ steps / steps.sum()
    return means


def slope(curves: NDArray[np.float64], examples: NDArray[np.int64]) -> NDArray[np.float64]:
    """What a doubling of examples gains, by least squares: float64 of shape (b,); 0 for a single point."""
    doublings = np.log2(examples) - np.log2(examples).mean()
    slopes: NDArray[np.float64] = curves @ doublings / max(float(doublings @ doublings), float(np.finfo(float).tiny))
    return slopes


class PowerLaws(NamedTuple):
    """Curves a - b n^-c; float64 of shape (b,) each, a at most 1 and b at least 0."""

    a: NDArray[np.float64]
    b: NDArray[np.float64]
    c: NDArray[np.float64]


def power_laws(curves: NDArray[np.float64], examples: NDArray[np.int64]) -> PowerLaws | None:
    """Fits them by least squares; None where the points are fewer than 4, or the first curve does not rise.

    Rates c are tried one by one, from 0.02 to 4: with the rate given, the rest is linear.

    Source: Viering and Loog 2023, The shape of learning curves (the power law with an offset fits most of them).
    """
    if len(examples) < _FEWEST_POINTS or slope(curves[:1], examples)[0] <= 0:
        return None
    best = np.full(len(curves), np.inf)
    found = np.zeros((3, len(curves)))
    for rate in _RATES:
        missing = (examples / examples[0]) ** -rate
        centred = missing - missing.mean()
        b = np.maximum(0, -curves @ centred / (centred @ centred))
        a = curves.mean(axis=1) + b * missing.mean()
        beyond = a > 1
        a[beyond] = 1
        b[beyond] = np.maximum(0, (1 - curves[beyond]) @ missing / (missing @ missing))
        errors = np.sum((a[:, np.newaxis] - np.outer(b, missing) - curves) ** 2, axis=1)
        better = errors < best
        best[better] = errors[better]
        found[:, better] = np.stack([a, b * float(examples[0]) ** rate, np.full(len(a), rate)])[:, better]
    return PowerLaws(*found)


def needed(
    curves: NDArray[np.float64], examples: NDArray[np.int64], wanted: NDArray[np.float64]
) -> NDArray[np.float64]:
    """How many examples an accuracy takes, read off between the points on a logarithmic axis.

    A curve that falls counts as staying where it was.

    Args:
        curves: see above.
        examples: int64 of shape (p,).
        wanted: float64 of shape (b,), accuracies that the curves reach.

    Returns:
        float64 of shape (b,), at least the first of `examples`.
    """
    reached = np.maximum.accumulate(curves, axis=1)
    after = np.minimum((reached < wanted[:, np.newaxis]).sum(axis=1), len(examples) - 1)
    before = np.maximum(after - 1, 0)
    rows = np.arange(len(curves))
    low, high = reached[rows, before], reached[rows, after]
    rise = high - low
    share = np.clip(np.divide(wanted - low, rise, out=np.ones(len(rows)), where=rise > 0), 0, 1)
    logs = np.log(examples)
    counts: NDArray[np.float64] = np.exp(logs[before] + share * (logs[after] - logs[before]))
    return counts


def crossover(
    differences: NDArray[np.float64], significant: NDArray[np.bool_], examples: NDArray[np.int64]
) -> float | None:
    """From how many examples on the other side is better; None where no two significant differences are of two signs.

    Args:
        differences: float64 of shape (p,).
        significant: bool of shape (p,), which of them are not by chance.
        examples: int64 of shape (p,).
    """
    sure = np.flatnonzero(significant & (differences != 0))
    changes = np.flatnonzero(np.diff(np.sign(differences[sure])) != 0)
    if not len(changes):
        return None
    first, last = sure[changes[-1]], sure[changes[-1] + 1]
    # The last change of sign between them: from there on the side stays the better one.
    place = int(first) + int(np.flatnonzero(np.sign(differences[first:last]) != np.sign(differences[last]))[-1])
    before, after = np.abs(differences[place : place + 2]).tolist()
    logs = np.log(examples[place : place + 2])
    return float(np.exp(logs[0] + before / (before + after) * (logs[1] - logs[0])))
