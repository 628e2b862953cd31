"""Linear support vector machines, one class against the rest."""

import warnings
from typing import Any  # scikit-learn ships no types

from frostline.server.heads.decision import Decision, Linear
from frostline.server.heads.labelled import Labelled
from frostline.server.heads.recipes.scaling import Scaling, of_both_classes

_DUAL_ROWS = 20
"""With fewer examples for each dimension the dual problem has the same solution in a fraction of the time."""


def fit(labelled: Labelled, strength: float, balance_classes: bool, _start: Decision | None = None) -> Linear:
    """The decision. Its margins are no logits of probabilities until a temperature is fitted.

    Args:
        labelled: the examples.
        strength: C, the inverse weight of the penalty, as scikit-learn has it.
        balance_classes: whether classes count alike.
    """
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.svm import LinearSVC

    scaling = Scaling.of(labelled.features)
    rows, dimensions = labelled.features.shape
    model: Any = LinearSVC(
        C=strength,
        dual=rows < _DUAL_ROWS * dimensions,
        random_state=0,
        class_weight="balanced" if balance_classes else None,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # more steps would change next to nothing
        model.fit(scaling.scaled(labelled.features), labelled.targets, labelled.weights)
    return scaling.unscaled(of_both_classes(model.coef_, model.intercept_))
