"""Chooses a recipe, its strength and a scaling by the log loss of held-out examples, each with its own temperature.

Logistic regression goes before the others where their loss is not lower beyond chance. It takes nothing for granted of
how classes are spread; discriminants win where classes are alike in that, and lose more where they are not.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from frostline.server.heads.calibration import log_losses, temperature
from frostline.server.heads.feature_scaling import FeatureScaling, scaled_examples
from frostline.server.heads.fitted import Recipe, Trial
from frostline.server.heads.folds import sample
from frostline.server.heads.held_out import HeldOut, Learn, held_out
from frostline.server.heads.labelled import Labelled
from frostline.server.heads.lesson import Lesson

SELECTION_ROWS = 3_000
"""More examples would not be chosen by better, but cost as many times more as there are recipes and strengths."""

CHANCE = 2.0
"""Standard errors up to which a difference of losses may be chance."""

PARTS = 5
"""Each is held out in turn."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """Strengths of a recipe that are learned together.

    Attributes:
        recipe: which.
        strengths: its strengths.
        learn: learns a decision for each.
        scaling: what is done to embeddings first.
    """

    recipe: Recipe
    strengths: Sequence[float]
    learn: Learn
    scaling: FeatureScaling = FeatureScaling.NONE


def _scaled(labelled: Labelled, scaling: FeatureScaling) -> Lesson:
    return Lesson.of(scaled_examples(labelled, scaling))


def select(
    labelled: Labelled,
    candidates: Sequence[Candidate],
    balance_classes: bool,
    report: Callable[[float], None],
    lesson: Callable[[Labelled, FeatureScaling], Lesson] = _scaled,
) -> tuple[Trial, ...]:
    """Tries candidates.

    Args:
        labelled: the examples; choosing looks at a sample of them.
        candidates: what to choose from.
        balance_classes: whether classes count alike.
        report: told the done share, 0 to 1.
        lesson: makes of examples what is learned from, given the scaling.

    Returns:
        What was tried: the one to take, then the others, the best first. Nothing where no example can be held out.
    """
    chosen = sample(labelled, SELECTION_ROWS)
    scalings = dict.fromkeys(candidate.scaling for candidate in candidates)
    lessons = {scaling: lesson(chosen, scaling) for scaling in scalings}
    tried: list[_Tried] = []
    for place, candidate in enumerate(candidates):

        def told(done: float, place: int = place) -> None:
            report((place + done) / len(candidates))

        outcomes = held_out(lessons[candidate.scaling], candidate.learn, PARTS, balance_classes, told)
        tried += [
            _tried(candidate, strength, outcome)
            for strength, outcome in zip(candidate.strengths, outcomes, strict=False)
        ]
    return _ranked(tried)


@dataclass(frozen=True, slots=True, eq=False)
class _Tried:
    """A trial and the loss of each held-out example, float64 of shape (m,), as a share of the trial's."""

    trial: Trial
    shares: NDArray[np.float64]


def _tried(candidate: Candidate, strength: float, outcome: HeldOut) -> _Tried:
    divided = outcome.logits / temperature(outcome.logits, outcome.targets, outcome.weights)
    losses = log_losses(divided, outcome.targets)
    shares = losses * outcome.weights / outcome.weights.sum()
    trial = Trial(recipe=candidate.recipe, strength=strength, log_loss=float(shares.sum()), scaling=candidate.scaling)
    return _Tried(trial, shares)


def _ranked(tried: Sequence[_Tried]) -> tuple[Trial, ...]:
    ranked = sorted(tried, key=lambda each: each.trial.log_loss)
    logistic = next((each for each in ranked if each.trial.recipe is Recipe.LOGISTIC), None)
    if logistic and not _worse(logistic, ranked[0]):
        ranked = [logistic, *(each for each in ranked if each is not logistic)]
    return tuple(each.trial for each in ranked)


def _worse(one: _Tried, best: _Tried) -> bool:
    """Whether its loss is higher beyond chance, the same examples having been held out."""
    differences = one.shares - best.shares
    return bool(differences.sum() > CHANCE * np.sqrt(len(differences)) * differences.std())
