"""What there is to train heads from."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from frostline.server.heads.closed_form import decide_all
from frostline.server.heads.decision import Decision
from frostline.server.heads.fitted import Recipe
from frostline.server.heads.labelled import Labelled
from frostline.server.heads.lesson import Lesson
from frostline.server.heads.recipes import knn, logistic, perceptron, svm

Fit = Callable[[Labelled, float, bool, Decision | None], Decision]


@dataclass(frozen=True, slots=True)
class Template:
    """How decisions of a recipe are learned.

    Attributes:
        grid: the strengths to choose from.
        usual: the strength where nothing can be held out.
        learn: learns a decision for each of some strengths, given whether classes count alike and, for recipes that can
            use it, a decision of the same classes to begin from.
        together: whether many strengths cost hardly more than one.
    """

    grid: tuple[float, ...]
    usual: float
    learn: Callable[[Lesson, Sequence[float], bool, Decision | None], Sequence[Decision]]
    together: bool


def _of_sums(recipe: Recipe, grid: tuple[float, ...], usual: float) -> Template:
    def learn(
        lesson: Lesson, strengths: Sequence[float], balance_classes: bool, _start: Decision | None
    ) -> Sequence[Decision]:
        return decide_all(recipe, strengths, lesson.moments, balance_classes)

    return Template(grid, usual, learn, together=True)


def _of_examples(fit: Fit, grid: tuple[float, ...], usual: float) -> Template:
    def learn(
        lesson: Lesson, strengths: Sequence[float], balance_classes: bool, start: Decision | None
    ) -> Sequence[Decision]:
        return [fit(lesson.labelled, strength, balance_classes, start) for strength in strengths]

    return Template(grid, usual, learn, together=False)


TEMPLATES: Mapping[Recipe, Template] = {
    Recipe.LOGISTIC: _of_examples(logistic.fit, (0.1, 1, 10, 100), 10),
    Recipe.RIDGE: _of_sums(Recipe.RIDGE, (0.1, 1, 10), 1),
    Recipe.LDA: _of_sums(Recipe.LDA, (0.05, 0.1, 0.3, 0.6, 0.9), 0.6),
    Recipe.NEAREST_MEAN: _of_sums(Recipe.NEAREST_MEAN, (1,), 1),
    Recipe.LINEAR_SVM: _of_examples(svm.fit, (0.1, 1, 10), 1),
    Recipe.NEAREST_NEIGHBORS: _of_examples(knn.fit, (1, 5, 10, 20), 1),
    Recipe.PERCEPTRON: _of_examples(perceptron.fit, (0.01, 0.1, 1), 0.1),
}
