"""The vote of the nearest examples."""

import numpy as np

from frostline.server.errors import InvalidInput
from frostline.server.heads.decision import Decision, Neighbors
from frostline.server.heads.labelled import Labelled


def fit(labelled: Labelled, strength: float, balance_classes: bool, _start: Decision | None = None) -> Neighbors:
    """The decision.

    Args:
        labelled: the examples.
        strength: how many vote; all examples where there are fewer.
        balance_classes: must be False.

    Raises:
        InvalidInput: classes shall count alike, or the strength is no whole number.
    """
    if balance_classes:
        raise InvalidInput("nearest_neighbors cannot balance classes: take logistic, or leave balance_classes out")
    if strength < 1 or strength != int(strength):
        raise InvalidInput(f"strength {strength:g} of nearest_neighbors: how many vote is a whole number from 1")
    lengths = np.maximum(np.linalg.norm(labelled.features, axis=1, keepdims=True), np.finfo(np.float32).tiny)
    voters = min(int(strength), len(labelled.features))
    return Neighbors(labelled.features / lengths, labelled.targets, len(labelled.classes), voters)
