"""Trains heads, brings them up to date, and merges them."""

from collections.abc import Sequence
from functools import reduce

import numpy as np
from numpy.typing import NDArray

from frostline.server.errors import InvalidInput
from frostline.server.heads import closed_form, multi_label, regression
from frostline.server.heads.assembling import CHOSEN, Report, assembled
from frostline.server.heads.closed_form import decide
from frostline.server.heads.decision import Decision, Linear, unit
from frostline.server.heads.fitted import EXACT, Fitted, Recipe, Scope, Task, TrainingOptions, Trial
from frostline.server.heads.held_out import Learn
from frostline.server.heads.labelled import Labelled
from frostline.server.heads.lesson import Lesson
from frostline.server.heads.moments import Moments
from frostline.server.heads.recipes import knn
from frostline.server.heads.recipes.catalogue import TEMPLATES
from frostline.server.heads.selection import Candidate, select

LOGISTIC_CLASSES = 1_000
"""With more classes AUTO passes logistic regression over: what it takes grows with classes times examples."""
_ALIKE = ("task", "recipe", "strength", "balance_classes", "abstain_error", "coverage")
"""What heads must have in common to be merged."""


def train(labelled: Labelled, options: TrainingOptions, report: Report) -> Fitted:
    """Trains a head.

    AUTO takes the best of logistic, ridge and lda. Where no example can be held out, as where each class has one
    example or a description only, it takes nearest means, and another recipe its usual strength.

    Args:
        labelled: the examples.
        options: how to train.
        report: told how far it is.

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
            chosen, trials = pinned(labelled, options, report)
            return _assembled(Lesson.of(labelled), chosen, trials, None, report)


def pinned(labelled: Labelled, options: TrainingOptions, report: Report) -> tuple[TrainingOptions, tuple[Trial, ...]]:
    """Chooses what options leave open, for a head of classes; examples and options go together, see `train`.

    Returns:
        The options with a recipe and a strength, and what was tried, the best first.
    """
    recipes = _recipes(labelled, options)
    trials = select(
        labelled,
        [] if options.strength else _candidates(recipes, options.balance_classes),
        options.balance_classes,
        lambda done: report("choosing", CHOSEN * done),
    )
    if trials:
        recipe, strength = trials[0].recipe, trials[0].strength
    else:
        recipe = Recipe.NEAREST_MEAN if options.recipe is Recipe.AUTO else options.recipe
        strength = options.strength or TEMPLATES[recipe].usual
    return options.model_copy(update={"recipe": recipe, "strength": strength}), trials


def decision(lesson: Lesson, pinned: TrainingOptions, start: Decision | None = None) -> Decision:
    """Learns the decision of a head whose recipe and strength are chosen, and nothing about how far to trust it.

    Args:
        lesson: what to learn from.
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
    lesson = Lesson.of(labelled)
    if moments is not None and before.recipe in EXACT:
        lesson = Lesson(_with_classes(labelled, moments.classes), lambda: moments)
    _check(lesson.labelled)
    options = TrainingOptions(
        recipe=before.recipe,
        strength=before.strength,
        balance_classes=before.balance_classes,
        abstain_error=before.abstain_error,
        coverage=before.coverage,
    )
    return _assembled(lesson, options, before.trials, before, report)


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
    moments, first = reduce(Moments.plus, _sums(parts)), parts[0]
    if first.task is Task.VALUE:
        return regression.merged(parts, moments)
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
        decision=decide(first.recipe, first.strength, moments, first.balance_classes),
        temperature=mean([part.temperature for part in parts]),
        abstain_error=first.abstain_error,
        abstain_threshold=mean([part.abstain_threshold for part in parts]),
        coverage=first.coverage,
        set_quantile=mean([part.set_quantile for part in parts]),
        scope=Scope(unit(moments.sums).astype(np.float32), np.sort(np.concatenate([p.scope.held_out for p in parts]))),
        moments=moments,
        trials=(),
        held_out_accuracy=mean(accuracies) if len(accuracies) == len(parts) else None,
        train_accuracy=None,
    )


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
    if options.task is Task.LABELS:
        multi_label.check_options(options)
    if options.task is Task.VALUE:
        regression.check_options(options)
    closed_form.check(recipe, strength, options.balance_classes)
    if recipe is Recipe.NEAREST_NEIGHBORS:
        knn.check(strength, options.balance_classes)


def _recipes(labelled: Labelled, options: TrainingOptions) -> list[Recipe]:
    """The recipes to choose from."""
    if options.recipe is not Recipe.AUTO:
        return [options.recipe]
    ridge = [] if options.balance_classes else [Recipe.RIDGE]
    logistic = [Recipe.LOGISTIC] if len(labelled.classes) <= LOGISTIC_CLASSES else []
    return [*ridge, Recipe.LDA, *logistic]


def _candidates(recipes: Sequence[Recipe], balance_classes: bool) -> list[Candidate]:
    """What to try; strengths that are not learned together are tried one by one, so that progress is told often."""
    return [
        Candidate(recipe, strengths, _learner(recipe, strengths, balance_classes))
        for recipe in recipes
        for strengths in _batches(recipe)
    ]


def _batches(recipe: Recipe) -> list[tuple[float, ...]]:
    template = TEMPLATES[recipe]
    return [template.grid] if template.together else [(strength,) for strength in template.grid]


def _learner(recipe: Recipe, strengths: Sequence[float], balance_classes: bool, start: Decision | None = None) -> Learn:
    return lambda lesson: TEMPLATES[recipe].learn(lesson, strengths, balance_classes, start)


def _assembled(
    lesson: Lesson, pinned: TrainingOptions, trials: tuple[Trial, ...], before: Fitted | None, report: Report
) -> Fitted:
    """The head of a recipe and a strength, neither of them open any more."""
    start = None if before is None else _start(before, lesson.labelled.classes)
    report("fitting", CHOSEN)
    # What is held out is never learned about from a decision that has seen it.
    return assembled(lesson, pinned, decision(lesson, pinned, start), _learner_of(pinned, None), trials, before, report)


def _learner_of(pinned: TrainingOptions, start: Decision | None) -> Learn:
    strengths = (pinned.strength or TEMPLATES[pinned.recipe].usual,)
    return _learner(pinned.recipe, strengths, pinned.balance_classes, start)


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
    return Labelled(labelled.features, mine[labelled.targets], classes, labelled.described)


def _sums(parts: Sequence[Fitted]) -> list[Moments]:
    """The sums of heads that can be merged."""
    if len(parts) < 2:
        raise InvalidInput(f"it takes at least two heads to merge, and there is {len(parts)}: name another")
    for name in _ALIKE:
        values = sorted({str(getattr(part, name)) for part in parts})
        if len(values) > 1:
            raise InvalidInput(f"heads with different {name} ({', '.join(values)}) cannot be merged: train them alike")
    sums = [part.moments for part in parts if part.moments is not None]
    if len(sums) < len(parts):
        exact = ", ".join(sorted(EXACT))
        raise InvalidInput(f"heads of {parts[0].recipe} cannot be merged, they keep no sums: train one of {exact}")
    dimensions = sorted({each.sums.shape[1] for each in sums})
    if len(dimensions) > 1:
        raise InvalidInput(f"heads over {' and '.join(map(str, dimensions))} dimensions cannot be merged")
    return sums


def _counts(parts: Sequence[Fitted], classes: tuple[str, ...]) -> NDArray[np.int64]:
    places = {label: place for place, label in enumerate(classes)}
    counts = np.zeros(len(classes), np.int64)
    for part in parts:
        counts[[places[label] for label in part.classes]] += part.counts
    return counts
