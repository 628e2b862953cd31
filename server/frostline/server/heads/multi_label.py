"""Heads that answer any number of labels: logistic regression, each label against the rest.

One temperature is fitted for all labels, and for each label the threshold with the best F1, both on examples that were
held out. Rare labels share one threshold: their own would be chance.

Source: Yang 2001 (a threshold for each category, by cross-validation); Fan and Lin 2007 (on which F1 depends more than
on the classifier).
"""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from frostline.server.errors import InvalidInput
from frostline.server.heads.assembling import CHOSEN, FITTED
from frostline.server.heads.calibration import log_loss, sigmoid, temperature
from frostline.server.heads.decision import Linear, unit
from frostline.server.heads.fitted import Fitted, Recipe, Scope, Task, TrainingOptions, Trial
from frostline.server.heads.folds import deal, present
from frostline.server.heads.held_out import MOST_LOGITS
from frostline.server.heads.labelled import Labelled
from frostline.server.heads.recipes import logistic
from frostline.server.heads.selection import PARTS, SELECTION_ROWS
from frostline.server.heads.truths import Tagged
from frostline.server.report import Report, part_of

STRENGTHS = (0.1, 1.0, 10.0, 100.0)
FEW = 5
"""A label that fewer held-out examples have takes the threshold of all labels together."""


def train(labelled: Labelled, options: TrainingOptions, report: Report) -> Fitted:
    """Trains a head.

    Args:
        labelled: examples with written labels, at least two different sets of them.
        options: how to train, for which `check_options` holds.
        report: told how far it is.
    """
    trials = _trials(labelled, [options.strength] if options.strength else STRENGTHS, report)
    return _assembled(labelled, trials[0].strength, options.coverage, trials, None, report)


def refit(labelled: Labelled, before: Fitted, report: Report) -> Fitted:
    """Trains a head anew with the strength it has, from where its labels are now.

    Args:
        labelled: all examples that there are now.
        before: the head so far.
        report: told how far it is.
    """
    return _assembled(labelled, before.strength, before.coverage, before.trials, before, report)


def best_threshold(probabilities: NDArray[np.float64], marks: NDArray[np.bool_]) -> float:
    """The probability from which on a label is given, for the best F1; the highest of equally good ones.

    Args:
        probabilities: float64 of shape (n,), of held-out examples.
        marks: bool of shape (n,), at least one of them true: which have the label.

    Returns:
        Halfway between the last probability that is given the label and the next one.
    """
    order = np.argsort(-probabilities, kind="stable")
    ranked, hits = probabilities[order], np.cumsum(marks[order])
    scores = 2 * hits / (np.arange(1, len(ranked) + 1) + hits[-1])
    following = np.append(ranked[1:], 0.0)
    best = int(np.argmax(np.where(following < ranked, scores, 0.0)))
    return float(ranked[best] + following[best]) / 2


def thresholds(probabilities: NDArray[np.float64], marks: NDArray[np.bool_]) -> NDArray[np.float64]:
    """The threshold of each label: see `best_threshold`; both arguments are of shape (n, c)."""
    shared = best_threshold(probabilities.ravel(), marks.ravel())
    frequent = marks.sum(axis=0) >= FEW
    return np.array(
        [
            best_threshold(probabilities[:, place], marks[:, place]) if frequent[place] else shared
            for place in range(len(frequent))
        ]
    )


def check_options(options: TrainingOptions) -> None:
    """Refuses options that mean nothing for several labels.

    Raises:
        InvalidInput: says which.
    """
    if options.recipe not in (Recipe.AUTO, Recipe.LOGISTIC):
        raise InvalidInput(f"recipe {options.recipe} cannot learn several labels; take auto or logistic")
    if options.balance_classes or options.abstain_error:
        raise InvalidInput(
            "a head of several labels weighs each by its own threshold and never abstains; leave balance_classes and "
            "abstain_error out"
        )


