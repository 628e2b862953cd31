"""What heads say, and how far it can be trusted."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from math import isnan
from typing import TYPE_CHECKING, NamedTuple, cast, overload

import numpy as np
from numpy.typing import NDArray

from frostline.client.types import ItemError, Timings

if TYPE_CHECKING:
    from frostline.client.groups import GroupComparison


@dataclass(frozen=True, slots=True)
class Prediction:
    """What a head says of one input.

    Attributes:
        label: the likeliest class, also where the head abstains; empty for an input that failed.
        probability: how likely it is.
        abstained: whether the head is not sure enough to answer. An input that failed counts as abstained.
        out_of_scope: how unlike the training examples the input is, from 0 to 1: the share of them, held out, that were
            more like the others than it is.
        label_set: the labels that hold the true one as often as the head's `coverage` says, likeliest first. Of a head
            that answers several labels, those that the input is given.
        ranked: the likeliest classes and their probabilities, as many as were asked for.
        value: the number, of a head that answers numbers; `label` is empty then. None of others.
        interval: the two ends between which the true number lies as often as the head's `coverage` says; None where
            the head had too few examples to say.
    """

    label: str
    probability: float
    abstained: bool
    out_of_scope: float
    label_set: tuple[str, ...]
    ranked: tuple[tuple[str, float], ...]
    value: float | None = None
    interval: tuple[float, float] | None = None


_FAILED = Prediction("", 0.0, True, 1.0, (), ())


class _Lists(NamedTuple):
    places: list[list[int]]
    probabilities: list[list[float]]
    abstained: list[bool]
    out_of_scope: list[float]
    set_places: list[int]
    set_ends: list[int]
    values: list[float]


class Predictions(Sequence[Prediction]):
    """What a head says of n inputs; `predictions[i]` is about input i.

    `Prediction` objects are made when they are looked at; columns are there at once.

    Attributes:
        classes: labels of the head, by label.
        places: int32 of shape (n, k): the k likeliest classes of each input, as places in `classes`; -1 for failed
            inputs.
        probabilities: float32 of shape (n, k): how likely these are.
        abstained: bool of shape (n,).
        out_of_scope: float32 of shape (n,).
        set_sizes: int32 of shape (n,): how many labels each label set has.
        set_places: int32: the label sets one after the other, as places in `classes`.
        values: float64 of shape (n,): numbers, of a head that answers those; nan of others, and for failed inputs.
        margin: half the width of intervals; None where there are none.
        errors: the inputs that failed, by index.
        version: the version of the head that predicted.
        timings: where the server's time went.
    """

    def __init__(
        self,
        classes: Sequence[str],
        places: NDArray[np.int32],
        probabilities: NDArray[np.float32],
        abstained: NDArray[np.bool_],
        out_of_scope: NDArray[np.float32],
        set_sizes: NDArray[np.int32],
        set_places: NDArray[np.int32],
        values: NDArray[np.float64] | None = None,
        *,
        margin: float | None = None,
        errors: Mapping[int, ItemError],
        version: int,
        timings: Timings,
    ) -> None:
        self.classes = classes
        self.places = places
        self.probabilities = probabilities
        self.abstained = abstained
        self.out_of_scope = out_of_scope
        self.set_sizes = set_sizes
        self.set_places = set_places
        self.values = np.full(len(places), np.nan) if values is None else values
        self.margin = margin
        self.errors = dict(errors)
        self.version = version
        self.timings = timings

    @property
    def labels(self) -> list[str]:
        """The likeliest class of each input; empty for those that failed."""
        return [self.classes[places[0]] if places[0] >= 0 else "" for places in self._lists.places]

    def __len__(self) -> int:
        return len(self.places)

    @overload
    def __getitem__(self, index: int) -> Prediction: ...

    @overload
    def __getitem__(self, index: slice) -> list[Prediction]: ...

    def __getitem__(self, index: int | slice) -> Prediction | list[Prediction]:
        if isinstance(index, slice):
            return [self[place] for place in range(len(self))[index]]
        places, probabilities, abstained, out_of_scope, sets, ends, values = self._lists
        index = range(len(self))[index]
        if places[index][0] < 0:
            return _FAILED if isnan(values[index]) else self._number(values[index], out_of_scope[index])
        ranked = [(self.classes[place], p) for place, p in zip(places[index], probabilities[index], strict=True)]
        label_set = [self.classes[place] for place in sets[ends[index] : ends[index + 1]]]
        label, probability = ranked[0]
        return Prediction(label, probability, abstained[index], out_of_scope[index], tuple(label_set), tuple(ranked))

    def _number(self, value: float, out_of_scope: float) -> Prediction:
        interval = None if self.margin is None else (value - self.margin, value + self.margin)
        return Prediction("", 0.0, False, out_of_scope, (), (), value, interval)

    @cached_property
    def _lists(self) -> "_Lists":
        # Made when something is looked at first: lists give their items several times as fast as arrays do.
        return _Lists(
            self.places.tolist(),
            self.probabilities.tolist(),
            self.abstained.tolist(),
            self.out_of_scope.tolist(),
            self.set_places.tolist(),
            [0, *np.cumsum(self.set_sizes).tolist()],
            self.values.tolist(),
        )

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and list(self) == list(cast("Sequence[object]", other))

    def __repr__(self) -> str:
        failed = f", {len(self.errors)} failed" if self.errors else ""
        return f"<Predictions of {len(self)} inputs{failed}>"


@dataclass(frozen=True, slots=True)
class PredictedRecords:
    """What became of the records of a collection that a head was to label, or to give numbers.

    Attributes:
        version: the version that predicted.
        written_count: records whose payload was changed.
        unchanged_count: records whose payload held just that already, as after an earlier call that was broken off.
        unlabelled_count: of both, those without a label: the head abstains, or of several labels none is likely enough.
        skipped_count: records without the vector.
        failed_count: records that could not be written.
        failure: why the first of these could not; empty where there are none.
        labels: how many records have each label, most frequent first; empty of numbers.
        sequence: the commit that holds the last change; reads may wait for it with `min_sequence`.
    """

    version: int
    written_count: int
    unchanged_count: int
    unlabelled_count: int
    skipped_count: int
    failed_count: int
    failure: str
    labels: Mapping[str, int]
    sequence: int


@dataclass(frozen=True, slots=True)
class Interval:
    """A figure, and how far off it may be by chance.

    Attributes:
        value: the figure.
        low: the lower end of its 95 % interval.
        high: the upper end.
    """

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class ClassEvaluation:
    """How a class fared.

    Attributes:
        label: its label.
        support: examples of it.
        precision: of those predicted so, the share that are.
        recall: of those that are, the share predicted so.
        f1: their harmonic mean.
    """

    label: str
    support: int
    precision: float
    recall: float
    f1: float


@dataclass(frozen=True, slots=True)
class ValueEvaluation:
    """How a head that answers numbers fared.

    Attributes:
        mean_absolute_error: in the unit of the numbers.
        root_mean_squared_error: in the unit of the numbers.
        explained: R squared, the share of the variance here that the head explains; below 0 where the mean of these
            examples would do better. None where all numbers are the same.
        coverage: the share of examples whose number lies in its interval; None where the head gives none.
        margin: half the width of intervals; None where the head gives none.
    """

    mean_absolute_error: Interval
    root_mean_squared_error: Interval
    explained: Interval | None
    coverage: float | None
    margin: float | None


@dataclass(frozen=True, slots=True)
class Evaluation:
    """How a head fared on examples it had not seen.

    An example of a class that the head does not know is an error, and no label set holds its label.

    Attributes:
        version: the version that was judged.
        example_count: examples judged.
        accuracy: the share predicted right; of several labels, of examples whose labels are all right. Of numbers this
            and `macro_f1` are nan, and `value` says how the head fared.
        macro_f1: the mean F1 of classes that an example is of.
        calibration_error: expected calibration error, 15 bins of equal width.
        log_loss: mean over the examples of known classes, in nats; None where there are none.
        overfitting_gap: accuracy on the training examples less accuracy here; None where the former is not known.
        abstain_auroc: area under the ROC of probability against being right; None where all are right or all wrong.
        abstained_share: the share of examples it abstains from.
        answered_accuracy: accuracy on the others; None where there are none.
        set_coverage: the share of label sets that hold the true label.
        mean_set_size: mean size of a label set.
        classes: the classes of the head and of the examples, by label.
        confusion: int64 of shape (c, c): true by predicted, both in the order of `classes`; of shape (0, 0) where these
            are more than 1,000, and of several labels. No part of equality.
        micro_f1: of several labels, F1 over all labels of all examples; else None.
        hamming_loss: of several labels, the share of all labels of all examples, had or not, that are wrong; else None.
        value: how a head that answers numbers fared; else None.
        groups: the same by group, for heads of classes; None where the examples have none.
        unknown_labels: labels of the examples that the head does not know.
    """

    version: int
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
    confusion: NDArray[np.int64] = field(compare=False)
    micro_f1: Interval | None = None
    hamming_loss: float | None = None
    value: ValueEvaluation | None = None
    groups: "GroupComparison | None" = None
    unknown_labels: tuple[str, ...] = ()

    def most_confused(self, limit: int = 10) -> list[tuple[str, str, int]]:
        """The pairs that are mixed up most: the true label, the predicted one, and how often; most frequent first."""
        counts = np.where(np.eye(len(self.confusion), dtype=bool), 0, self.confusion)
        order: list[int] = np.argsort(-counts, axis=None, kind="stable")[:limit].tolist()
        pairs = (divmod(place, len(counts)) for place in order)
        return [
            (self.classes[true].label, self.classes[predicted].label, int(counts[true, predicted]))
            for true, predicted in pairs
            if counts[true, predicted]
        ]
