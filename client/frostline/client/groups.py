"""How heads fare by group, and what thresholds of their own would do for groups."""

from collections.abc import Mapping
from dataclasses import dataclass

from frostline.client.predictions import Interval


@dataclass(frozen=True, slots=True)
class GroupEvaluation:
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


@dataclass(frozen=True, slots=True)
class GroupAnswers:
    """What a threshold makes of a group.

    Attributes:
        share: the share of its examples that are answered.
        accuracy: of the answers; None where there are none.
    """

    share: float
    accuracy: float | None


@dataclass(frozen=True, slots=True)
class GroupThreshold:
    """A threshold of a group's own: take a prediction of that group as abstained where its probability is lower.

    Attributes:
        group: its name.
        threshold: the lowest probability of an answer; 2 for never answering.
        before: with the head's threshold, on examples that none was chosen on.
        after: with this one, on the same.
    """

    group: str
    threshold: float
    before: GroupAnswers
    after: GroupAnswers


@dataclass(frozen=True, slots=True)
class GroupMitigation:
    """Thresholds that make answers as good in every group: chosen on half of the examples, measured on the others.

    Attributes:
        error: that answers stay below in each group: the head's `abstain_error`; where that is 0, the error of the best
            group.
        thresholds: by group.
        gap_before: accuracy of answers in the best group less that in the worst, with the head's threshold; None where
            fewer than two groups have answers.
        gap_after: the same, with the thresholds of the groups.
    """

    error: float
    thresholds: tuple[GroupThreshold, ...]
    gap_before: Interval | None
    gap_after: Interval | None


@dataclass(frozen=True, slots=True)
class GroupComparison:
    """How groups of examples fared.

    Attributes:
        groups: by name.
        best: the group of the highest accuracy.
        worst: that of the lowest.
        gap: accuracy of the best less that of the worst, with the interval of the difference between these two.
        p_value: how often the gap would be as large if chance alone had put examples into groups.
        mitigation: thresholds that would close it.
        small: groups of fewer than 10 examples, and how many each has: they are not judged, and no figure here counts
            them.
    """

    groups: tuple[GroupEvaluation, ...]
    best: str
    worst: str
    gap: Interval
    p_value: float
    mitigation: GroupMitigation
    small: Mapping[str, int]
