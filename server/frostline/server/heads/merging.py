"""Makes one head of several, without any of their examples."""

from collections.abc import Sequence
from functools import reduce

import numpy as np
from numpy.typing import NDArray

from frostline.server.errors import InvalidInput
from frostline.server.heads import regression
from frostline.server.heads.alignment import aligned
from frostline.server.heads.alike import check_alike
from frostline.server.heads.decision import unit
from frostline.server.heads.fitted import Fitted, Scope, Task, TrainingOptions
from frostline.server.heads.fitting import decision
from frostline.server.heads.labelled import Labelled
from frostline.server.heads.lesson import Lesson
from frostline.server.heads.moments import Moments


def merged(parts: Sequence[Fitted]) -> Fitted:
    """A head as if it were trained, its recipe and strength pinned, on the examples of all parts.

    Weights are those but for rounding. Temperature, threshold and quantile are means over the parts, by examples: what
    they were fitted on is not at hand.

    Args:
        parts: heads of recipes that keep sums, alike in recipe, strength and options. An example that several of them
            have counts as often.

    Raises:
        InvalidInput: the parts are no such heads.
    """
    check_alike(parts)
    moments, first = reduce(Moments.plus, [part.moments for part in parts if part.moments]), parts[0]
    if first.task is Task.VALUE:
        return regression.merged(parts, moments)
    target = _common_target(parts)
    lesson = aligned(Lesson(_no_examples(moments), lambda: moments), target)
    options = TrainingOptions(
        recipe=first.recipe, strength=first.strength, balance_classes=first.balance_classes, whiten=first.whiten
    )
    examples = np.array([max(1, part.counts.sum()) for part in parts], np.float64)

    def mean(figures: list[float]) -> float:
        return float(np.average(figures, weights=examples))

    accuracies = [part.held_out_accuracy for part in parts if part.held_out_accuracy is not None]
    return Fitted(
        classes=moments.classes,
        counts=_counts(parts, moments.classes),
        recipe=first.recipe,
        strength=first.strength,
        balance_classes=first.balance_classes,
        decision=decision(lesson, options),
        temperature=mean([part.temperature for part in parts]),
        abstain_error=first.abstain_error,
        abstain_threshold=mean([part.abstain_threshold for part in parts]),
        coverage=first.coverage,
        set_quantile=mean([part.set_quantile for part in parts]),
        scope=Scope(
            unit(lesson.moments.sums).astype(np.float32), np.sort(np.concatenate([p.scope.held_out for p in parts]))
        ),
        moments=moments,
        trials=(),
        held_out_accuracy=mean(accuracies) if len(accuracies) == len(parts) else None,
        train_accuracy=None,
        scaling=first.scaling,
        whiten=first.whiten,
        target=target,
    )


def _common_target(parts: Sequence[Fitted]) -> Moments | None:
    """The sums over all that the parts are adapted to."""
    targets = [part.target for part in parts if part.target is not None]
    if targets and len(targets) < len(parts):
        raise InvalidInput(
            f"{len(targets)} of {len(parts)} heads are adapted to unlabelled inputs, and cannot be merged with the "
            "others: train them alike"
        )
    return reduce(Moments.plus, targets) if targets else None


def _no_examples(moments: Moments) -> Labelled:
    nothing = np.empty((0, moments.sums.shape[1]), np.float32)
    return Labelled.plain(nothing, np.empty(0, np.int64), moments.classes)


def _counts(parts: Sequence[Fitted], classes: tuple[str, ...]) -> NDArray[np.int64]:
    places = {label: place for place, label in enumerate(classes)}
    counts = np.zeros(len(classes), np.int64)
    for part in parts:
        counts[[places[label] for label in part.classes]] += part.counts
    return counts
