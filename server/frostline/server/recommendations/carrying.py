"""What was learned, put in place beside the items there are now."""

# scipy ships no types
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from frostline.server.recommendations.items import Items
from frostline.server.recommendations.learned import Learned
from frostline.server.recommendations.strategies import kriging

MOST_AT_ONCE = 2_000
"""New records beyond that, written at once, wait until it is learned again: they are scored by content alone."""


_FAR = 1e3


class Carrying:
    """Which items the learned strategies know, and how scores are carried to the others.

    Args:
        learned: what was learned.
        items: as they are now.
    """

    def __init__(self, learned: Learned, items: Items) -> None:
        self.learned = learned
        numbers = (items.number(each) for each in learned.warm)
        self.warm = np.array([-1 if number is None else number for number in numbers], np.int64)
        self.is_warm = np.zeros(len(items), np.bool_)
        self.is_warm[self.warm[self.warm >= 0]] = True
        self._places = {int(number): place for place, number in enumerate(self.warm) if number >= 0}
        self._anchors = self._anchor_features(items)
        width = learned.anchors.shape[1]
        self._found = np.zeros((max(len(items), 1), width), np.int32)
        self._shares = np.zeros((max(len(items), 1), width), np.float32)
        self._operator: tuple[int, csr_array] | None = None
        places = np.searchsorted(learned.rows, items.rows)
        places = np.minimum(places, max(len(learned.rows) - 1, 0))
        same = learned.rows[places] == items.rows if len(learned.rows) else np.zeros(len(items), np.bool_)
        numbers_same = np.flatnonzero(same)
        self._found[numbers_same] = learned.anchors[places[numbers_same]]
        self._shares[numbers_same] = learned.shares[places[numbers_same]]
        self.write(items, np.flatnonzero(~same))

    def write(self, items: Items, numbers: NDArray[np.int64]) -> None:
        """Finds out from which anchors the scores of new items are estimated."""
        self._reserve(len(items))
        some = numbers[-MOST_AT_ONCE:]
        width = self._found.shape[1]
        if len(some) and width:
            found, shares = kriging.weights(
                self._anchors, items.matrix[some], width, self.learned.unit, self.learned.blend.width
            )
            self._found[some], self._shares[some] = found, shares
        self._operator = None

    def operator(self, count: int) -> csr_array:
        """Carries scores of anchors to the first items: of shape (count, anchors)."""
        if self._operator is None or self._operator[0] != count:
            made = kriging.operator(self._found[:count], self._shares[:count], self.learned.anchor_count)
            self._operator = count, made
        return self._operator[1]

    def places(self, numbers: NDArray[np.int64]) -> NDArray[np.int64]:
        """Places of items among the warm ones, -1 where they are not: int64 of shape (m,)."""
        return np.array([self._places.get(number, -1) for number in numbers.tolist()], np.int64)

    def _anchor_features(self, items: Items) -> NDArray[np.float32]:
        """float32 of shape (a, d), far from everything where the record is gone."""
        anchors = self.warm[: self.learned.anchor_count]
        features = np.full((len(anchors), items.features.width), _FAR, np.float32)
        features[anchors >= 0] = items.matrix[anchors[anchors >= 0]]
        return features

    def _reserve(self, count: int) -> None:
        if count > len(self._found):
            more = max(count, 2 * len(self._found)) - len(self._found)
            self._found = np.pad(self._found, ((0, more), (0, 0)))
            self._shares = np.pad(self._shares, ((0, more), (0, 0)))
