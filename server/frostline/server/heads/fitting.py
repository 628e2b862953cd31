"""Trains heads, and brings them up to date."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from frostline.server.errors import InvalidInput
from frostline.server.heads import closed_form, multi_label, regression
from frostline.server.heads.alignment import aligned
from frostline.server.heads.assembling import CHOSEN, assembled
from frostline.server.heads.decision import Decision, Linear
from frostline.server.heads.feature_scaling import FeatureScaling, choices, scaled_examples
from frostline.server.heads.fitted import EXACT, Fitted, Recipe, Task, TrainingOptions, Trial
from frostline.server.heads.held_out import Learn
from frostline.server.heads.labelled import Labelled
from frostline.server.heads.lesson import Lesson
from frostline.server.heads.moments import Moments
from frostline.server.heads.recipes import knn
from frostline.server.heads.recipes.catalogue import TEMPLATES
from frostline.server.heads.selection import Candidate, select
from frostline.server.heads.whitening import whitened
from frostline.server.report import Report

LOGISTIC_CLASSES = 1_000
"""With more classes AUTO passes logistic regression over: what it takes grows with classes times examples."""


def train(labelled: Labelled, options: TrainingOptions, report: Report, target: Labelled | None = None) -> Fitted:
    """Trains a head.

    AUTO takes the best of logistic, ridge and lda. Where no example can be held out, as where each class has one
    example or a description only, it takes nearest means, and another recipe its usual strength.

    Args:
        labelled: the examples.
        options: how to train.
        report: told how far it is.
        target: what the head shall be adapted to, see `alignment.unlabelled`.

    Raises:
        InvalidInput: fewer than two classes, values that are no numbers, or options that do not go together.
    """
    _check(labelled)
    check_options(options)
    match options.task:
        case Task.LABELS:
            return multi_label.train(labelled, options, report)
        case Task.VALUE:
            return regression.train(labelled, options, report)
        case Task.CLASS:
            chosen, trials = pinned(labelled, options, report, target)
            lesson = Lesson.of(scaled_examples(labelled, chosen.scaling))
            return _assembled(lesson, chosen, trials, None, report, _target(target, chosen.scaling))


def pinned(
    labelled: Labelled, options: TrainingOptions, report: Report, target: Labelled | None = None
) -> tuple[TrainingOptions, tuple[Trial, ...]]:
    """Chooses what options leave open, for a head of classes; examples and options go together, see `train`.

    Returns:
        The options with a recipe, a strength and a scaling, and what was tried, the best first.
    """
    scalings = choices(labelled.features, options.scaling)
    trials = _trials(labelled, scalings, options, report, target)
    if trials:
        recipe, strength, scaling = trials[0].recipe, trials[0].strength, trials[0].scaling
    else:
        recipe = Recipe.NEAREST_MEAN if options.recipe is Recipe.AUTO else options.recipe
        strength, scaling = options.strength or TEMPLATES[recipe].usual, scalings[0]
    return options.model_copy(update={"recipe": recipe, "strength": strength, "scaling": scaling}), trials


def decision(lesson: Lesson, pinned: TrainingOptions, start: Decision | None = None) -> Decision:
    """Learns the decision of a head whose recipe and strength are chosen, and nothing about how far to trust it.

    Args:
        lesson: what to learn from, scaled.
        pinned: as the function of that name gives it.
        start: a decision of the same classes to begin from, for recipes that can use it.
    """
    return _learner_of(pinned, start)(lesson)[0]


def refit(labelled: Labelled, before: Fitted, moments: Moments | None, report: Report) -> Fitted:
    """Trains a head anew with the recipe and the strength it has.

    Args:
        labelled: the examples at hand.
        before: the head so far.
        moments: for recipes that keep them, the sums to go by. They may be over more examples than are at hand, as of
            a merged head. The sums over those at hand when None.
        report: told how far it is.

    Returns:
        The head, judged by the examples at hand; or as it was before where they are not the most of all, or none of
        them can be held out.

    Raises:
        InvalidInput: fewer than two classes are left, or values that are no numbers.
    """
    if before.task is Task.VALUE:
        return regression.refit(labelled, before, moments, report)
    if before.task is Task.LABELS:
        return multi_label.refit(labelled, before, report)
    lesson = Lesson.of(scaled_examples(labelled, before.scaling))
    if moments is not None and before.recipe in EXACT:
        lesson = Lesson(_with_classes(lesson.labelled, moments.classes), lambda: moments)
    _check(lesson.labelled)
    options = TrainingOptions(
        recipe=before.recipe,
        strength=before.strength,
        balance_classes=before.balance_classes,
        abstain_error=before.abstain_error,
        coverage=before.coverage,
        scaling=before.scaling,
        whiten=before.whiten,
    )
    return _assembled(lesson, options, before.trials, before, report, before.target)


def _check(labelled: Labelled) -> None:
    if len(labelled.classes) < 2:
        only = f"only {labelled.classes[0]!r}" if labelled.classes else "none"
        raise InvalidInput(f"a head tells at least two classes apart, and there is {only}: add examples of another")
    broken = np.flatnonzero(~np.isfinite(labelled.features).all(axis=1))
    if len(broken):
        raise InvalidInput(f"example {broken[0]} holds values that are no finite numbers: leave it out")


def check_options(options: TrainingOptions) -> None:
    """Refuses options that do not go together, before any work.

    Raises:
        InvalidInput: says which.
    """
    recipe, strength = options.recipe, options.strength
    if strength and recipe in (Recipe.AUTO, Recipe.NEAREST_MEAN):
        raise InvalidInput(f"strength {strength:g} of {recipe}: it has none; name the recipe it is of, or leave it out")
    if options.task is not Task.CLASS and (options.whiten or options.scaling is not FeatureScaling.NONE):
        raise InvalidInput("only heads of classes scale or whiten embeddings: leave scaling and whiten out")
    if options.task is Task.LABELS:
        multi_label.check_options(options)
    if options.task is Task.VALUE:
        regression.check_options(options)
    closed_form.check(recipe, strength, options.balance_classes)
    if options.augment and options.task is not Task.CLASS:
        raise InvalidInput("only heads of classes learn from altered copies: leave augment out")
    if options.augment and recipe is Recipe.NEAREST_NEIGHBORS:
        raise InvalidInput("nearest_neighbors cannot weigh copies: take another recipe, or leave augment out")
    if options.whiten and recipe is Recipe.NEAREST_NEIGHBORS:
        raise InvalidInput("nearest_neighbors cannot whiten: take another recipe, or leave whiten out")
    if recipe is Recipe.NEAREST_NEIGHBORS:
        knn.check(strength, options.balance_classes)


def _recipes(labelled: Labelled, options: TrainingOptions) -> list[Recipe]:
    """The recipes to choose from."""
    if options.recipe is not Recipe.AUTO:
        return [options.recipe]
    ridge = [] if options.balance_classes else [Recipe.RIDGE]
    logistic = [Recipe.LOGISTIC] if len(labelled.classes) <= LOGISTIC_CLASSES else []
    return [*ridge, Recipe.LDA, *logistic]


def _trials(
    labelled: Labelled,
    scalings: Sequence[FeatureScaling],
    options: TrainingOptions,
    report: Report,
    target: Labelled | None,
) -> tuple[Trial, ...]:
    """What was tried, the one to take first; nothing where there is nothing to choose."""
    if options.strength and len(scalings) == 1:
        return ()
    candidates = [
        Candidate(recipe, strengths, _learner(recipe, strengths, options), scaling)
        for scaling in scalings
        for recipe in _recipes(labelled, options)
        for strengths in _batches(recipe, options.strength)
    ]

    def lesson(chosen: Labelled, scaling: FeatureScaling) -> Lesson:
        return aligned(Lesson.of(scaled_examples(chosen, scaling)), _target(target, scaling))

    return select(labelled, candidates, options.balance_classes, lambda done: report("choosing", CHOSEN * done), lesson)


def _batches(recipe: Recipe, strength: float | None) -> list[tuple[float, ...]]:
    """Strengths that are learned together; the others come one by one, so that progress is told often."""
    template = TEMPLATES[recipe]
    grid = (strength,) if strength else template.grid
    return [grid] if template.together else [(each,) for each in grid]


def _learner(
    recipe: Recipe, strengths: Sequence[float], options: TrainingOptions, start: Decision | None = None
) -> Learn:
    def learn(lesson: Lesson) -> Sequence[Decision]:
        begun = None if options.whiten else start  # which is not of whitened embeddings
        return TEMPLATES[recipe].learn(lesson, strengths, options.balance_classes, begun)

    return whitened(learn) if options.whiten else learn


def _assembled(
    given: Lesson,
    pinned: TrainingOptions,
    trials: tuple[Trial, ...],
    before: Fitted | None,
    report: Report,
    target: Moments | None,
) -> Fitted:
    """The head of a recipe and a strength, neither of them open any more."""
    lesson = aligned(given, target)
    start = None if before is None else _start(before, lesson.labelled.classes)
    report("fitting", CHOSEN)
    # What is held out is never learned about from a decision that has seen it.
    afresh = _learner_of(pinned, None)
    fitted = assembled(lesson, pinned, decision(lesson, pinned, start), afresh, trials, before, report)
    return fitted if target is None else replace(fitted, moments=fitted.moments and given.moments, target=target)


def _learner_of(pinned: TrainingOptions, start: Decision | None) -> Learn:
    return _learner(pinned.recipe, (pinned.strength or TEMPLATES[pinned.recipe].usual,), pinned, start)


def _target(target: Labelled | None, scaling: FeatureScaling) -> Moments | None:
    return None if target is None else Moments.of(scaled_examples(target, scaling))


def _start(before: Fitted, classes: tuple[str, ...]) -> Linear | None:
    """The decision so far with the classes that there are now."""
    if not isinstance(before.decision, Linear):
        return None
    places = {label: place for place, label in enumerate(before.classes)}
    kept = [place for place, label in enumerate(classes) if label in places]
    known = [places[classes[place]] for place in kept]
    coef = np.zeros((len(classes), before.decision.coef.shape[1]))
    intercept = np.zeros(len(classes))
    coef[kept], intercept[kept] = before.decision.coef[known], before.decision.intercept[known]
    return Linear(coef, intercept)


def _with_classes(labelled: Labelled, classes: tuple[str, ...]) -> Labelled:
    """The examples among more classes, not all of which have any."""
    places = {label: place for place, label in enumerate(classes)}
    mine = np.array([places[label] for label in labelled.classes], np.int64)
    return replace(labelled, targets=mine[labelled.targets], classes=classes)
