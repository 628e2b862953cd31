"""Judges a head on labelled examples it has not seen."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from frostline.server.heads.calibration import expected_calibration_error, probabilities
from frostline.server.heads.conformal import label_sets
from frostline.server.heads.confusion import Confusion, share
from frostline.server.heads.fitted import Fitted
from frostline.server.heads.group_evaluation import Answers, GroupComparison, compare
from frostline.server.heads.groups import Groups
from frostline.server.heads.interval import Interval
from frostline.server.heads.labelled import Labelled

MAX_CONFUSION_CLASSES = 1_000
"""With more classes, no confusion matrix is given: it would be a million counts and more, nearly all of them 0."""
_PROBABILITIES_AT_ONCE = 1 << 23


class ClassEvaluation(BaseModel):
    """How a class fared; shares of nothing are 0.

    Attributes:
        label: the class.
        support: examples of it.
        precision: of those predicted so, the share that are.
        recall: of those that are, the share predicted so.
        f1: their harmonic mean.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    label: str
    support: int
    precision: float
    recall: float
    f1: float


class Evaluation(BaseModel):
    """How a head fared on n examples.

    An example of a class that the head does not know is an error, and no label set holds its label.

    Attributes:
        example_count: n.
        accuracy: the share predicted right.
        macro_f1: the mean F1 of classes that an example is of.
        calibration_error: expected calibration error, 15 bins of equal width.
        log_loss: mean over the examples of known classes, in nats; None where there are none.
        overfitting_gap: accuracy on the training examples less accuracy here; None where the former is not known.
        abstain_auroc: area under the ROC of probability against being right; None where all are right or all wrong.
        abstained_share: the share that the head abstains from.
        answered_accuracy: accuracy on the others; None where there are none.
        set_coverage: the share of label sets that hold the true label.
        mean_set_size: labels in a label set.
        classes: the classes of the head and of the examples, by label.
        confusion: row-major counts, true by predicted, both in the order of `classes`; empty where these are more than
            1,000.
        groups: the same by group; None where no groups were given.
        unknown_labels: of examples, those that the head does not know, ascending.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    example_count: int
    accuracy: Interval
    macro_f1: Interval
    calibration_error: float
    log_loss: float | None
    overfitting_gap: float | None
    abstain_auroc: float | None
    abstained_share: float
    answered_accuracy: float | None
    set_coverage: float
    mean_set_size: float
    classes: tuple[ClassEvaluation, ...]
    confusion: tuple[int, ...]
    groups: GroupComparison | None = None
    unknown_labels: tuple[str, ...] = ()


def evaluate(fitted: Fitted, labelled: Labelled, groups: Groups | None = None) -> Evaluation:
    """Judges a head.

    Args:
        fitted: the head.
        labelled: at least one example, of any classes, in the head's space.
        groups: of the examples, which are then judged by group too.
    """
    answers = _answers(fitted, labelled)
    classes = tuple(sorted({*fitted.classes, *labelled.classes}))
    true = _places(labelled.classes, classes)[labelled.targets]
    predicted = _places(fitted.classes, classes)[answers.predicted]
    confusion = Confusion.of(true, predicted, len(classes))
    told = Answers(true, predicted, answers.confidence, answers.covered)
    accuracy, macro_f1 = _scores(confusion)
    answered = answers.confidence >= fitted.abstain_threshold
    known = answers.likelihood[~np.isnan(answers.likelihood)]
    return Evaluation(
        example_count=len(labelled.targets),
        accuracy=accuracy,
        macro_f1=macro_f1,
        calibration_error=expected_calibration_error(answers.confidence, answers.right),
        log_loss=_mean(-np.log(np.maximum(known, np.finfo(np.float64).eps))),
        overfitting_gap=None if fitted.train_accuracy is None else fitted.train_accuracy - accuracy.value,
        abstain_auroc=_area_under_roc(answers.confidence, answers.right),
        abstained_share=float(np.mean(~answered)),
        answered_accuracy=_mean(answers.right[answered]),
        set_coverage=float(np.mean(answers.covered)),
        mean_set_size=float(np.mean(answers.set_size)),
        classes=_table(confusion, classes),
        confusion=tuple(confusion.table().ravel().tolist()) if len(classes) <= MAX_CONFUSION_CLASSES else (),
        groups=None if groups is None else compare(told, groups, fitted),
        unknown_labels=tuple(sorted({*labelled.classes} - {*fitted.classes})),
    )


class _Answers(NamedTuple):
    """What the head says of n examples.

    Attributes:
        predicted: int64 of shape (n,), places among the head's classes.
        confidence: float64 of shape (n,), the probability of the predicted class.
        likelihood: float64 of shape (n,), the probability of the true class; nan where the head does not know it.
        right: bool of shape (n,), whether the prediction is.
        covered: bool of shape (n,), whether the label set holds the true label.
        set_size: int64 of shape (n,), labels in the label set.
    """

    predicted: NDArray[np.int64]
    confidence: NDArray[np.float64]
    likelihood: NDArray[np.float64]
    right: NDArray[np.bool_]
    covered: NDArray[np.bool_]
    set_size: NDArray[np.int64]


def _answers(fitted: Fitted, labelled: Labelled) -> _Answers:
    places = {label: place for place, label in enumerate(fitted.classes)}
    targets = np.array([places.get(label, -1) for label in labelled.classes])[labelled.targets]
    step = max(1, _PROBABILITIES_AT_ONCE // len(fitted.classes))
    parts = [
        _answers_at_once(fitted, labelled.features[start : start + step], targets[start : start + step])
        for start in range(0, len(targets), step)
    ]
    return _Answers(*map(np.concatenate, zip(*parts, strict=True)))


def _answers_at_once(fitted: Fitted, features: NDArray[np.float32], targets: NDArray[np.int64]) -> _Answers:
    shares = probabilities(fitted, features)
    in_set = label_sets(shares, fitted.set_quantile)
    known, rows = targets >= 0, np.arange(len(targets))
    predicted = shares.argmax(axis=1)
    return _Answers(
        predicted,
        shares[rows, predicted],
        np.where(known, shares[rows, targets], np.nan),
        predicted == targets,
        known & in_set[rows, targets],
        in_set.sum(axis=1),
    )


def _area_under_roc(confidence: NDArray[np.float64], right: NDArray[np.bool_]) -> float | None:
    """How often the head is surer of a right answer than of a wrong one, ties counted as half.

    Source: Hanley and McNeil 1982 (the area is the statistic of Mann and Whitney).
    """
    positive = int(right.sum())
    negative = len(right) - positive
    if not positive or not negative:
        return None
    _, group, sizes = np.unique(confidence, return_inverse=True, return_counts=True)
    ranks = np.cumsum(sizes) - (sizes - 1) / 2
    return float((ranks[group][right].sum() - positive * (positive + 1) / 2) / (positive * negative))


def _scores(confusion: Confusion) -> tuple[Interval, Interval]:
    values = confusion.scores(confusion.counts[np.newaxis])[0].tolist()
    lows, highs = confusion.score_intervals().tolist()
    accuracy, macro_f1 = (
        Interval(value=value, low=low, high=high) for value, low, high in zip(values, lows, highs, strict=True)
    )
    return accuracy, macro_f1


def _table(confusion: Confusion, classes: tuple[str, ...]) -> tuple[ClassEvaluation, ...]:
    tallies = confusion.tallies(confusion.counts[np.newaxis])
    precision, recall = share(tallies.right, tallies.predicted), share(tallies.right, tallies.true)
    columns = [each[0].tolist() for each in (tallies.true, precision, recall, tallies.f1)]
    return tuple(
        ClassEvaluation(label=label, support=support, precision=precision, recall=recall, f1=f1)
        for label, support, precision, recall, f1 in zip(classes, *columns, strict=True)
    )


def _places(labels: tuple[str, ...], classes: tuple[str, ...]) -> NDArray[np.int64]:
    places = {label: place for place, label in enumerate(classes)}
    return np.array([places[label] for label in labels])


def _mean(values: NDArray[np.float64] | NDArray[np.bool_]) -> float | None:
    return float(values.mean()) if len(values) else None
