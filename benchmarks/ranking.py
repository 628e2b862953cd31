"""NDCG of ranked lists, and the interval of a ratio of two of them over the same users. Needs numpy alone."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

K = 10


def best(scores: NDArray[np.floating], k: int = K) -> NDArray[np.int64]:
    """Ranks all candidates; of equal scores the earlier candidate comes first.

    Args:
        scores: of shape (users, candidates).
        k: how many to keep.

    Returns:
        int64 of shape (users, k): numbers of candidates, best first.
    """
    return np.argsort(-scores, axis=1, kind="stable")[:, :k]


def ndcg(ranked: NDArray[np.int64], relevant: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Judges what was ranked by what is relevant, each relevant candidate alike.

    Args:
        ranked: int64 of shape (users, k); numbers of candidates, -1 where nothing was found.
        relevant: bool of shape (users, candidates); at least one in each row.

    Returns:
        float64 of shape (users,), from 0 to 1: an ideal list has min(k, relevant) hits ahead of all others.
    """
    k = ranked.shape[1]
    discounts = 1 / np.log2(np.arange(2, k + 2))
    hits = np.take_along_axis(relevant, ranked, axis=1) & (ranked >= 0)
    ideal = np.cumsum(discounts)[np.minimum(relevant.sum(axis=1), k) - 1]
    gained: NDArray[np.float64] = (hits @ discounts) / ideal
    return gained


def mean_ratio(
    ours: Sequence[NDArray[np.float64]], theirs: Sequence[NDArray[np.float64]], draws: int = 10_000
) -> tuple[float, float, float]:
    """Ratio of the means over seeds of the means over users, with a 95 % interval.

    Seeds are drawn anew, and users anew: a user's rows stay together in all seeds, and both sides keep the same draw.

    Args:
        ours: for each seed float64 of shape (users,), the same users in all; NaN where one is not judged.
        theirs: the same of the other side.
        draws: of the bootstrap.

    Returns:
        The ratio, and the 2.5th and 97.5th percentile of it.
    """
    first, second = np.array(ours), np.array(theirs)
    judged = ~np.isnan(first)
    first, second = np.nan_to_num(first), np.nan_to_num(second)
    draw = np.random.default_rng(0)
    seeds, users = first.shape
    found = np.empty(draws)
    for turn in range(draws):
        of_seed = draw.multinomial(seeds, np.full(seeds, 1 / seeds))
        of_user = draw.multinomial(users, np.full(users, 1 / users)).astype(np.float64)
        counted = judged @ of_user
        found[turn] = (of_seed @ ((first @ of_user) / counted)) / (of_seed @ ((second @ of_user) / counted))
    counted = judged.sum(axis=1)
    ratio = (first.sum(axis=1) / counted).mean() / (second.sum(axis=1) / counted).mean()
    low, high = np.percentile(found, [2.5, 97.5])
    return float(ratio), float(low), float(high)
