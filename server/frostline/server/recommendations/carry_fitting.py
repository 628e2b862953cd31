"""Learns how scores are carried to new items, from items that are held out."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from frostline.server.recommendations.blending import with_content
from frostline.server.recommendations.collaborative import Limits
from frostline.server.recommendations.component_tables import Tables
from frostline.server.recommendations.histories import Liked
from frostline.server.recommendations.metrics import ndcg
from frostline.server.recommendations.strategies import kriging
from frostline.server.recommendations.strategies.content import ContentHeads

FEWEST_ITEMS = 100
MOST_USERS = 200
"""Of one split."""
HELD_OUT = 0.2
"""Of items."""
SPLITS = 3
MANY = 200_000
"""With more interactions one split says enough."""
WIDTHS = (0.25, 0.35, 0.5, 0.7)
CONTENT = (0.0, 0.25, 0.5, 1.0)


def gains(
    liked: Liked,
    features: NDArray[np.float32],
    regularizations: Sequence[float],
    weights: NDArray[np.float32],
    limits: Limits,
    rng: np.random.Generator,
) -> NDArray[np.float64]:
    """What each choice gains on items that nobody has interactions with.

    Args:
        liked: interactions with w items, those with most first.
        features: float32 of shape (w, d), of the items.
        regularizations: of EASE, r of them.
        weights: float32 of shape (choices, components), those to choose from.
        limits: of what is learned.
        rng: draws items and users.

    Returns:
        float64 of shape (r, widths, contents, choices), sums of NDCG; 0 where there are too few items.
    """
    total = np.zeros((len(regularizations), len(WIDTHS), len(CONTENT), len(weights)))
    if liked.item_count < FEWEST_ITEMS:
        return total
    for _ in range(SPLITS if len(liked.items) <= MANY else 1):
        items = rng.permutation(liked.item_count)
        new = np.sort(items[: int(HELD_OUT * len(items))])
        old = np.setdiff1d(np.arange(liked.item_count), new)
        split = _Split(liked.of_items(old), features[old], features[new], regularizations, limits)
        wanted = {user: theirs for user, theirs, _ in liked.of_items(new).histories()}
        given = [each for each in liked.of_items(old).histories() if each[0] in wanted]
        chosen: list[int] = rng.permutation(len(given))[:MOST_USERS].tolist()
        for place in chosen:
            user, theirs, loved = given[place]
            relevant = np.isin(np.arange(len(new)), wanted[user])
            total += ndcg(split.blends(theirs, loved, weights), relevant).reshape(total.shape)
    return total


class _Split:
    """Some items held out.

    Args:
        liked: interactions with the others.
        old: float32 of shape (o, d), features of the others.
        new: float32 of shape (n, d), of those held out.
        regularizations: of EASE.
        limits: of what is learned.
    """

    def __init__(
        self,
        liked: Liked,
        old: NDArray[np.float32],
        new: NDArray[np.float32],
        regularizations: Sequence[float],
        limits: Limits,
    ) -> None:
        self._old, self._new = old, new
        self._tables = Tables(liked, regularizations, limits)
        self._anchors = min(len(old), limits.ease_items)
        anchors = old[: self._anchors]
        unit = kriging.median_square(anchors)
        count = kriging.neighbor_count(len(old) + len(new), self._anchors)
        near = [kriging.weights(anchors, new, count, unit, width) for width in WIDTHS]
        found, shares = np.vstack([found for found, _ in near]), np.vstack([by for _, by in near])
        self._operator = kriging.operator(found, shares, self._anchors)
        self._center = old.mean(axis=0)
        self._heads = ContentHeads(old.shape[1])
        self._heads.add(old - self._center)

    def blends(
        self, items: NDArray[np.int64], liked: NDArray[np.float32], weights: NDArray[np.float32]
    ) -> NDArray[np.float32]:
        """Scores of the new items by all choices, float32 of shape (r * widths * contents * choices, n)."""
        tables = self._tables.of(items, liked)[:, :, : self._anchors]
        count, components, _ = tables.shape
        carried = kriging.carried(self._operator, tables.reshape(count * components, -1))
        carried = carried.reshape(count, components, len(WIDTHS), 1, len(self._new)).transpose(0, 2, 3, 1, 4)
        content = self._new @ self._heads.head(self._old[items] - self._center, liked)
        shares = np.array(CONTENT, np.float32).reshape(-1, 1, 1)
        return with_content(weights @ carried, content, shares).reshape(-1, len(self._new))
