"""Heads that answer numbers: ridge regression, with an interval that holds the true number as often as was asked for.

The interval is as wide everywhere: the margin is a quantile of how far held-out examples were from what was predicted
of them. Ridge follows from sums, so updates and merges are exact.

Source: Hoerl and Kennard 1970; Lei et al. 2018, section 2.2 (conformal intervals); Barber et al. 2021, section 3 (of
residuals from cross-validation).
"""

import math
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from frostline.server.errors import InvalidInput
from frostline.server.heads.abstention import scope
from frostline.server.heads.assembling import CHOSEN
from frostline.server.heads.closed_form import ridge_to
from frostline.server.heads.decision import Linear, unit
from frostline.server.heads.fitted import VALUE_CLASS, Fitted, Recipe, Scope, Task, TrainingOptions, Trial
from frostline.server.heads.folds import deal
from frostline.server.heads.labelled import Labelled
from frostline.server.heads.moments import Moments
from frostline.server.heads.truths import Measured
from frostline.server.report import Report

PENALTIES = (0.001, 0.01, 0.1, 1.0, 10.0, 100.0)
_PARTS = 10
_LEAST_SHARE = 1e-12
"""Of the variance of all values: an error below it is rounding, and its logarithm says nothing."""


def sums(measured: Measured) -> Moments:
    """The sums over examples: those of rows that are the features and, as one column more, the number.

    So `grams` also holds the sums of number times feature, and examples are added and removed like those of classes.
    """
    wide = np.column_stack([measured.features.astype(np.float64), measured.values])
    return Moments((VALUE_CLASS,), np.array([float(len(wide))]), wide.sum(axis=0, keepdims=True), wide.T @ wide)


def decide(moments: Moments, penalties: Sequence[float]) -> list[Linear]:
    """The decisions of several penalties, from sums as `sums` gives them."""
    rows, means = float(moments.counts[0]), moments.sums[0] / moments.counts[0]
    common = moments.grams[-1, :-1] - rows * means[-1] * means[:-1]
    return ridge_to(common[np.newaxis], means[-1:], _of_features(moments), penalties)


def train(labelled: Labelled, options: TrainingOptions, report: Report) -> Fitted:
    """Trains a head.

    Args:
        labelled: examples with numbers, at least two different ones.
        options: how to train, for which `check_options` holds.
        report: told how far it is.
    """
    measured = Measured.of(labelled)
    moments = sums(measured)
    penalties = [options.strength] if options.strength else PENALTIES
    residuals = _residuals(measured, moments, penalties, lambda done: report("choosing", CHOSEN * done))
    errors = np.maximum((residuals**2).mean(axis=0), _LEAST_SHARE * measured.values.var())
    order: list[int] = np.argsort(errors, kind="stable").tolist()
    trials = tuple(
        Trial(recipe=Recipe.RIDGE, strength=penalties[place], log_loss=_log_loss(errors[place])) for place in order
    )
    report("fitting", CHOSEN)
    chosen = residuals[:, order[0]]
    return _fitted(measured, moments, trials[0].strength, trials, options.coverage, chosen)


def refit(labelled: Labelled, before: Fitted, moments: Moments | None, report: Report) -> Fitted:
    """Trains a head anew with the strength it has.

    Args:
        labelled: the examples at hand.
        before: the head so far.
        moments: the sums to go by; those over the examples at hand when None.
        report: told how far it is.
    """
    measured = Measured.of(labelled)
    moments = moments or sums(measured)
    told = _residuals(measured, sums(measured), [before.strength], lambda done: report("calibrating", done))
    return _fitted(measured, moments, before.strength, before.trials, before.coverage, told[:, 0])


def merged(parts: Sequence[Fitted], moments: Moments) -> Fitted:
    """A head as if it were trained, its strength pinned, on the examples of all parts.

    Args:
        parts: alike in strength and options.
        moments: the sums over the examples of all.

    Returns:
        The head. Its margin is the mean over the parts, by examples; None where one has none.
    """
    first, margins = parts[0], [part.margin for part in parts if part.margin is not None]
    examples = [max(1, int(part.counts.sum())) for part in parts]
    means = unit(moments.sums[:, :-1]).astype(np.float32)
    return _assembled(
        moments,
        first.strength,
        (),
        first.coverage,
        Scope(means, np.sort(np.concatenate([part.scope.held_out for part in parts]))),
        float(np.average(margins, weights=examples)) if len(margins) == len(parts) else None,
    )


def margin(residuals: NDArray[np.float64], coverage: float) -> float | None:
    """How far the true number is off at most, as often as `coverage` says.

    Args:
        residuals: float64 of shape (n,), of held-out examples.
        coverage: between 0 and 1.

    Returns:
        The quantile, corrected for how few examples there are; None where they are too few for any.
    """
    place = math.ceil((len(residuals) + 1) * coverage - 1e-9)  # a product that should be whole may be above
    return float(np.sort(np.abs(residuals))[place - 1]) if place <= len(residuals) else None


def check_options(options: TrainingOptions) -> None:
    """Refuses options that mean nothing for numbers.

    Raises:
        InvalidInput: says which.
    """
    if options.recipe not in (Recipe.AUTO, Recipe.RIDGE):
        raise InvalidInput(f"recipe {options.recipe} cannot learn numbers; take auto or ridge")
    if options.balance_classes or options.abstain_error:
        raise InvalidInput("a head that answers numbers has no classes to balance and never abstains; leave both out")


def _residuals(
    measured: Measured, moments: Moments, penalties: Sequence[float], report: Callable[[float], None]
) -> NDArray[np.float64]:
    """How far each example is from what the others say of it: float64 of shape (n, p), for each penalty."""
    found = np.empty((len(measured.values), len(penalties)))
    parts = deal(np.zeros(len(found), np.int64), _PARTS)
    for done, rows in enumerate(parts):
        report(done / len(parts))
        held = Measured(measured.features[rows], measured.values[rows])
        for place, decision in enumerate(decide(moments.minus(sums(held)), penalties)):
            found[rows, place] = held.values - decision.logits(held.features)[:, 0]
    return found


def _fitted(
    measured: Measured,
    moments: Moments,
    strength: float,
    trials: tuple[Trial, ...],
    coverage: float,
    residuals: NDArray[np.float64],
) -> Fitted:
    alike = Labelled.plain(measured.features, np.zeros(len(measured.values), np.int64), (VALUE_CLASS,))
    seen = scope(alike, _of_features(moments))
    return _assembled(moments, strength, trials, coverage, seen, margin(residuals, coverage))


def _assembled(
    moments: Moments, strength: float, trials: tuple[Trial, ...], coverage: float, seen: Scope, margin: float | None
) -> Fitted:
    return Fitted(
        classes=(VALUE_CLASS,),
        counts=np.rint(moments.counts).astype(np.int64),
        recipe=Recipe.RIDGE,
        strength=strength,
        balance_classes=False,
        decision=decide(moments, [strength])[0],
        temperature=1.0,
        abstain_error=0.0,
        abstain_threshold=0.0,
        coverage=coverage,
        set_quantile=0.0,
        scope=seen,
        moments=moments,
        trials=trials,
        held_out_accuracy=None,
        train_accuracy=None,
        task=Task.VALUE,
        margin=margin,
    )


def _of_features(moments: Moments) -> Moments:
    return Moments(moments.classes, moments.counts, moments.sums[:, :-1], moments.grams[:-1, :-1])


def _log_loss(mean_square: float) -> float:
    return 0.5 * math.log(2 * math.pi * math.e * mean_square)
