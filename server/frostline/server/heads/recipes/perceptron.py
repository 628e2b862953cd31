"""A perceptron with one hidden layer."""

import warnings
from typing import Any  # scikit-learn ships no types

import numpy as np
from numpy.typing import NDArray

from frostline.server.heads.decision import Decision, Linear, Perceptron
from frostline.server.heads.labelled import Labelled
from frostline.server.heads.recipes.scaling import Scaling, of_both_classes

_UNITS = 128
_ROUNDS = 200


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
    model: Any = MLPClassifier((_UNITS,), alpha=strength, max_iter=_ROUNDS, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # more rounds would change next to nothing
        model.fit(
            scaling.scaled(labelled.features) * widening,
            labelled.targets,
            sample_weight=_balanced(labelled) if balance_classes else labelled.weights,
        )
    hidden = scaling.unscaled(Linear(model.coefs_[0].T * widening, model.intercepts_[0]))
    output = of_both_classes(model.coefs_[1].T, model.intercepts_[1])
    return Perceptron(hidden.coef, hidden.intercept, output.coef, output.intercept)


def _balanced(labelled: Labelled) -> NDArray[np.float64]:
    """The weights of rows where classes count alike."""
    each = np.bincount(labelled.targets, labelled.weights)
    weights: NDArray[np.float64] = labelled.weights * (each.sum() / len(each) / each)[labelled.targets]
    return weights
