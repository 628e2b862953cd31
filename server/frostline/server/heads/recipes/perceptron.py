"""A perceptron with one hidden layer."""

import warnings
from typing import Any  # scikit-learn ships no types

import numpy as np
from numpy.typing import NDArray

from frostline.server.heads.decision import Decision, Linear, Perceptron
from frostline.server.heads.labelled import Labelled
from frostline.server.heads.recipes.scaling import Scaling, of_both_classes

_UNITS = 128
_PACES = ((0.004, 400), (0.0005, 200))
"""Learning rates, and so many steps with each: a slow end takes back what fast steps overshoot."""
_STEP_ROWS = 200
"""So many examples make a step, as scikit-learn has it."""
_FEWEST_ROUNDS, _MOST_ROUNDS = 5, 200


def fit(labelled: Labelled, strength: float, balance_classes: bool, _start: Decision | None = None) -> Perceptron:
    """The decision; the same examples give the same weights.

    Args:
        labelled: the examples.
        strength: alpha, the weight of the penalty, as scikit-learn has it.
        balance_classes: whether classes count alike.
    """
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.neural_network import MLPClassifier

    scaling = Scaling.of(labelled.features)
    widening = float(np.sqrt(labelled.features.shape[1]))  # its first weights suit values of about one
    rows = (scaling.scaled(labelled.features) * widening).astype(np.float32)
    weights = _balanced(labelled) if balance_classes else labelled.weights
    model: Any = MLPClassifier((_UNITS,), alpha=strength, warm_start=True, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # more rounds would change next to nothing
        for rate, steps in _PACES:
            model.set_params(learning_rate_init=rate, max_iter=rounds(len(rows), steps))
            model.fit(rows, labelled.targets, sample_weight=weights)
    first, second = (each.astype(np.float64).T for each in model.coefs_)
    hidden = scaling.unscaled(Linear(first * widening, model.intercepts_[0].astype(np.float64)))
    output = of_both_classes(second, model.intercepts_[1].astype(np.float64))
    return Perceptron(hidden.coef, hidden.intercept, output.coef, output.intercept)


def rounds(examples: int, steps: int) -> int:
    """How often all examples are gone over for about so many steps."""
    return min(max(steps // -(-examples // _STEP_ROWS), _FEWEST_ROUNDS), _MOST_ROUNDS)


def _balanced(labelled: Labelled) -> NDArray[np.float64]:
    """The weights of rows where classes count alike."""
    each = np.bincount(labelled.targets, labelled.weights)
    weights: NDArray[np.float64] = labelled.weights * (each.sum() / len(each) / each)[labelled.targets]
    return weights
