"""Several rankings become one."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from frostline.server.collections.search.query import Fusion, FusionMethod


@dataclass(frozen=True, slots=True, eq=False)
class Ranked:
    """One ranking of a query, closest first.

    Attributes:
        internal_ids: int64 of shape (k,), each once.
        scores: float32 of shape (k,), descending.
        complete: whether nothing comes after them.
        weight: in fusion.
    """

    internal_ids: NDArray[np.int64]
    scores: NDArray[np.float32]
    complete: bool
    weight: float = 1.0


@dataclass(frozen=True, slots=True, eq=False)
class Fused:
    """What several rankings say together, best first, equal scores by internal id.

    Attributes:
        internal_ids: int64 of shape (n,), each once.
        scores: float32 of shape (n,), descending.
        highest: float32 of shape (n,): what each score may rise to where rankings are read deeper.
        highest_unseen: what the score of a record in none of the rankings may rise to.
    """

    internal_ids: NDArray[np.int64]
    scores: NDArray[np.float32]
    highest: NDArray[np.float32]
    highest_unseen: float


def fuse(rankings: Sequence[Ranked], fusion: Fusion) -> Fused:
    """Puts rankings together. A record that is not in a ranking gets nothing from it.

    Reciprocal rank fusion adds up weight / (rank_constant + rank), ranks from 1. Weighted scores adds up weight times
    score, each ranking's scores brought to 0..1 by `scaled`; so the last of a ranking gets nothing from it either, and
    the scale is that of the depth at which the rankings were read. A negative weight pushes down what its ranking
    finds, and most what it finds first.

    Args:
        rankings: at least one.
        fusion: how.

    Source: Cormack, Clarke and Buettcher 2009, section 2 (reciprocal rank fusion).
    """
    internal_ids, places = np.unique(np.concatenate([each.internal_ids for each in rankings]), return_inverse=True)
    totals = np.zeros(len(internal_ids))
    rises = np.zeros(len(internal_ids))
    unseen = 0.0
    begin = 0
    for ranking in rankings:
        own = places[begin : begin + len(ranking.internal_ids)]
        begin += len(own)
        totals[own] += ranking.weight * _parts(ranking, fusion)
        rise = _next_part(ranking, fusion)
        missing = np.ones(len(internal_ids), np.bool_)
        missing[own] = False
        rises[missing] += rise
        unseen += rise
    order = np.lexsort((internal_ids, -totals))
    scores, highest = totals[order].astype(np.float32), (totals + rises)[order].astype(np.float32)
    return Fused(internal_ids[order], scores, highest, unseen)


def scaled(scores: NDArray[np.float32]) -> NDArray[np.float64]:
    """Brings scores to 0..1: the lowest becomes 0, the highest 1; all become 1 where they are equal.

    Args:
        scores: float32 of shape (k,).

    Returns:
        float64 of shape (k,).
    """
    exact = scores.astype(np.float64)
    if not len(exact) or (span := exact.max() - exact.min()) == 0:
        return np.ones(len(exact))
    scaled_scores: NDArray[np.float64] = (exact - exact.min()) / span
    return scaled_scores


def _parts(ranking: Ranked, fusion: Fusion) -> NDArray[np.float64]:
    if fusion.method is FusionMethod.WEIGHTED_SCORE:
        return scaled(ranking.scores)
    return 1.0 / (fusion.rank_constant + np.arange(1.0, len(ranking.scores) + 1))


def _next_part(ranking: Ranked, fusion: Fusion) -> float:
    """The most that a record which is not in a ranking can get from it, if it is read deeper."""
    if ranking.complete or fusion.method is FusionMethod.WEIGHTED_SCORE:
        return 0.0
    return max(ranking.weight, 0.0) / (fusion.rank_constant + len(ranking.scores) + 1)
