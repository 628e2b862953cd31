"""What is known of one user, or of whoever is asked for: items with weights, and vectors with weights."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from frostline.server.collections.rows.interactions import Interaction
from frostline.server.recommendations.asking import Example
from frostline.server.recommendations.histories import MAX_RELATIVE_WEIGHT
from frostline.server.recommendations.items import Items


@dataclass(frozen=True, slots=True, eq=False)
class Taste:
    """Examples of all kinds, ready to score with.

    Attributes:
        items: int64 of shape (h,), numbers of items, each once.
        weights: float32 of shape (h,), not 0: of the user's records, 1 on average of those liked; below 0 for dislike.
        vectors: float32 of shape (v, e), the given vectors, of unit length, as wide as all vectors of an item.
        vector_weights: float32 of shape (v,), not 0.
    """

    items: NDArray[np.int64]
    weights: NDArray[np.float32]
    vectors: NDArray[np.float32]
    vector_weights: NDArray[np.float32]

    @property
    def liked_count(self) -> int:
        """Items with a weight above 0."""
        return int((self.weights > 0).sum())

    @property
    def count(self) -> int:
        """Examples of all kinds."""
        return len(self.items) + len(self.vectors)

    def without(self, place: int) -> "Taste":
        """All but one item, by its place among them."""
        return Taste(np.delete(self.items, place), np.delete(self.weights, place), self.vectors, self.vector_weights)


def taste(
    items: Items,
    interactions: Iterable[Interaction],
    examples: Sequence[Example],
    half_life_seconds: float,
) -> Taste:
    """Puts together what is known.

    Args:
        items: all there are.
        interactions: of the user, those that count. Kinds of one record add up.
        examples: others; records among them that are interacted with count as they say.
        half_life_seconds: after which an interaction counts half of the newest; 0 for never.
    """
    known = list(interactions)
    newest = max((each.time for each in known), default=0.0)
    by_item: dict[int, float] = {}
    for each in known:
        number = items.number(each.record)
        if number is not None:
            share = 2.0 ** ((each.time - newest) / half_life_seconds) if half_life_seconds else 1.0
            by_item[number] = by_item.get(number, 0.0) + share * each.weight
    liked = [weight for weight in by_item.values() if weight > 0] or [abs(each) for each in by_item.values()]
    scale = math.fsum(liked) / len(liked) if math.fsum(liked) else 1.0
    by_item = {number: weight / scale for number, weight in by_item.items()}
    for example in examples:
        if example.record and (number := items.number(example.record)) is not None:
            by_item[number] = example.weight
    kept = {number: weight for number, weight in by_item.items() if weight}
    weights = np.clip(np.array(list(kept.values()), np.float32), -MAX_RELATIVE_WEIGHT, MAX_RELATIVE_WEIGHT)
    given = [each for each in examples if each.vector is not None]
    return Taste(
        items=np.array(list(kept), np.int64),
        weights=weights,
        vectors=_placed(given, items.features.dimensions),
        vector_weights=np.array([each.weight for each in given], np.float32),
    )


def _placed(examples: Sequence[Example], dimensions: Sequence[int]) -> NDArray[np.float32]:
    starts = np.concatenate([[0], np.cumsum(dimensions)]).tolist()
    placed = np.zeros((len(examples), starts[-1]), np.float32)
    for row, example in enumerate(examples):
        assert example.vector is not None
        length = float(np.linalg.norm(example.vector))
        placed[row, starts[example.slot] : starts[example.slot + 1]] = example.vector / (length or 1.0)
    return placed
