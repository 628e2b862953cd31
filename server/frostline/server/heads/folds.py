"""Which examples are held out together, and which stand for all of them. Nothing here is left to chance."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from frostline.server.heads.labelled import Labelled

_KEPT_ROWS = 2
"""So many examples of a class stay in a sample before any class has more."""


def folds(labelled: Labelled, count: int) -> list[NDArray[np.int64]]:
    """Rows to hold out, part by part; the others, less copies of these, are the training part: see `Labelled.rows`.

    Args:
        labelled: the examples.
        count: how many parts at most.

    Returns:
        int64 rows, ascending, of each part that has any. Each class is spread evenly over the parts and has rows in
        every training part: the only example of a class is never held out, and descriptions and copies never are.
    """
    chosen = np.flatnonzero(labelled.examples & (labelled.counts[labelled.targets] > 1))
    dealt = _shuffled_by_class(labelled.targets, chosen)
    parts = (np.sort(dealt[start::count]) for start in range(count))
    return [part for part in parts if len(part)]


def deal(groups: NDArray[np.int64], count: int) -> list[NDArray[np.int64]]:
    """Rows to hold out, part by part, each of them once.

    Args:
        groups: int64 of shape (n,); rows of a group are spread evenly over the parts.
        count: how many parts, at most n.
    """
    dealt = _shuffled_by_class(groups, np.arange(len(groups)))
    return [np.sort(dealt[start::count]) for start in range(min(count, len(dealt)))]


def sample(labelled: Labelled, most: int) -> Labelled:
    """Some of the examples, with the classes that are left; see `sampled`."""
    rows = sampled(labelled, most)
    return labelled if len(rows) == np.count_nonzero(labelled.originals) else present(labelled.rows(rows))


def sampled(labelled: Labelled, most: int) -> NDArray[np.int64]:
    """Rows that stand for all: each class with its share of the examples, and all descriptions; no copies.

    Args:
        labelled: the examples.
        most: how many are wanted. No class has less than 2 of them that has as many; where that is too many, classes
            are left out whole.

    Returns:
        int64 rows, ascending.
    """
    examples = np.flatnonzero(labelled.examples)
    if len(examples) <= most:
        return np.flatnonzero(labelled.originals)
    dealt = _shuffled_by_class(labelled.targets, examples)
    counts = labelled.counts[labelled.targets[dealt]]
    ranks = np.arange(len(dealt)) - np.searchsorted(labelled.targets[dealt], labelled.targets[dealt])
    # Pairs first, then the only examples of classes, then each class by how much of it there is already.
    shares = np.where(ranks < _KEPT_ROWS, -np.minimum(counts, _KEPT_ROWS), (ranks + 1) / counts)
    taken = dealt[np.argsort(shares, kind="stable")[:most]]
    return np.sort(np.concatenate([taken, np.flatnonzero(labelled.described)]))


def present(labelled: Labelled) -> Labelled:
    """The examples with the classes that they are of."""
    there = np.bincount(labelled.targets, minlength=len(labelled.classes)) > 0
    classes = tuple(label for label, is_there in zip(labelled.classes, there, strict=True) if is_there)
    return replace(labelled, targets=(np.cumsum(there) - 1)[labelled.targets], classes=classes)


def _shuffled_by_class(targets: NDArray[np.int64], rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """Rows by class, shuffled within it; the same for the same rows."""
    shuffled = np.random.default_rng(0).permutation(rows)
    return shuffled[np.argsort(targets[shuffled], kind="stable")]
