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
"""Where groups are full, so many are looked at for each that is wanted, and at least so many."""
_STAGE, _AMONG = 200, 1_000
"""Where the best must differ, so many are chosen among so many of the best that are left, and then again: however many
are wanted, the first are the same, so that pages do not overlap."""

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
    depth = count if grouping is None else max(_FEWEST_DEEP, _DEPTH * count)
    while True:
        found = (
            _differing(scores, candidates, depth, diversity, vectors) if diversity else best(scores, candidates, depth)
        )
        if grouping is None:
            return found, []
        places, groups = grouped(found, groups_of, grouping.max_per_group, count)
        if len(places) == count or len(found) < depth:
            return found[places], groups
        depth *= 4


def _differing(
    scores: NDArray[np.float32],
    candidates: NDArray[np.bool_],
    count: int,
    diversity: float,
    vectors: NDArray[np.float32],
) -> NDArray[np.int64]:
    """The first candidates in an order in which good ones that differ from those before come first."""
    left, found = candidates.copy(), np.zeros(0, np.int64)
    while len(found) < count and len(among := best(scores, left, _AMONG)):
        wanted = min(_STAGE, count - len(found))
        chosen = among[_diverse(scores[among], vectors[among], diversity, wanted)]
        left[chosen] = False
        found = np.concatenate([found, chosen])
    return found


def _diverse(
    scores: NDArray[np.float32], vectors: NDArray[np.float32], diversity: float, count: int
) -> NDArray[np.int64]:
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    known = np.divide(vectors, lengths, out=np.full_like(vectors, np.nan), where=lengths > 0)
    return diverse(scores, known, Metric.COSINE, diversity, count, cosines=False)
