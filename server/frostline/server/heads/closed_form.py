"""Decisions that follow from sums over examples alone, so that updates and merges are exact.

Strengths have no unit: a penalty counts in mean squared lengths of examples, so it means the same for every encoder.

Which classes can count alike, however many examples they have:
    nearest mean    they do by nature
    lda             the classes' shares of the examples are left out; the covariance is that of all examples
    ridge           not: each class would need a scatter of its own, and the sums hold only that of all
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from frostline.server.errors import InvalidInput
from frostline.server.heads.decision import Linear
from frostline.server.heads.fitted import Recipe
from frostline.server.heads.moments import Moments

_NO_SCATTER = 1e-12
"""Up to this share of the mean squared length, variance within classes is what rounding left."""


def decide(recipe: Recipe, strength: float, moments: Moments, balance_classes: bool) -> Linear:
    """The decision of one strength; see `decide_all`."""
    return decide_all(recipe, (strength,), moments, balance_classes)[0]


def decide_all(recipe: Recipe, strengths: Sequence[float], moments: Moments, balance_classes: bool) -> list[Linear]:
    """The decisions of several strengths, for hardly more than the price of one.

    Args:
        recipe: one of `EXACT`.
        strengths: the penalties of ridge; the shrinkages of lda, at most 1; nearest means do not look at them.
        moments: sums over the examples.
        balance_classes: whether classes count alike.

    Raises:
        InvalidInput: a shrinkage above 1, or ridge with classes that count alike.
    """
    for strength in strengths:
        check(recipe, strength, balance_classes)
    if recipe is Recipe.RIDGE:
        return ridge(moments, strengths)
    if recipe is Recipe.LDA:
        return lda(moments, strengths, balance_classes)
    return [nearest_mean(moments)] * len(strengths)


def check(recipe: Recipe, strength: float | None, balance_classes: bool) -> None:
    """Refuses what sums cannot do.

    Raises:
        InvalidInput: says what.
    """
    if recipe is Recipe.RIDGE and balance_classes:
        raise InvalidInput("ridge cannot balance classes: take lda or logistic, or leave balance_classes out")
    if recipe is Recipe.LDA and strength is not None and strength > 1:
        raise InvalidInput(f"strength {strength:g} of lda: it shrinks by a share, from above 0 to 1")


def ridge(moments: Moments, penalties: Sequence[float]) -> list[Linear]:
    """Least squares to one-hot targets, the intercept unpenalised.

    Source: Hoerl and Kennard 1970; Hastie, Tibshirani and Friedman 2009, sections 3.4.1 and 4.2.
    """
    rows, mean = moments.counts.sum(), _mean(moments)
    common = moments.sums - np.outer(moments.counts, mean)
    return ridge_to(common, moments.counts / rows, moments, penalties)


def ridge_to(
    common: NDArray[np.float64], target_means: NDArray[np.float64], moments: Moments, penalties: Sequence[float]
) -> list[Linear]:
    """Least squares to any targets, the intercept unpenalised.

    Args:
        common: float64 of shape (c, d), the sums over examples of target times features, both less their means.
        target_means: float64 of shape (c,).
        moments: sums over the features.
        penalties: see `decide_all`.
    """
    mean, unit = _mean(moments), _squared_length(moments)
    values, axes = _decomposed(moments.grams - moments.counts.sum() * np.outer(mean, mean))
    turned = common @ axes
    found: list[Linear] = []
    for penalty in penalties:
        coef = (turned / (values + penalty * unit)) @ axes.T
        found.append(Linear(coef, target_means - coef @ mean))
    return found


def lda(moments: Moments, shrinkages: Sequence[float], balance_classes: bool) -> list[Linear]:
    """Linear discriminants; the covariance within classes is shrunk to its mean variance.

    Source: Friedman 1989, section 3, with one covariance for all classes; Hastie et al. 2009, section 4.3.1.
    """
    rows, mean, means = moments.counts.sum(), _mean(moments), _means(moments)
    values, axes = _decomposed((moments.grams - (means.T * moments.counts) @ means) / rows)
    if values.mean() <= _NO_SCATTER * _squared_length(moments):
        values = np.full(len(values), _squared_length(moments))
    logarithms = np.zeros(len(means)) if balance_classes else np.log(moments.counts / rows)
    centred = means - mean
    found: list[Linear] = []
    for shrinkage in shrinkages:
        shrunk = (1 - shrinkage) * values + shrinkage * values.mean()
        coef = (centred @ axes / shrunk) @ axes.T
        heights = np.einsum("ij,ij->i", coef, centred)
        found.append(Linear(coef, logarithms - heights / 2 - coef @ mean))
    return found


def nearest_mean(moments: Moments) -> Linear:
    """Half the squared distance to each class's mean, negated, less what all classes have in common.

    Source: Tibshirani et al. 2002 without shrinkage; the prototypes of Snell et al. 2017.
    """
    mean = _mean(moments)
    centred = _means(moments) - mean
    return Linear(centred, -np.einsum("ij,ij->i", centred, centred) / 2 - centred @ mean)


def _decomposed(scatter: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    values, axes = np.linalg.eigh(scatter)
    return np.maximum(values, 0), axes


def _mean(moments: Moments) -> NDArray[np.float64]:
    mean: NDArray[np.float64] = moments.sums.sum(axis=0) / moments.counts.sum()
    return mean


def _means(moments: Moments) -> NDArray[np.float64]:
    return moments.sums / moments.counts[:, np.newaxis]


def _squared_length(moments: Moments) -> float:
    """The mean squared length of an example; 1 where all are zero."""
    return float(np.trace(moments.grams) / moments.counts.sum()) or 1.0
