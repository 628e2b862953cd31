"""From scores of all items to the few that are answered."""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from frostline.server.collections.config import Metric
from frostline.server.collections.search.diversity import diverse
from frostline.server.collections.search.grouping import grouped
from frostline.server.collections.search.query import Grouping

_DEPTH = 5
_FEWEST_DEEP = 100
"""Where the best must differ, or groups are full, so many are looked at for each that is wanted, and at least these."""

GroupsOf = Callable[[NDArray[np.int64]], list[bytes | None]]


def best(scores: NDArray[np.float32], candidates: NDArray[np.bool_], count: int) -> NDArray[np.int64]:
    """The best candidates, best first; of equal ones the first.

    Args:
        scores: float32 of shape (n,).
        candidates: of shape (n,).
        count: the most to return.

    Returns:
        int64 of shape (k,), their places.
    """
    places = np.flatnonzero(candidates)
    if len(places) > count:
        values = scores[places]
        lowest = np.partition(values, len(values) - count)[len(values) - count]
        places = places[values >= lowest]
    order = np.argsort(-scores[places], kind="stable")[:count]
    return places[order]


def arranged(
    scores: NDArray[np.float32],
    candidates: NDArray[np.bool_],
    count: int,
    diversity: float,
    vectors: NDArray[np.float32],
    grouping: Grouping | None,
    groups_of: GroupsOf,
) -> tuple[NDArray[np.int64], Sequence[bytes]]:
    """Chooses what is answered.

    Args:
        scores: float32 of shape (n,).
        candidates: of shape (n,).
        count: the most to choose.
        diversity: 0 to 1; see `diversity.diverse`.
        vectors: float32 of shape (n, e), by which items differ.
        grouping: how many of a group are let through.
        groups_of: gives the values of groups of items.

    Returns:
        Their places, int64 of shape (k,), and with grouping the values of their groups.
    """
    depth = count if not (diversity or grouping) else max(_FEWEST_DEEP, _DEPTH * count)
    while True:
        found = best(scores, candidates, depth)
        whole = len(found) < depth
        if diversity:
            found = found[_diverse(scores[found], vectors[found], diversity, len(found) if grouping else count)]
        if grouping is None:
            return found[:count], []
        places, groups = grouped(found, groups_of, grouping.max_per_group, count)
        if len(places) == count or whole:
            return found[places], groups
        depth *= 4


def _diverse(
    scores: NDArray[np.float32], vectors: NDArray[np.float32], diversity: float, count: int
) -> NDArray[np.int64]:
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    known = np.divide(vectors, lengths, out=np.full_like(vectors, np.nan), where=lengths > 0)
    return diverse(scores, known, Metric.COSINE, diversity, count, cosines=False)
