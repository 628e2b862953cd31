"""Which classes were taken for which, what follows from it, and how far off that may be by chance."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

RESAMPLES = 1_000
_SEED = 0
_ENDS = (2.5, 97.5)
_COUNTS_AT_ONCE = 1 << 23


class Tallies(NamedTuple):
    """Counts of examples by class: int64 of shape (..., c), for each way the examples were counted.

    Attributes:
        right: of the class, and taken for it.
        true: of the class.
        predicted: taken for it.
    """

    right: NDArray[np.int64]
    true: NDArray[np.int64]
    predicted: NDArray[np.int64]

    @property
    def f1(self) -> NDArray[np.float64]:
        """The harmonic mean of precision and recall; 0 for classes that occur nowhere."""
        return share(2 * self.right, self.true + self.predicted)


@dataclass(frozen=True, slots=True, eq=False)
class Confusion:
    """Counts of examples by true and predicted class, of which most are 0: the m cells that are not.

    Attributes:
        classes: how many there are.
        true: int64 of shape (m,), ascending.
        predicted: int64 of shape (m,).
        counts: int64 of shape (m,), at least 1 each.
    """

    classes: int
    true: NDArray[np.int64]
    predicted: NDArray[np.int64]
    counts: NDArray[np.int64]

    @classmethod
    def of(cls, true: NDArray[np.int64], predicted: NDArray[np.int64], classes: int) -> "Confusion":
        """Counts n examples: `true` and `predicted` are int64 of shape (n,), places among the classes."""
        cells, counts = np.unique(true * classes + predicted, return_counts=True)
        return cls(classes, cells // classes, cells % classes, counts)

    def table(self) -> NDArray[np.int64]:
        """All cells: int64 of shape (c, c), true by predicted."""
        table = np.zeros((self.classes, self.classes), np.int64)
        table[self.true, self.predicted] = self.counts
        return table

    def tallies(self, counts: NDArray[np.int64]) -> Tallies:
        """Sums the cells by class.

        Args:
            counts: int64 of shape (r, m), r ways to count the cells.
        """
        right = np.where(self.true == self.predicted, counts, 0)
        return Tallies(
            self._by_class(right, self.true),
            self._by_class(counts, self.true),
            self._by_class(counts, self.predicted),
        )

    def scores(self, counts: NDArray[np.int64]) -> NDArray[np.float64]:
        """Accuracy and macro-F1, the mean F1 of classes with examples: float64 of shape (r, 2). See `tallies`.

        A class without examples says nothing of its own: what was taken for it is missing from the recall of others.
        """
        tallies = self.tallies(counts)
        there = (tallies.true > 0).sum(axis=1)  # the F1 of others is 0
        accuracy = tallies.right.sum(axis=1) / counts.sum(axis=1)
        return np.stack([accuracy, tallies.f1.sum(axis=1) / there], axis=1)

    def score_intervals(self) -> NDArray[np.float64]:
        """The 95 % percentile bootstrap intervals of the scores: float64 of shape (2 ends, 2 scores).

        To draw n examples again with replacement is to draw the counts of their cells from a multinomial
        distribution. The same examples give the same intervals.

        Source: Efron and Tibshirani 1993, An Introduction to the Bootstrap, chapter 13.
        """
        draw = np.random.default_rng(_SEED)
        examples = int(self.counts.sum())
        step = max(1, _COUNTS_AT_ONCE // (len(self.counts) + self.classes))
        scores = [
            self.scores(draw.multinomial(examples, self.counts / examples, min(step, RESAMPLES - start)))
            for start in range(0, RESAMPLES, step)
        ]
        return np.percentile(np.concatenate(scores), _ENDS, axis=0)

    def _by_class(self, counts: NDArray[np.int64], cell_classes: NDArray[np.int64]) -> NDArray[np.int64]:
        order = np.argsort(cell_classes, kind="stable")
        present, starts = np.unique(cell_classes[order], return_index=True)
        sums = np.zeros((len(counts), self.classes), np.int64)
        sums[:, present] = np.add.reduceat(counts[:, order], starts, axis=1)
        return sums


def share(part: NDArray[np.int64], whole: NDArray[np.int64]) -> NDArray[np.float64]:
    """`part / whole`, 0 where there is nothing."""
    return np.divide(part, whole, out=np.zeros(part.shape), where=whole > 0)