def _trials(labelled: Labelled, strengths: Sequence[float], report: Report) -> tuple[Trial, ...]:
    """What each strength makes of a sample of the examples, the best first."""
    few = present(labelled.rows(deal(labelled.targets, -(-len(labelled.targets) // SELECTION_ROWS))[0]))
    losses: list[Trial] = []
    for place, strength in enumerate(strengths):

        def told(done: float, place: int = place) -> None:
            report("choosing", CHOSEN * (place + done) / len(strengths))

        divided, marks, _ = _held_out(few, strength, told)
        loss = log_loss(_of_two(divided), marks.ravel().astype(np.int64))
        losses.append(Trial(recipe=Recipe.LOGISTIC, strength=strength, log_loss=loss))
    return tuple(sorted(losses, key=lambda trial: trial.log_loss))


def _held_out(
    labelled: Labelled, strength: float, report: Callable[[float], None]
) -> tuple[NDArray[np.float64], NDArray[np.bool_], float]:
    """Logits of examples from heads that have not seen them, their marks, and the temperature they are divided by.

    Classes are those of `Tagged.of(labelled)`.
    """
    tagged = Tagged.of(labelled)
    step = -(-tagged.marks.size // MOST_LOGITS)
    parts = [part[::step] for part in deal(labelled.targets, PARTS)]
    logits: list[NDArray[np.float64]] = []
    for done, rows in enumerate(parts):
        report(done / len(parts))
        left = np.delete(np.arange(len(tagged.marks)), rows)
        decision = fit(Tagged(tagged.features[left], tagged.marks[left], tagged.classes), strength)
        logits.append(decision.logits(tagged.features[rows]))
    found, marks = np.concatenate(logits), tagged.marks[np.concatenate(parts)]
    warmth = temperature(_of_two(found), marks.ravel().astype(np.int64))
    return found / warmth, marks, warmth


def fit(tagged: Tagged, strength: float, start: Linear | None = None) -> Linear:
    """The decision: a logit for each label.

    Args:
        tagged: the examples.
        strength: C, see `logistic.fit`.
        start: a decision of the same labels to begin from.
    """
    rows = [
        _against_the_rest(tagged.features, tagged.marks[:, place], strength, _row(start, place))
        for place in range(len(tagged.classes))
    ]
    return Linear(np.stack([each.coef[0] for each in rows]), np.array([each.intercept[0] for each in rows]))


def _against_the_rest(
    features: NDArray[np.float32], mark: NDArray[np.bool_], strength: float, start: Linear | None
) -> Linear:
    """The logit of one label; where all examples have it or none, that of how many there are."""
    having = int(mark.sum())
    if having in (0, len(mark)):
        return Linear(np.zeros((1, features.shape[1])), np.array([np.log((having + 0.5) / (len(mark) - having + 0.5))]))
    two = Labelled.plain(features, mark.astype(np.int64), ("rest", "label"))
    both = logistic.fit(two, strength, False, start)
    return Linear(np.diff(both.coef, axis=0), np.diff(both.intercept))


def _row(start: Linear | None, place: int) -> Linear | None:
    """The decision of one label, as logits of the rest and of it."""
    if start is None:
        return None
    coef, intercept = start.coef[place] / 2, start.intercept[place] / 2
    return Linear(np.stack([-coef, coef]), np.array([-intercept, intercept]))


def _of_two(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    """Logits of having no label and of having it, whose softmax is the sigmoid: of shape (n, c), as (n * c, 2)."""
    return np.multiply.outer(logits.ravel(), [-0.5, 0.5])


def _assembled(
    labelled: Labelled,
    strength: float,
    coverage: float,
    trials: tuple[Trial, ...],
    before: Fitted | None,
    report: Report,
) -> Fitted:
    report("fitting", CHOSEN)
    tagged = Tagged.of(labelled)
    decision = fit(tagged, strength, None if before is None else _start(before, tagged.classes))
    calibrating = part_of(report, FITTED, 1)
    divided, marks, warmth = _held_out(labelled, strength, lambda done: calibrating("calibrating", done))
    probabilities = sigmoid(divided)
    chosen = thresholds(probabilities, marks)
    learned = sigmoid(decision.logits(tagged.features) / warmth) >= chosen
    report("calibrating", 1.0)
    return Fitted(
        classes=tagged.classes,
        counts=tagged.marks.sum(axis=0),
        recipe=Recipe.LOGISTIC,
        strength=strength,
        balance_classes=False,
        decision=decision,
        temperature=warmth,
        abstain_error=0.0,
        abstain_threshold=0.0,
        coverage=coverage,
        set_quantile=0.0,
        scope=_scope(tagged),
        moments=None,
        trials=trials,
        held_out_accuracy=_all_right(probabilities >= chosen, marks),
        train_accuracy=_all_right(learned, tagged.marks),
        task=Task.LABELS,
        thresholds=chosen,
    )


def _start(before: Fitted, classes: tuple[str, ...]) -> Linear:
    """The decision so far with the labels that there are now."""
    assert isinstance(before.decision, Linear), "learned as this is"
    places = {label: place for place, label in enumerate(before.classes)}
    start = Linear(np.zeros((len(classes), before.decision.coef.shape[1])), np.zeros(len(classes)))
    for place, label in enumerate(classes):
        if label in places:
            start.coef[place] = before.decision.coef[places[label]]
            start.intercept[place] = before.decision.intercept[places[label]]
    return start


def _scope(tagged: Tagged) -> Scope:
    """What is like these examples: see `abstention.scope`, with a mean for each label."""
    wide = tagged.features.astype(np.float64)
    sums, units = tagged.marks.T.astype(np.float64) @ wide, unit(wide)
    means, nearest = unit(sums), np.full(len(wide), -1.0)
    for place, rows in enumerate(tagged.marks.T):
        near = units @ means[place]
        near[rows] = np.einsum("ij,ij->i", units[rows], unit(sums[place] - wide[rows])) if rows.sum() > 1 else -1.0
        np.maximum(nearest, near, out=nearest)
    return Scope(means.astype(np.float32), np.sort(nearest.astype(np.float32)))


def _all_right(given: NDArray[np.bool_], marks: NDArray[np.bool_]) -> float:
    return float((given == marks).all(axis=1).mean())
