"""Judges a head by group: how far apart groups are, whether by chance, and what thresholds of their own would do."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from frostline.server.heads.abstention import answer_threshold
from frostline.server.heads.calibration import expected_calibration_error
from frostline.server.heads.confusion import Confusion
from frostline.server.heads.fitted import Fitted
from frostline.server.heads.groups import Groups
from frostline.server.heads.interval import Interval

_SEED = 0
_DRAWS = 10_000
_ENDS = (2.5, 97.5)


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class GroupEvaluation(_Frozen):
    """How a group fared.

    Attributes:
        group: its name.
        example_count: how many examples are in it.
        accuracy: the share predicted right.
        macro_f1: the mean F1 of classes that an example of the group is of.
        calibration_error: expected calibration error, 15 bins of equal width.
        abstained_share: the share that the head abstains from.
        answered_accuracy: accuracy on the others; None where there are none.
        set_coverage: the share of label sets that hold the true label.
    """

    group: str
    example_count: int
    accuracy: Interval
    macro_f1: Interval
    calibration_error: float
    abstained_share: float
    answered_accuracy: float | None
    set_coverage: float


class Answered(_Frozen):
    """What a threshold makes of a group.

    Attributes:
        share: the share of its examples that are answered.
        accuracy: of the answers; None where there are none.
    """

    share: float
    accuracy: float | None


class GroupThreshold(_Frozen):
    """A threshold of a group's own.

    Attributes:
        group: its name.
        threshold: the lowest probability of an answer; 2 for never answering.
        before: with the head's threshold, on examples that none was chosen on.
        after: with this one, on the same.
    """

    group: str
    threshold: float
    before: Answered
    after: Answered


class Mitigation(_Frozen):
    """Thresholds that make answers as good in every group: chosen on half of the examples, measured on the others.

    Attributes:
        error: that answers stay below in each group: the head's, or where it answers always, that of the best group.
        thresholds: by group.
        gap_before: accuracy of answers in the best group less that in the worst, with the head's threshold; None where
            fewer than two groups have answers.
        gap_after: the same, with theirs.
    """

    error: float
    thresholds: tuple[GroupThreshold, ...]
    gap_before: Interval | None
    gap_after: Interval | None


class SmallGroup(_Frozen):
    """A group that is too small to be judged.

    Attributes:
        group: its name.
        example_count: how many examples are in it.
    """

    group: str
    example_count: int


class GroupComparison(_Frozen):
    """How groups fared.

    Attributes:
        groups: by name.
        best: the group of the highest accuracy.
        worst: that of the lowest.
        gap: accuracy of the best less that of the worst; a bootstrap interval of the difference between these two.
        p_value: how often the gap would be as large if chance alone had put examples into groups.
        mitigation: thresholds that would close it.
        small: groups too small to be judged, by name. All other figures leave their examples out.
    """

    groups: tuple[GroupEvaluation, ...]
    best: str
    worst: str
    gap: Interval
    p_value: float
    mitigation: Mitigation
    small: tuple[SmallGroup, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Answers:
    """What a head says of n examples.

    Attributes:
        true: int64 of shape (n,), places among all classes.
        predicted: int64 of shape (n,), likewise.
        confidence: float64 of shape (n,), the probability of the predicted class.
        covered: bool of shape (n,), whether the label set holds the true label.
    """

    true: NDArray[np.int64]
    predicted: NDArray[np.int64]
    confidence: NDArray[np.float64]
    covered: NDArray[np.bool_]

    @property
    def right(self) -> NDArray[np.bool_]:
        """Whether each is predicted right: bool of shape (n,)."""
        right: NDArray[np.bool_] = self.true == self.predicted
        return right

    def rows(self, chosen: NDArray[np.bool_]) -> "Answers":
        """Those of some examples: `chosen` is bool of shape (n,)."""
        return Answers(self.true[chosen], self.predicted[chosen], self.confidence[chosen], self.covered[chosen])


def compare(answers: Answers, groups: Groups, fitted: Fitted) -> GroupComparison:
    """Judges by group.

    Args:
        answers: of n examples.
        groups: of the same.
        fitted: the head that answered.
    """
    judged = groups.members >= 0
    answers, groups = answers.rows(judged), replace(groups, members=groups.members[judged])
    found = tuple(
        _evaluation(answers, groups.members == place, name, fitted.abstain_threshold)
        for place, name in enumerate(groups.names)
    )
    sizes = np.bincount(groups.members)
    rights = np.bincount(groups.members[answers.right], minlength=len(sizes))
    shares = rights / sizes
    best, worst = int(shares.argmax()), int(shares.argmin())
    return GroupComparison(
        groups=found,
        best=groups.names[best],
        worst=groups.names[worst],
        gap=_difference((rights[best], sizes[best]), (rights[worst], sizes[worst])),
        p_value=_chance(rights, sizes),
        mitigation=_mitigation(answers, groups, fitted),
        small=tuple(SmallGroup(group=name, example_count=count) for name, count in groups.small.items()),
    )


def _evaluation(answers: Answers, chosen: NDArray[np.bool_], name: str, threshold: float) -> GroupEvaluation:
    right, confidence = answers.right[chosen], answers.confidence[chosen]
    classes = 1 + int(max(answers.true.max(), answers.predicted.max()))
    confusion = Confusion.of(answers.true[chosen], answers.predicted[chosen], classes)
    values = confusion.scores(confusion.counts[np.newaxis])[0].tolist()
    lows, highs = confusion.score_intervals().tolist()
    accuracy, macro_f1 = (
        Interval(value=value, low=low, high=high) for value, low, high in zip(values, lows, highs, strict=True)
    )
    answered = _answered(right, confidence, threshold)
    return GroupEvaluation(
        group=name,
        example_count=len(right),
        accuracy=accuracy,
        macro_f1=macro_f1,
        calibration_error=expected_calibration_error(confidence, right),
        abstained_share=1 - answered.share,
        answered_accuracy=answered.accuracy,
        set_coverage=float(answers.covered[chosen].mean()),
    )


def _answered(right: NDArray[np.bool_], confidence: NDArray[np.float64], threshold: float) -> Answered:
    answered = confidence >= threshold
    accuracy = float(right[answered].mean()) if answered.any() else None
    return Answered(share=float(answered.mean()), accuracy=accuracy)


def _difference(first: tuple[int, int], second: tuple[int, int]) -> Interval:
    """The difference of two shares, each (part, whole), and its percentile bootstrap interval.

    To draw the examples of a group again with replacement is to draw how many are right from a binomial distribution.
    """
    draw = np.random.default_rng(_SEED)
    shares = [part / whole for part, whole in (first, second)]
    drawn = [
        draw.binomial(whole, share, _DRAWS) / whole for (_, whole), share in zip((first, second), shares, strict=True)
    ]
    low, high = np.percentile(drawn[0] - drawn[1], _ENDS).tolist()
    return Interval(value=shares[0] - shares[1], low=low, high=high)


def _chance(rights: NDArray[np.int64], sizes: NDArray[np.int64]) -> float:
    """How often groups of these sizes are as far apart where members are drawn at random: a permutation test.

    To put all examples into groups at random is to draw how many right ones fall to each from a multivariate
    hypergeometric distribution.

    Source: Phipson and Smyth 2010, Permutation p-values should never be zero.
    """
    draw = np.random.default_rng(_SEED)
    drawn = draw.multivariate_hypergeometric(sizes, int(rights.sum()), _DRAWS, method="marginals") / sizes
    rounding = 1e-12
    as_far = np.ptp(drawn, axis=1) >= np.ptp(rights / sizes) - rounding
    return float((1 + as_far.sum()) / (1 + _DRAWS))


def _mitigation(answers: Answers, groups: Groups, fitted: Fitted) -> Mitigation:
    chosen = _halves(groups)
    right, confidence, members = answers.right, answers.confidence, groups.members
    error = fitted.abstain_error or _best_error(right[chosen], members[chosen])
    thresholds: list[GroupThreshold] = []
    before: list[tuple[int, int]] = []
    after: list[tuple[int, int]] = []
    for place, name in enumerate(groups.names):
        learned, held_out = chosen & (members == place), ~chosen & (members == place)
        threshold = answer_threshold(confidence[learned], right[learned], error)
        own = right[held_out], confidence[held_out]
        thresholds.append(
            GroupThreshold(
                group=name,
                threshold=threshold,
                before=_answered(*own, fitted.abstain_threshold),
                after=_answered(*own, threshold),
            )
        )
        before.append(_counts(*own, fitted.abstain_threshold))
        after.append(_counts(*own, threshold))
    return Mitigation(error=error, thresholds=tuple(thresholds), gap_before=_gap(before), gap_after=_gap(after))


def _halves(groups: Groups) -> NDArray[np.bool_]:
    """Half of each group, drawn at random; the same groups give the same halves."""
    order = np.random.default_rng(_SEED).permutation(len(groups.members))
    chosen = np.zeros(len(order), np.bool_)
    for place in range(len(groups.names)):
        own = order[groups.members[order] == place]
        chosen[own[: len(own) // 2]] = True
    return chosen


def _best_error(right: NDArray[np.bool_], members: NDArray[np.int64]) -> float:
    """The error of the group with the fewest, with one more wrong, as `answer_threshold` counts."""
    sizes = np.bincount(members)
    wrong = np.bincount(members[~right], minlength=len(sizes))
    return float(((wrong + 1) / (sizes + 1)).min())


def _counts(right: NDArray[np.bool_], confidence: NDArray[np.float64], threshold: float) -> tuple[int, int]:
    answered = confidence >= threshold
    return int(right[answered].sum()), int(answered.sum())


def _gap(counts: list[tuple[int, int]]) -> Interval | None:
    """Between the highest and the lowest share of right answers, of groups that have answers."""
    ranked = sorted((each for each in counts if each[1]), key=lambda each: each[0] / each[1])
    return _difference(ranked[-1], ranked[0]) if len(ranked) > 1 else None
