"""Chooses a recipe, its strength and a scaling by the log loss of held-out examples, each with its own temperature."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from frostline.server.heads.calibration import log_loss, temperature
from frostline.server.heads.feature_scaling import FeatureScaling, scaled_examples
from frostline.server.heads.fitted import Recipe, Trial
from frostline.server.heads.folds import sample
from frostline.server.heads.held_out import HeldOut, Learn, held_out
from frostline.server.heads.labelled import Labelled
from frostline.server.heads.lesson import Lesson

SELECTION_ROWS = 3_000
"""More examples would not be chosen by better, but cost as many times more as there are recipes and strengths."""

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
        What was tried, the best first; nothing where no example can be held out.
    """
    chosen = sample(labelled, SELECTION_ROWS)
    scalings = dict.fromkeys(candidate.scaling for candidate in candidates)
    lessons = {scaling: lesson(chosen, scaling) for scaling in scalings}
    trials: list[Trial] = []
    for place, candidate in enumerate(candidates):

        def told(done: float, place: int = place) -> None:
            report((place + done) / len(candidates))

        outcomes = held_out(lessons[candidate.scaling], candidate.learn, PARTS, balance_classes, told)
        trials += [
            Trial(
                recipe=candidate.recipe,
                strength=strength,
                log_loss=calibrated_loss(outcome),
                scaling=candidate.scaling,
            )
            for strength, outcome in zip(candidate.strengths, outcomes, strict=False)
        ]
    return tuple(sorted(trials, key=lambda trial: trial.log_loss))


def calibrated_loss(outcome: HeldOut) -> float:
    """Log loss in nats, with the temperature fitted."""
    divided = outcome.logits / temperature(outcome.logits, outcome.targets, outcome.weights)
    return log_loss(divided, outcome.targets, outcome.weights)
