"""How much all users like each item, newer interactions counting more; kept up with every change."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

DAY_SECONDS = 86_400.0
HALF_LIVES = (np.inf, 365 * DAY_SECONDS, 90 * DAY_SECONDS, 30 * DAY_SECONDS, 7 * DAY_SECONDS, DAY_SECONDS)
"""Seconds after which an interaction counts half; inf for always the same."""
_FAR_HALVINGS = 60.0


def nearest(half_life_seconds: float) -> int:
    """The place among `HALF_LIVES` that is nearest, in ratio; 0 for that without decay."""
    if not half_life_seconds or np.isinf(half_life_seconds):
        return 0
    return 1 + int(np.argmin([abs(np.log(each / half_life_seconds)) for each in HALF_LIVES[1:]]))


class Popularity:
    """Sums of the weights above 0 that items have, each sum with its own decay.

    Sums are as of a reference time; times after it count more than once, so the reference moves along before numbers
    become large. Ranking does not depend on it. What is taken away leaves no trace beyond rounding, about
    1e-15 of the largest that the item's sum has been; an item without interactions has exactly 0.

    Args:
        capacity: items to make room for.
        reference: seconds since the epoch.
    """

    def __init__(self, capacity: int, reference: float) -> None:
        self._sums: NDArray[np.float64] = np.zeros((len(HALF_LIVES), max(capacity, 1)))
        self._counts: NDArray[np.int64] = np.zeros(max(capacity, 1), np.int64)
        self._reference = reference

    def start(self, item: int, count: int, sums: Sequence[float]) -> None:
        """Sets what an item has: how many interactions above 0, and its sums as of the reference."""
        self._reserve(item)
        self._counts[item] = count
        self._sums[:, item] = sums

    def change(self, item: int, weight: float, time: float, sign: int) -> None:
        """Adds an interaction, with sign 1, or takes it away again, with -1; one that is not above 0 does not count."""
        if weight <= 0:
            return
        self._reserve(item)
        if time > self._reference + _FAR_HALVINGS * HALF_LIVES[-1]:
            self._move(time)
        self._counts[item] += sign
        if self._counts[item]:
            self._sums[:, item] += sign * weight * np.exp2((time - self._reference) / np.array(HALF_LIVES))
        else:
            self._sums[:, item] = 0  # exactly

    def has(self, item: int) -> bool:
        """Whether an item has interactions above 0."""
        return item < len(self._counts) and bool(self._counts[item])

    def counts(self, items: int) -> NDArray[np.int64]:
        """int64 of shape (items,): interactions above 0 of the first items."""
        self._reserve(items)
        return self._counts[:items].copy()

    def sums(self, items: int, half_life: int) -> NDArray[np.float32]:
        """float32 of shape (items,): sums of the first items, with a place among `HALF_LIVES`."""
        self._reserve(items)
        return np.maximum(self._sums[half_life, :items], 0).astype(np.float32)

    def _move(self, reference: float) -> None:
        self._sums *= np.exp2((self._reference - reference) / np.array(HALF_LIVES))[:, np.newaxis]
        self._reference = reference

    def _reserve(self, item: int) -> None:
        if item >= len(self._counts):
            more = max(item + 1, 2 * len(self._counts)) - len(self._counts)
            self._sums = np.hstack([self._sums, np.zeros((len(HALF_LIVES), more))])
            self._counts = np.concatenate([self._counts, np.zeros(more, np.int64)])
