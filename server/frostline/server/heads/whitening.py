"""Learning from embeddings that are spread alike in all directions: what varies most does not drown the rest.

The whitening follows from the sums over examples, and folds into the decision. So updates and merges stay exact, and
what predicts does not know of it.
"""

from collections.abc import Sequence

import numpy as np

from frostline.server.heads.decision import Decision
from frostline.server.heads.held_out import Learn
from frostline.server.heads.lesson import Lesson
from frostline.server.heads.moments import Moments
from frostline.server.heads.spread import Affine, Spread


def whitening(moments: Moments) -> Affine:
    """What takes examples to mean 0 and covariance 1, turning them as little as can be.

    Source: Kessy, Lewin and Strimmer 2018, section 2 (ZCA).
    """
    spread = Spread.of(moments)
    return Affine(spread.mean, spread.power(-0.5), np.zeros(len(spread.mean)))


def whitened(learn: Learn) -> Learn:
    """Learns from whitened embeddings decisions for embeddings as they are."""

    def learned(lesson: Lesson) -> Sequence[Decision]:
        taken = whitening(lesson.moments)
        inner = Lesson(taken.examples(lesson.labelled), lambda: taken.sums(lesson.moments))
        return [taken.before(decision) for decision in learn(inner)]

    return learned
