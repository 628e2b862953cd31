"""Judges a head of several labels on examples it has not seen."""

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from frostline.server.heads.bootstrap import intervals
from frostline.server.heads.calibration import expected_calibration_error, probabilities
from frostline.server.heads.confusion import share
from frostline.server.heads.evaluation import ClassEvaluation
from frostline.server.heads.fitted import Fitted
from frostline.server.heads.interval import Interval
from frostline.server.heads.labelled import Labelled
from frostline.server.heads.truths import Tagged, marks

_LEAST = np.finfo(np.float64).eps


class LabelsEvaluation(BaseModel):
    """How a head of several labels fared on n examples. A label that it does not know is never given.

    Attributes:
        example_count: n.
        accuracy: the share of examples whose labels are all right.
        macro_f1: the mean F1 of labels that an example has; 0 where none has any.
        micro_f1: F1 over all labels of all examples.
        hamming_loss: the share of all labels of all examples, had or not, that are wrong.
        calibration_error: of the probability that a label is there: expected calibration error, 15 bins.
        log_loss: mean over examples and labels of the head, in nats.
        overfitting_gap: accuracy on the training examples less accuracy here; None where the former is not known.
        set_coverage: the share of examples all of whose labels are given.
        mean_set_size: labels that an example is given.
        classes: the labels of the head and of the examples.
        unknown_labels: of examples, those that the head does not know, ascending.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    example_count: int
    accuracy: Interval
    macro_f1: Interval
    micro_f1: Interval
    hamming_loss: float
    calibration_error: float
    log_loss: float
    overfitting_gap: float | None
    set_coverage: float
    mean_set_size: float
    classes: tuple[ClassEvaluation, ...]
    unknown_labels: tuple[str, ...] = ()


def evaluate(fitted: Fitted, labelled: Labelled) -> LabelsEvaluation:
    """Judges a head.

    Args:
        fitted: the head.
        labelled: at least one example with written labels, in the head's space.
    """
    assert fitted.thresholds is not None, "a head of several labels"
    tagged = Tagged.of(labelled)
    classes = tuple(sorted({*fitted.classes, *tagged.classes}))
    mine, theirs = (
        marks([[label] for label in each], classes).argmax(axis=1) for each in (fitted.classes, tagged.classes)
    )
    there = np.zeros((len(tagged.marks), len(classes)), np.bool_)
    given = np.zeros_like(there)
    there[:, theirs] = tagged.marks
    likely = probabilities(fitted, tagged.features)
    given[:, mine] = likely >= fitted.thresholds
    known = there[:, mine]
    accuracy, macro_f1, micro_f1 = intervals(lambda counts: _scores(counts, given, there), len(given), 2 * len(classes))
    return LabelsEvaluation(
        example_count=len(there),
        accuracy=accuracy,
        macro_f1=macro_f1,
        micro_f1=micro_f1,
        hamming_loss=float((given != there).mean()),
        calibration_error=expected_calibration_error(likely.ravel(), known.ravel()),
        log_loss=float(-np.log(np.maximum(np.where(known, likely, 1 - likely), _LEAST)).mean()),
        overfitting_gap=None if fitted.train_accuracy is None else fitted.train_accuracy - accuracy.value,
        set_coverage=float((given | ~there).all(axis=1).mean()),
        mean_set_size=float(given.sum(axis=1).mean()),
        classes=_table(given, there, classes),
        unknown_labels=tuple(sorted({*tagged.classes} - {*fitted.classes})),
    )


def _scores(counts: NDArray[np.float64], given: NDArray[np.bool_], there: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Accuracy, macro-F1 and micro-F1, of shape (r, 3), for r ways to count the examples; see `intervals`."""
    right, having = counts @ (given & there), counts @ there
    either = counts @ given + having
    f1 = _ratio(2 * right, either)  # 0 for labels that no example has
    exact = counts @ (given == there).all(axis=1) / len(given)
    occurring = np.maximum(1, (having > 0).sum(axis=1))
    return np.stack([exact, f1.sum(axis=1) / occurring, _ratio(2 * right.sum(axis=1), either.sum(axis=1))], axis=1)


def _ratio(part: NDArray[np.float64], whole: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.divide(part, whole, out=np.zeros(part.shape), where=whole > 0)


def _table(given: NDArray[np.bool_], there: NDArray[np.bool_], classes: tuple[str, ...]) -> tuple[ClassEvaluation, ...]:
    right, predicted, support = (each.sum(axis=0) for each in (given & there, given, there))
    columns = support, share(right, predicted), share(right, support), share(2 * right, predicted + support)
    return tuple(
        ClassEvaluation(label=label, support=support, precision=precision, recall=recall, f1=f1)
        for label, support, precision, recall, f1 in zip(classes, *(each.tolist() for each in columns), strict=True)
    )
