"""Logits of examples from decisions that have not seen them: what may be concluded from how examples fare."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from frostline.server.heads.decision import Decision
from frostline.server.heads.folds import folds
from frostline.server.heads.lesson import Lesson

MOST_LOGITS = 1 << 24
"""So many are looked at at most, in 128 MiB: further rows are learned from in every part."""

Learn = Callable[[Lesson], Sequence[Decision]]
"""Learns decisions, as many from each lesson."""


@dataclass(frozen=True, slots=True, eq=False)
class HeldOut:
    """Examples that were held out.

    Attributes:
        logits: float64 of shape (m, c).
        targets: int64 of shape (m,).
        weights: float64 of shape (m,): what each counts.
    """

    logits: NDArray[np.float64]
    targets: NDArray[np.int64]
    weights: NDArray[np.float64]


def held_out(
    lesson: Lesson, learn: Learn, parts: int, balance_classes: bool, report: Callable[[float], None]
) -> list[HeldOut]:
    """Learns from all parts of a lesson but one, in turn.

    Args:
        lesson: what is learned from.
        learn: learns decisions.
        parts: how many.
        balance_classes: whether classes count alike.
        report: told the done share, 0 to 1.

    Returns:
        What each decision made of the parts it had not seen; nothing where no example can be held out.
    """
    labelled = lesson.labelled
    held = folds(labelled, parts)
    step = max(1, -(-sum(map(len, held)) * len(labelled.classes) // MOST_LOGITS))
    logits: list[list[NDArray[np.float64]]] = []
    for done, rows in enumerate(part[::step] for part in held):
        report(done / len(held))
        logits.append([each.logits(labelled.features[rows]) for each in learn(lesson.without(rows))])
    if not held:
        return []
    targets = np.concatenate([labelled.targets[part[::step]] for part in held])
    counts = np.bincount(targets, minlength=len(labelled.classes))
    weights = 1 / counts[targets] if balance_classes else np.ones(len(targets))
    return [HeldOut(np.concatenate(each), targets, weights) for each in zip(*logits, strict=True)]
