"""A trained head: everything that predicting, updating and merging take, and nothing of where it came from."""

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from frostline.server.heads.decision import Decision
from frostline.server.heads.feature_scaling import FeatureScaling
from frostline.server.heads.moments import Moments


class Recipe(StrEnum):
    """The template a head is trained from."""

    AUTO = "auto"
    LOGISTIC = "logistic"
    RIDGE = "ridge"
    LDA = "lda"
    NEAREST_MEAN = "nearest_mean"
    LINEAR_SVM = "linear_svm"
    NEAREST_NEIGHBORS = "nearest_neighbors"
    PERCEPTRON = "perceptron"


class Task(StrEnum):
    """What a head answers: one class, any number of labels, or a number."""

    CLASS = "class"
    LABELS = "labels"
    VALUE = "value"


DEFAULT_COVERAGE = 0.9
EXACT = frozenset({Recipe.RIDGE, Recipe.LDA, Recipe.NEAREST_MEAN})
"""Recipes that keep statistics, so that updates and merges are exact."""


MOST_COPIES = 8
"""Of an example: each costs an embedding, and as much of training."""


class TrainingOptions(BaseModel):
    """How a head is trained.

    Attributes:
        recipe: the template.
        strength: its penalty, shrinkage, C or number of neighbors; None to choose by cross-validation.
        balance_classes: whether classes count alike, however many examples they have.
        abstain_error: the error that answers shall stay below; 0 to answer always.
        coverage: how often label sets shall hold the true label, and intervals the true number.
        task: what it shall answer.
        scaling: what is done to each embedding first.
        whiten: whether embeddings are spread alike in all directions before a recipe sees them.
        augment: how many altered copies of each text or image there are among the examples, see `augmentation`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    recipe: Recipe = Recipe.AUTO
    strength: float | None = Field(default=None, gt=0)
    balance_classes: bool = False
    abstain_error: float = Field(default=0.0, ge=0, lt=1)
    coverage: float = Field(default=DEFAULT_COVERAGE, gt=0, lt=1)
    task: Task = Task.CLASS
    scaling: FeatureScaling = FeatureScaling.NONE
    whiten: bool = False
    augment: int = Field(default=0, ge=0, le=MOST_COPIES)


class Trial(BaseModel):
    """One recipe that was tried.

    Attributes:
        recipe: which.
        strength: with what.
        log_loss: cross-validated, in nats, with the temperature fitted. Of several labels, the mean over them; of
            numbers, that of a normal distribution about the prediction, with its variance fitted.
        scaling: on embeddings scaled so.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    recipe: Recipe
    strength: float
    log_loss: float
    scaling: FeatureScaling = FeatureScaling.NONE


VALUE_CLASS = "value"
"""What stands for the classes where there are none."""


@dataclass(frozen=True, slots=True, eq=False)
class Scope:
    """What tells inputs that are like the training examples from others.

    Attributes:
        means: float32 of shape (c, d), of unit length: the mean of each class.
        held_out: float32 of shape (m,), ascending: the highest cosine to a mean of each held-out example. Empty where
            none could be held out.
    """

    means: NDArray[np.float32]
    held_out: NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Fitted:
    """A trained head.

    Attributes:
        classes: labels, ascending; `VALUE_CLASS` alone where it answers numbers.
        counts: int64 of shape (c,), examples of each.
        recipe: what it was trained from, never AUTO.
        strength: the recipe's.
        balance_classes: see `TrainingOptions`.
        decision: embeddings to logits, or to the number.
        temperature: what logits are divided by before the softmax, or before the sigmoid of several labels.
        abstain_error: the error that answers shall stay below; 0 to answer always.
        abstain_threshold: the lowest probability of an answer; 0 for always answering, above 1 for never.
        coverage: how often label sets shall hold the true label.
        set_quantile: a label set holds the labels whose probability reaches this; all of them where it is 0, and none
            where none is likely enough.
        scope: tells inputs that are unlike the examples.
        moments: what exact recipes keep; None for others. Of numbers, see `regression.sums`.
        trials: what was tried.
        held_out_accuracy: cross-validated; None where nothing could be held out.
        train_accuracy: on the examples themselves; None where there were none at hand, as after a merge.
        task: what it answers. With several labels, accuracy is the share of inputs whose labels are all right; numbers
            have none.
        thresholds: of several labels, float64 of shape (c,): an input has those whose probability reaches them. Else
            None.
        margin: of numbers, how far the true one is from the prediction at most, as often as `coverage` says. None where
            there are too few examples to say, and for other tasks.
        scaling: what is done to each embedding before `decision`, `scope` and the sums see it; never AUTO.
        whiten: whether the recipe saw whitened embeddings. They are whitened within `decision`.
        target: sums over unlabelled inputs that the head is adapted to, as if they were of one class; None where there
            are none. `decision` and `scope` are of examples as `alignment` moves them, `moments` of those that were
            given.
    """

    classes: tuple[str, ...]
    counts: NDArray[np.int64]
    recipe: Recipe
    strength: float
    balance_classes: bool
    decision: Decision
    temperature: float
    abstain_error: float
    abstain_threshold: float
    coverage: float
    set_quantile: float
    scope: Scope
    moments: Moments | None
    trials: tuple[Trial, ...]
    held_out_accuracy: float | None
    train_accuracy: float | None
    task: Task = Task.CLASS
    thresholds: NDArray[np.float64] | None = None
    margin: float | None = None
    scaling: FeatureScaling = FeatureScaling.NONE
    whiten: bool = False
    target: Moments | None = None

    @property
    def dimensions(self) -> int:
        """Of the embeddings it takes."""
        return int(self.scope.means.shape[1])

    @property
    def keeps_moments(self) -> bool:
        """Whether updates and merges are exact."""
        return self.moments is not None
