"""Sums over examples from which ridge, shrunk discriminant analysis and nearest mean follow exactly.

Sums of two sets of examples add up to the sums of both: so examples are added and removed, and heads merged, without
looking at any other example. They are kept in float64.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from frostline.server.heads.labelled import Labelled


@dataclass(frozen=True, slots=True, eq=False)
class Moments:
    """Sums over examples, descriptions among them.

    Attributes:
        classes: labels, ascending.
        counts: float64 of shape (c,), rows of each class.
        sums: float64 of shape (c, d), the sum of the rows of each class.
        grams: float64 of shape (d, d), the sum of `x x^T` over all rows.
    """

    classes: tuple[str, ...]
    counts: NDArray[np.float64]
    sums: NDArray[np.float64]
    grams: NDArray[np.float64]

    @classmethod
    def of(cls, labelled: Labelled) -> "Moments":
        """The sums over examples."""
        wide = labelled.features.astype(np.float64)
        sums = np.zeros((len(labelled.classes), wide.shape[1]))
        np.add.at(sums, labelled.targets, wide)
        counts = np.bincount(labelled.targets, minlength=len(labelled.classes)).astype(np.float64)
        return cls(labelled.classes, counts, sums, wide.T @ wide)

    def plus(self, other: "Moments") -> "Moments":
        """The sums over both sets of examples; classes that only one has stay."""
        classes = tuple(sorted({*self.classes, *other.classes}))
        mine, theirs = self._spread_over(classes), other._spread_over(classes)
        return Moments(classes, mine.counts + theirs.counts, mine.sums + theirs.sums, mine.grams + theirs.grams)

    def minus(self, removed: "Moments") -> "Moments":
        """The sums without some of the examples; classes that none is left of are gone.

        Args:
            removed: the sums over examples that are all in these.
        """
        theirs = removed._spread_over(self.classes)
        counts = self.counts - theirs.counts
        left = np.flatnonzero(counts > 0)
        classes = tuple(self.classes[place] for place in left.tolist())
        return Moments(classes, counts[left], (self.sums - theirs.sums)[left], self.grams - theirs.grams)

    def _spread_over(self, classes: tuple[str, ...]) -> "Moments":
        if classes == self.classes:
            return self
        places = {label: place for place, label in enumerate(classes)}
        mine = [places[label] for label in self.classes]
        counts, sums = np.zeros(len(classes)), np.zeros((len(classes), self.sums.shape[1]))
        counts[mine], sums[mine] = self.counts, self.sums
        return Moments(classes, counts, sums, self.grams)
