"""How well a linear model explains labels, its weights integrated out: no held-out examples, no penalty to choose."""

import numpy as np
from numpy.typing import NDArray

from frostline.server.heads.comparison.spectrum import Spectrum, one_hot

_STEPS = 100
_ENOUGH = 1e-5
_TINY = 1e-12


def log_evidence(spectrum: Spectrum, targets: NDArray[np.int64], classes: int) -> float:
    """LogME: the logarithm of the maximum evidence for one class against the others, mean over classes and examples.

    Weights have the prior N(0, 1/alpha), targets the noise 1/beta; both are those of the greatest evidence. Features
    and targets are taken less their means, which stands for an intercept and takes one degree of freedom.

    Args:
        spectrum: of n features.
        targets: int64 of shape (n,).
        classes: how many there are; each has an example.

    Returns:
        In nats; higher is better. Figures of the same examples can be compared with each other, and no others.

    Source: You et al. 2021, LogME; the fixed point of section 4.2.
    """
    wanted = one_hot(targets, classes)
    wanted -= wanted.mean(axis=0)
    along = (spectrum.left.T @ wanted) ** 2
    beyond = np.maximum((wanted**2).sum(axis=0) - along.sum(axis=0), 0)
    columns = zip(along.T, beyond.tolist(), strict=True)
    return float(np.mean([_of_class(spectrum, inside, outside) for inside, outside in columns]) / len(targets))


def _of_class(spectrum: Spectrum, along: NDArray[np.float64], beyond: float) -> float:
    """The evidence of one class.

    Args:
        spectrum: of n features.
        along: float64 of shape (r,), squares of the targets along the directions of the features.
        beyond: the squared length of the rest.
    """
    count, squares = len(spectrum.left) - 1, spectrum.squares

    def lengths(ratio: float) -> tuple[float, float, float]:
        """Weights that count, and the squared lengths of weights and of what they miss, for `alpha / beta`."""
        kept = squares / (squares + ratio)
        length = (along * squares / (squares + ratio) ** 2).sum()
        return float(kept.sum()), float(length), float((along * (1 - kept) ** 2).sum() + beyond)

    ratio, before, alpha, beta = 1 / spectrum.scale, np.inf, 1.0, 1.0
    for _ in range(_STEPS):
        if abs(ratio - before) <= _ENOUGH * ratio:
            break
        effective, length, missed = lengths(ratio)
        alpha, beta = effective / max(length, _TINY), max(count - effective, _TINY) / max(missed, _TINY)
        before, ratio = ratio, alpha / beta
    _, length, missed = lengths(ratio)
    volume = float(np.log1p(squares / ratio).sum())
    return float((count * np.log(beta / (2 * np.pi)) - volume - beta * missed - alpha * length) / 2)
