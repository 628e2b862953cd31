"""Puts the report together from what each side had right."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from frostline.server.heads.transfer import curves, significance
from frostline.server.heads.transfer.draws import Shots
from frostline.server.heads.transfer.report import (
    Baseline,
    Cost,
    Growth,
    LabelSaving,
    Point,
    Seconds,
    Split,
    TransferReport,
)
from frostline.server.heads.transfer.resampling import accuracies, interval
from frostline.server.heads.transfer.verdict import decided


@dataclass(frozen=True, slots=True, eq=False)
class Measured:
    """What was measured; what is not said here is as in `TransferReport`.

    Attributes:
        shots: p numbers of shots, ascending; the last is everything.
        right: bool of shape (2 sides, p, r draws, m held-out examples): whether the head, and scratch, had them right.
    """

    encoder: str
    recipe: str
    classes: tuple[str, ...]
    split: Split
    baselines: tuple[Baseline, ...]
    shots: Sequence[Shots]
    right: NDArray[np.bool_]
    seconds: Seconds
    cost: Cost
    measured_seconds: float


def summarized(measured: Measured) -> TransferReport:
    """The report."""
    examples = np.array([shots.examples for shots in measured.shots])
    found = accuracies(measured.right)
    head, scratch = found[:, 0], found[:, 1]
    differences = head - scratch
    points = _points(measured, found)
    significant = np.array([max(point.bootstrap_p, point.mcnemar_p) < significance.LEVEL for point in points])
    crossover = curves.crossover(differences[0], significant, examples)
    average = interval(curves.average(differences, examples))
    saving = label_saving(head, scratch, examples)
    verdict, reason = decided(average, points, saving, crossover)
    laws = curves.power_laws(head, examples), curves.power_laws(scratch, examples)
    return TransferReport(
        verdict=verdict,
        reason=reason,
        encoder=measured.encoder,
        recipe=measured.recipe,
        classes=measured.classes,
        split=measured.split,
        baselines=measured.baselines,
        draws=measured.right.shape[2],
        points=points,
        higher_start=interval(differences[:, 0]),
        average=average,
        head_slope=interval(curves.slope(head, examples)),
        scratch_slope=interval(curves.slope(scratch, examples)),
        head_growth=_growth(laws[0]),
        scratch_growth=_growth(laws[1]),
        higher_asymptote=interval(laws[0].a - laws[1].a) if laws[0] and laws[1] else None,
        label_saving=saving,
        crossover=crossover,
        seconds=measured.seconds,
        cost=measured.cost,
        measured_seconds=measured.measured_seconds,
    )


def label_saving(head: NDArray[np.float64], scratch: NDArray[np.float64], examples: NDArray[np.int64]) -> LabelSaving:
    """How many times fewer labels the head needs.

    Args:
        head: float64 of shape (b, p): accuracies as they are, and as they might have been.
        scratch: the same of learning from scratch.
        examples: int64 of shape (p,).
    """
    wanted = np.minimum(head[:, -1], scratch[:, -1])
    by_head, by_scratch = (curves.needed(side, examples, wanted) for side in (head, scratch))
    return LabelSaving(
        factor=interval(by_scratch / by_head),
        accuracy=float(wanted[0]),
        head_examples=float(by_head[0]),
        scratch_examples=float(by_scratch[0]),
        at_least=bool(head[0, 0] >= wanted[0]),
        at_most=bool(scratch[0, 0] >= wanted[0]),
    )


def _points(measured: Measured, found: NDArray[np.float64]) -> tuple[Point, ...]:
    """All points.

    Args:
        measured: what was measured.
        found: float64 of shape (b, 2 sides, p), accuracies as they are and as they might have been.
    """
    last = len(measured.shots) - 1
    head, scratch = measured.right
    only_head, only_scratch = (head & ~scratch).sum(axis=2), (scratch & ~head).sum(axis=2)  # (p, r)
    by_bootstrap = [significance.bootstrap_p(found[1:, 0, place] - found[1:, 1, place]) for place in range(last + 1)]
    by_mcnemar = [
        # Draws of everything are one and the same.
        significance.mcnemar_p(*(each[place, : 1 if place == last else None] for each in (only_head, only_scratch)))
        for place in range(last + 1)
    ]
    corrected = [significance.holm(np.array(each)).tolist() for each in (by_bootstrap, by_mcnemar)]
    return tuple(
        Point(
            shots=shots.each,
            examples=shots.examples,
            everything=place == last,
            head=interval(found[:, 0, place]),
            scratch=interval(found[:, 1, place]),
            difference=interval(found[:, 0, place] - found[:, 1, place]),
            head_draws=tuple(head[place].mean(axis=1).tolist()),
            scratch_draws=tuple(scratch[place].mean(axis=1).tolist()),
            bootstrap_p=corrected[0][place],
            mcnemar_p=corrected[1][place],
            only_head_right=float(only_head[place].mean()),
            only_scratch_right=float(only_scratch[place].mean()),
        )
        for place, shots in enumerate(measured.shots)
    )


def _growth(laws: curves.PowerLaws | None) -> Growth | None:
    return None if laws is None else Growth(asymptote=interval(laws.a), b=float(laws.b[0]), c=float(laws.c[0]))
