"""Labelled embeddings: what a head learns from."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class Labelled:
    """Examples of classes, in one embedding space.

    An example and its altered copies are one whole: they come and go together, and weigh as much as one example. So
    examples that have copies do not outweigh others, sums over examples stay sums over so many of them, and strengths
    mean with copies what they mean without.

    Attributes:
        features: float32 of shape (n, d), finite.
        targets: int64 of shape (n,), places in `classes`.
        classes: labels, ascending; each has at least one row.
        described: bool of shape (n,). Rows that stand for what a class is said to be about: they are learned from like
            one more example each, but are never held out and not counted as examples.
        origins: int64 of shape (n,), the row that each is an altered copy of; its own where it is none. Copies are
            learned from, but neither held out nor counted as examples, and nothing that is held out leaves a copy.
    """

    features: NDArray[np.float32]
    targets: NDArray[np.int64]
    classes: tuple[str, ...]
    described: NDArray[np.bool_]
    origins: NDArray[np.int64]

    @classmethod
    def plain(
        cls,
        features: NDArray[np.float32],
        targets: NDArray[np.int64],
        classes: tuple[str, ...],
        described: NDArray[np.bool_] | None = None,
    ) -> "Labelled":
        """Examples without copies, and without descriptions where nothing is said of them."""
        rows = len(targets)
        return cls(
            features, targets, classes, np.zeros(rows, np.bool_) if described is None else described, np.arange(rows)
        )

    @cached_property
    def originals(self) -> NDArray[np.bool_]:
        """Which rows are no copies, but examples or descriptions: bool of shape (n,)."""
        own: NDArray[np.bool_] = self.origins == np.arange(len(self.origins))
        return own

    @cached_property
    def examples(self) -> NDArray[np.bool_]:
        """Which rows are examples, neither copies nor descriptions: bool of shape (n,)."""
        return self.originals & ~self.described

    @cached_property
    def counts(self) -> NDArray[np.int64]:
        """Examples of each class, copies and descriptions left out: int64 of shape (c,)."""
        return np.bincount(self.targets[self.examples], minlength=len(self.classes))

    @cached_property
    def weights(self) -> NDArray[np.float64]:
        """What each row counts for, float64 of shape (n,): 1, shared evenly by an example and its copies."""
        return 1 / np.bincount(self.origins, minlength=len(self.origins))[self.origins]

    def rows(self, chosen: NDArray[np.int64]) -> "Labelled":
        """Some of the examples and descriptions, with all their copies behind them, and with all the classes.

        Args:
            chosen: int64 rows. Copies among them are passed over: they are there where what they were made of is, and
                only there.
        """
        kept = chosen[self.originals[chosen]]
        places = np.full(len(self.origins), -1)
        places[kept] = np.arange(len(kept))
        copies = np.flatnonzero(~self.originals & (places[self.origins] >= 0))
        taken = np.concatenate([kept, copies])
        origins = np.concatenate([np.arange(len(kept)), places[self.origins[copies]]])
        return Labelled(self.features[taken], self.targets[taken], self.classes, self.described[taken], origins)

    def alone(self) -> "Labelled":
        """The examples, in their order, without copies and descriptions, and with all the classes."""
        rows = np.flatnonzero(self.examples)
        return Labelled.plain(self.features[rows], self.targets[rows], self.classes)

    def means(self) -> NDArray[np.float64]:
        """What each example or description adds to sums, in their order: its mean with its copies.

        Returns:
            float64 of shape (m, d).
        """
        originals = np.flatnonzero(self.originals)
        weighed = self.features[originals] * self.weights[originals, np.newaxis]
        copies = np.flatnonzero(~self.originals)
        places = np.searchsorted(originals, self.origins[copies])
        np.add.at(weighed, places, self.features[copies] * self.weights[copies, np.newaxis])
        return weighed
