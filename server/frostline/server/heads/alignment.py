"""Adapts a head to inputs it has no labels of (CORAL): examples get the mean and covariance that the inputs have.

What is learned from such examples suits the inputs as they are. It follows from the sums over both, so updates and
merges stay exact.
"""

import numpy as np
from numpy.typing import NDArray

from frostline.server.heads.labelled import Labelled
from frostline.server.heads.lesson import Lesson
from frostline.server.heads.moments import Moments
from frostline.server.heads.spread import Affine, Spread

TARGET = "target"
"""Stands for the class of inputs without labels."""


def unlabelled(features: NDArray[np.float32]) -> Labelled:
    """Inputs without labels, float32 of shape (n, d), as if they were of one class."""
    return Labelled.plain(features, np.zeros(len(features), np.int64), (TARGET,))


def alignment(source: Moments, target: Moments) -> Affine:
    """What takes examples to where the inputs are.

    Args:
        source: sums over the examples.
        target: sums over unlabelled inputs, as if they were of one class.

    Source: Sun, Feng and Saenko 2016, section 3.1; the mean is moved too.
    """
    from_, to = Spread.of(source), Spread.of(target)
    return Affine(from_.mean, from_.power(-0.5) @ to.power(0.5), to.mean)


def aligned(lesson: Lesson, target: Moments | None) -> Lesson:
    """The lesson with its examples where the inputs are; as it is where there are none."""
    if target is None:
        return lesson
    moved = alignment(lesson.moments, target)
    return Lesson(moved.examples(lesson.labelled), lambda: moved.sums(lesson.moments))
