"""Logistic regression."""

import warnings
from typing import Any  # scikit-learn ships no types

import numpy as np
from numpy.typing import NDArray

from frostline.server.heads.decision import Decision, Linear
from frostline.server.heads.labelled import Labelled
from frostline.server.heads.recipes.scaling import Scaling, of_both_classes

_STEPS = 300


def fit(labelled: Labelled, strength: float, balance_classes: bool, start: Decision | None = None) -> Linear:
    """The decision.

    Args:
        labelled: the examples.
        strength: C, the inverse weight of the penalty, as scikit-learn has it.
        balance_classes: whether classes count alike.
        start: a linear decision of the same classes to begin from.
    """
    from sklearn.linear_model import LogisticRegression

    scaling = Scaling.of(labelled.features)
    model: Any = LogisticRegression(
        C=strength, max_iter=_STEPS, warm_start=True, class_weight="balanced" if balance_classes else None
    )
    if isinstance(start, Linear):
        model.coef_, model.intercept_ = _rows(scaling.scaled_back(start))
    with warnings.catch_warnings():
        # More steps would change next to nothing, and as many classes as examples are no regression.
        warnings.simplefilter("ignore", UserWarning)
        model.fit(scaling.scaled(labelled.features), labelled.targets, labelled.weights)
    return scaling.unscaled(of_both_classes(model.coef_, model.intercept_))


def _rows(start: Linear) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Weights as scikit-learn has them: one row for both of two classes."""
    if len(start.coef) > 2:
        return start.coef, start.intercept
    return np.diff(start.coef, axis=0), np.diff(start.intercept)
