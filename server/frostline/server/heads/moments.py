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
    """Sums over examples, descriptions among them. A row counts for its weight, see `Labelled`.

    Attributes:
        classes: labels, ascending.
        counts: float64 of shape (c,), examples and descriptions of each class, each with its copies.
        sums: float64 of shape (c, d), the weighted sum of the rows of each class.
        grams: float64 of shape (d, d), the weighted sum of `x x^T` over all rows.
    """

    classes: tuple[str, ...]
    counts: NDArray[np.float64]
    sums: NDArray[np.float64]
    grams: NDArray[np.float64]

    @classmethod
    def of(cls, labelled: Labelled) -> "Moments":
        """The sums over examples."""
        weights = labelled.weights[:, np.newaxis]
        sums = np.zeros((len(labelled.classes), labelled.features.shape[1]))
        np.add.at(sums, labelled.targets, labelled.features * weights)
        counts = np.bincount(labelled.targets[labelled.originals], minlength=len(labelled.classes)).astype(np.float64)
        wide = np.multiply(labelled.features, np.sqrt(weights), dtype=np.float64)
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
