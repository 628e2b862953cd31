"""Measures what an encoder is worth: two ways to learn, given the same examples, more and more of them."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from frostline.server.errors import InvalidInput
from frostline.server.heads import examples, fitting
from frostline.server.heads.labelled import Labelled
from frostline.server.heads.orders import MeasureTransfer
from frostline.server.heads.transfer import baselines, contents, cost, summary
from frostline.server.heads.transfer.baselines import Scratch
from frostline.server.heads.transfer.contents import Contents
from frostline.server.heads.transfer.draws import Draws
from frostline.server.heads.transfer.learners import HeadLearner, Learner
from frostline.server.heads.transfer.report import Baseline, Seconds, TransferReport
from frostline.server.heads.transfer.summary import Measured
from frostline.server.report import Report

_LOOKED = 0.1
"""The done share when features are computed and a baseline is chosen."""


def measure(order: MeasureTransfer, report: Report) -> TransferReport:
    """Measures transfer.

    Args:
        order: what to measure.
        report: told the step and the done share of all steps, 0 to 1.

    Raises:
        InvalidInput: the examples cannot be learned from or held out; says which.
    """
    begun = time.monotonic()
    labelled = examples.load(order.examples)
    found = contents.load(order.contents, len(labelled.targets))
    _check(labelled, found, order)
    draws = Draws.of(labelled, order.held_out, order.draws)
    expected = cost.estimated(
        draws,
        len(labelled.classes),
        labelled.features.shape[1],
        order.options,
        of_images=any(isinstance(each, Path) for each in found),
    )
    report("choosing a baseline", 0.0)
    scratch, tried, prepared = _baseline(labelled, found, draws)
    head = HeadLearner(labelled, draws.held_out, order.options)
    raced = _race((head, scratch), labelled.targets, draws, report)
    share = draws.orders.shape[1] / len(labelled.targets)
    embedding = None if order.embedding_seconds is None else order.embedding_seconds * share
    return summary.summarized(
        Measured(
            encoder=order.encoder,
            recipe=order.options.recipe,
            classes=labelled.classes,
            split=draws.split(labelled, found),
            baselines=tried,
            shots=draws.shots,
            right=raced.right,
            seconds=_seconds(raced, embedding, prepared * share),
            cost=expected,
            measured_seconds=time.monotonic() - begun,
        )
    )


def _check(labelled: Labelled, found: Contents, order: MeasureTransfer) -> None:
    fitting.check_options(order.options)
    if len(labelled.classes) == 1:
        (only,) = labelled.classes
        raise InvalidInput(f"all examples are of class {only!r}; give some of another class")
    if labelled.described.any():
        raise InvalidInput("transfer is measured on examples alone; leave descriptions of classes out")
    for row, content in enumerate(found):
        if isinstance(content, str) and not content.strip():
            raise InvalidInput(f"the text of example {row} is empty; leave the example out")


def _baseline(labelled: Labelled, found: Contents, draws: Draws) -> tuple[Scratch, tuple[Baseline, ...], float]:
    """The best way to learn from scratch by the training examples, all that were tried, and seconds of preparation."""
    begun = time.monotonic()
    texts = [each for each in found if isinstance(each, str)]
    paths = [each for each in found if isinstance(each, Path)]
    if texts:
        ways = baselines.of_texts(texts, labelled.targets, draws.held_out)
    else:
        ways = baselines.of_images(paths, labelled.targets, draws.held_out)
    prepared = (time.monotonic() - begun) / len(ways)
    accuracies = [way.settle(draws.orders[0]).accuracy for way in ways]
    best = max(range(len(ways)), key=lambda place: accuracies[place] or 0.0)
    tried = [
        Baseline(name=way.name, accuracy=accuracy, chosen=place == best)
        for place, (way, accuracy) in enumerate(zip(ways, accuracies, strict=True))
    ]
    return ways[best], tuple(tried), prepared


@dataclass(frozen=True, slots=True, eq=False)
class _Raced:
    """How both sides fared.

    Attributes:
        right: bool of shape (2 sides, p numbers of shots, r draws, m held-out examples).
        seconds: that each side took to learn from everything.
    """

    right: NDArray[np.bool_]
    seconds: tuple[float, float]


def _race(sides: tuple[Learner, Learner], targets: NDArray[np.int64], draws: Draws, report: Report) -> _Raced:
    judged = targets[draws.held_out]
    right = np.empty((2, len(draws.shots), len(draws.orders), len(judged)), np.bool_)
    lasted = [0.0, 0.0]
    for point, chosen, done in _turns(draws):
        report(f"learning from {len(chosen[0])} examples", _LOOKED + (1 - _LOOKED) * done)
        for side, learner in enumerate(sides):
            learn = learner.settle(chosen[0]).learn
            for draw, rows in enumerate(chosen):
                begun = time.monotonic()
                right[side, point, draw] = learn(rows) == judged
                lasted[side] = time.monotonic() - begun
        right[:, point, len(chosen) :] = right[:, point, :1]  # draws of everything are one and the same
    return _Raced(right, (lasted[0], lasted[1]))


def _turns(draws: Draws) -> Iterator[tuple[int, NDArray[np.int64], float]]:
    """The place of each number of shots, the rows of its draws that differ, and the share of work done before."""
    done, total = 0, sum(each.examples for each in draws.shots)
    for point, shots in enumerate(draws.shots):
        orders = draws.orders if shots is not draws.shots[-1] else draws.orders[:1]
        yield point, orders[:, : shots.examples], done / total
        done += shots.examples


def _seconds(raced: _Raced, embedding: float | None, prepared: float) -> Seconds:
    head, scratch = raced.seconds[0], raced.seconds[1] + prepared
    return Seconds(head=head, embedding=embedding, scratch=scratch, saved=scratch - head - (embedding or 0.0))
