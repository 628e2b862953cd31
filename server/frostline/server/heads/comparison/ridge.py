"""What ridge regression says of each example when it has learned from all the others."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from frostline.server.heads.comparison.spectrum import Spectrum, one_hot

PENALTIES = tuple((10.0 ** np.arange(-3, 3.5, 0.5)).tolist())
"""In mean squared lengths of an example, so that they mean the same for every encoder."""


@dataclass(frozen=True, slots=True, eq=False)
class LeftOut:
    """What is said of n examples, each left out in turn.

    Attributes:
        scores: float64 of shape (n, c); the class of the highest is the predicted one.
        penalty: one of `PENALTIES`, that of the least mean squared error.
        error: that error, over all classes and examples.
    """

    scores: NDArray[np.float64]
    penalty: float
    error: float


def leave_one_out(spectrum: Spectrum, targets: NDArray[np.int64], classes: int) -> LeftOut:
    """Leaves each example out, without learning anew: least squares to one-hot targets, the intercept unpenalised.

    Ridge is linear in its targets, `fitted = H y`; what the others say of an example is `y - (y - fitted) / (1 - h)`
    with h its own place on the diagonal of H. This is exact, and H follows for all penalties from one decomposition.

    Args:
        spectrum: of n features.
        targets: int64 of shape (n,), n at least 2.
        classes: how many there are.

    Source: Hastie, Tibshirani and Friedman 2009, section 7.10 (equation 7.64); Cook and Weisberg 1982.
    """
    wanted = one_hot(targets, classes)
    mean = wanted.mean(axis=0)
    along = spectrum.left.T @ (wanted - mean)
    best: LeftOut | None = None
    for penalty in PENALTIES:
        shrunk = spectrum.squares / (spectrum.squares + penalty * spectrum.scale)
        fitted = mean + spectrum.left @ (shrunk[:, np.newaxis] * along)
        own = 1 / len(targets) + (spectrum.left**2) @ shrunk
        missed = (wanted - fitted) / (1 - own)[:, np.newaxis]
        error = float(np.square(missed).mean())
        if best is None or error < best.error:
            best = LeftOut(wanted - missed, penalty, error)
    assert best is not None
    return best
