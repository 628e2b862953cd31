"""The verdict on an encoder, and the sentence that says why."""

from collections.abc import Sequence

from frostline.server.heads.interval import Interval
from frostline.server.heads.transfer.report import LabelSaving, Point, Verdict

ALIKE = 0.01
"""Differences within one point are no difference that matters."""


def decided(
    average: Interval, points: Sequence[Point], saving: LabelSaving, crossover: float | None
) -> tuple[Verdict, str]:
    """The verdict.

    Rule 1: where one side is better with few examples and the other with many, there is no verdict for both.
    Rule 2: the mean difference decides. Inside one point with its whole interval it is neutral, above or below 0 with
    its whole interval positive or negative.
    Rule 3: what else there is, is inconclusive.

    Args:
        average: mean difference over the logarithm of the number of examples.
        points: by shots, ascending.
        saving: of labels.
        crossover: where the curves cross, if they do.
    """
    span = (
        f"{_points(average.value)} points on average (95 % interval {_points(average.low)} to {_points(average.high)})"
    )
    fewest, most = points[0].examples, points[-1].examples
    if crossover is not None:
        few, many = (
            ("the head", "learning from scratch")
            if points[-1].difference.value < 0
            else ("learning from scratch", "the head")
        )
        return Verdict.INCONCLUSIVE, (
            f"With fewer than about {crossover:.0f} examples {few} is better, with more {many}: which one is worth "
            "having depends on how many there will be."
        )
    if -ALIKE < average.low and average.high < ALIKE:
        return Verdict.NEUTRAL, f"From {fewest} to {most} examples the encoder changes {span}, less than one point."
    if average.low > 0:
        return Verdict.POSITIVE, f"From {fewest} to {most} examples the encoder gains {span}{_saved(saving)}."
    if average.high < 0:
        return (
            Verdict.NEGATIVE,
            f"From {fewest} to {most} examples the encoder loses {span}; learn from scratch instead.",
        )
    return Verdict.INCONCLUSIVE, (
        f"From {fewest} to {most} examples the encoder changes {span}, which may be chance: more held-out examples "
        "would tell."
    )


def _saved(saving: LabelSaving) -> str:
    bound = "at least " if saving.at_least else ""
    return f", and reaches {100 * saving.accuracy:.1f} % with {bound}{saving.factor.value:.1f} times fewer labels"


def _points(share: float) -> str:
    return f"{100 * share:+.1f}"
