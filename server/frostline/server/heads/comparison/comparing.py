"""Compares what encoders make of the same labelled examples."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from frostline.server.heads.comparison.distance import separability, transfer
from frostline.server.heads.comparison.evidence import log_evidence
from frostline.server.heads.comparison.h_score import h_score
from frostline.server.heads.comparison.neighbors import of_neighbors
from frostline.server.heads.comparison.report import Comparison, Standing
from frostline.server.heads.comparison.resampling import Resampled
from frostline.server.heads.comparison.ridge import LeftOut, leave_one_out
from frostline.server.heads.comparison.spectrum import Spectrum
from frostline.server.heads.interval import Interval
from frostline.server.heads.labelled import Labelled
from frostline.server.report import Report

Seen = NDArray[np.float32] | None
"""float32 of shape (m, d), embeddings of what an encoder has seen; None where nothing is known."""


def compare(candidates: Iterable[Callable[[], tuple[Labelled, Seen]]], count: int, report: Report) -> Comparison:
    """Ranks candidates by what ridge says of each example when it has learned from all the others.

    Args:
        candidates: each reads the examples as one candidate embeds them, all of them in one order and with the same
            labels; one after the other is held in memory. At least two classes, one of them with two examples.
        count: how many there are, at least one.
        report: told how far it is.
    """
    measured: list[_Measured] = []
    for place, read in enumerate(candidates):
        report("comparing", place / count)
        measured.append(_measured(*read()))
    right = Resampled(np.stack([each.right for each in measured]))
    order = sorted(range(count), key=lambda place: (-int(measured[place].right.sum()), measured[place].left_out.error))
    first = measured[0]
    return Comparison(
        example_count=len(first.right),
        class_count=first.left_out.scores.shape[1],
        standings=tuple(_standing(place, order[0], measured[place], right) for place in order),
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Measured:
    """What is known of a candidate alone.

    Attributes:
        right: bool of shape (n,), whether ridge has each example right.
        left_out: what ridge says of them.
        log_evidence: see `Standing`; so are the others.
    """

    right: NDArray[np.bool_]
    left_out: LeftOut
    log_evidence: float
    h_score: float
    neighbor_accuracy: float
    separability: Interval | None


def _measured(labelled: Labelled, seen: Seen) -> _Measured:
    targets, classes = labelled.targets, len(labelled.classes)
    spectrum = Spectrum.of(labelled.features)
    left_out = leave_one_out(spectrum, targets, classes)
    return _Measured(
        right=left_out.scores.argmax(axis=1) == targets,
        left_out=left_out,
        log_evidence=log_evidence(spectrum, targets, classes),
        h_score=h_score(spectrum, targets, classes),
        neighbor_accuracy=float((of_neighbors(labelled.features, targets, classes) == targets).mean()),
        separability=None if seen is None else separability(labelled.features, seen),
    )


def _standing(place: int, best: int, measured: _Measured, right: Resampled) -> Standing:
    behind = right.difference(best, place)
    return Standing(
        candidate=place,
        accuracy=right.share(place),
        behind=behind,
        tied=behind.low <= 0,
        penalty=measured.left_out.penalty,
        log_evidence=measured.log_evidence,
        h_score=measured.h_score,
        neighbor_accuracy=measured.neighbor_accuracy,
        separability=measured.separability,
        transfer=None if measured.separability is None else transfer(measured.separability),
    )
