"""Label sets that hold the true label as often as was asked for, whatever the head.

A label is in the set when its probability reaches a quantile: of the probabilities that held-out examples had of their
true labels. So the sets are the smallest on average for their coverage, and a set is empty where no label is likely
enough. (Sets that always hold a label cannot be right less often than the head itself is: 93 % on Banking77 where 90 %
was asked for.)

Source: Sadinle, Lei and Wasserman 2019, section 2.
"""

import math

import numpy as np
from numpy.typing import NDArray


def set_quantile(probabilities: NDArray[np.float64], targets: NDArray[np.int64], coverage: float) -> float:
    """The probability from which on a label is in the set.

    Args:
        probabilities: float64 of shape (n, c), of held-out examples.
        targets: int64 of shape (n,).
        coverage: how often sets shall hold the true label, between 0 and 1.

    Returns:
        The quantile, corrected for how few examples there are; 0 where they are too few for any other.
    """
    true = np.sort(probabilities[np.arange(len(targets)), targets])
    missed = math.floor((len(true) + 1) * (1 - coverage) + 1e-9)  # a product that should be whole may fall short
    return float(true[missed - 1]) if missed else 0.0


def label_sets(probabilities: NDArray[np.float64], quantile: float) -> NDArray[np.bool_]:
    """Which labels are in the set of each example.

    Args:
        probabilities: float of shape (n, c).
        quantile: see `set_quantile`.

    Returns:
        bool of shape (n, c).
    """
    return probabilities >= quantile
