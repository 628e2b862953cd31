"""The vote of the nearest examples."""

from frostline.server.errors import InvalidInput
from frostline.server.heads.decision import Decision, Neighbors, unit
from frostline.server.heads.labelled import Labelled


def fit(labelled: Labelled, strength: float, balance_classes: bool, _start: Decision | None = None) -> Neighbors:
    """The decision.

    Args:
        labelled: the examples, without copies.
        strength: how many vote; all examples where there are fewer.
        balance_classes: must be False.

    Raises:
        InvalidInput: classes shall count alike, or the strength is no whole number.
    """
    check(strength, balance_classes)
    voters = min(int(strength), len(labelled.features))
    return Neighbors(unit(labelled.features), labelled.targets, len(labelled.classes), voters)


def check(strength: float | None, balance_classes: bool) -> None:
    """Refuses what votes cannot do.

    Raises:
        InvalidInput: says what.
    """
    if balance_classes:
        raise InvalidInput("nearest_neighbors cannot balance classes: take logistic, or leave balance_classes out")
    if strength is not None and (strength < 1 or strength != int(strength)):
        raise InvalidInput(f"strength {strength:g} of nearest_neighbors: how many vote is a whole number from 1")
