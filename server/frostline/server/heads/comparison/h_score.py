"""How far apart the means of classes are, in units of the spread of all examples."""

import numpy as np
from numpy.typing import NDArray

from frostline.server.heads.comparison.spectrum import Spectrum, one_hot


def h_score(spectrum: Spectrum, targets: NDArray[np.int64], classes: int) -> float:
    """The shrunk H-score: the trace of the covariance of class means over the covariance of features.

    The covariance is shrunk to its mean variance by as much as there are too few examples to know it.

    Args:
        spectrum: of n features.
        targets: int64 of shape (n,).
        classes: how many there are; each has an example.

    Returns:
        From 0 to at most `classes - 1`; higher is better.

    Source: Bao et al. 2019 (H-score); Ibrahim et al. 2022 (shrunk); Ledoit and Wolf 2004 (by how much).
    """
    columns = one_hot(targets, classes)
    counts = columns.sum(axis=0)
    variances = spectrum.squares / len(targets)
    share = _shrinkage(spectrum, variances)
    shrunk = (1 - share) * variances + share * variances.sum() / spectrum.dimensions
    means = columns.T @ spectrum.left / counts[:, np.newaxis]
    between = (counts[:, np.newaxis] * means**2).sum(axis=0) * variances
    return float((1 - share) * (between / shrunk).sum())


def _shrinkage(spectrum: Spectrum, variances: NDArray[np.float64]) -> float:
    """How much of the covariance gives way to its mean variance, from 0 to 1."""
    count = len(spectrum.left)
    lengths = (spectrum.left**2) @ spectrum.squares
    squared = (variances**2).sum()
    apart = squared - variances.sum() ** 2 / spectrum.dimensions
    unsure = ((lengths**2).sum() / count - squared) / count
    return float(np.clip(unsure / apart, 0, 1)) if apart > 0 else 1.0
