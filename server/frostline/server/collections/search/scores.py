"""How high scores get: a lowest score that nothing can reach is refused, where it would find nothing without a word."""

import math

from frostline.server.collections.config import Metric
from frostline.server.collections.search.query import Fusion, FusionMethod, SearchQuery
from frostline.server.errors import InvalidInput

_SLACK = 1e-3
"""Scores are float32, so those of equal vectors may be a little above what they can be."""


def check_reachable(min_score: float, highest: float, scale: str) -> None:
    """Refuses a lowest score that no record can have.

    Args:
        min_score: the lowest score of a hit.
        highest: the highest score there is.
        scale: what scores are, for the message.

    Raises:
        InvalidInput: it cannot be reached.
    """
    if min_score > highest + _SLACK * abs(highest):
        raise InvalidInput(
            f"min_score {min_score:g} is above {highest:.4g}, the highest score there is here, where scores are "
            f"{scale}; take a lower one, or leave it out"
        )


def check_reachable_by_vector(min_score: float, metric: Metric) -> None:
    """Refuses a lowest score that no record can have for a query of one vector.

    Raises:
        InvalidInput: it cannot be reached.
    """
    if metric is Metric.COSINE:
        check_reachable(min_score, 1.0, "cosines")
    elif metric is Metric.EUCLIDEAN:
        check_reachable(min_score, 0.0, f"negative distances (-{min_score:g} lets through what is no farther)")


def check_reachable_by_fusion(min_score: float, query: SearchQuery, fusion: Fusion) -> None:
    """Refuses a lowest score that no record can have where several rankings become one.

    Raises:
        InvalidInput: it cannot be reached.
    """
    weights = [leg.weight for leg in query.legs] + ([fusion.keyword_weight] if query.keywords else [])
    total = math.fsum(max(weight, 0.0) for weight in weights)
    if fusion.method is FusionMethod.WEIGHTED_SCORE:
        check_reachable(min_score, total, "sums of weighted scores, each from 0 to 1")
    else:
        highest = total / (fusion.rank_constant + 1)
        check_reachable(min_score, highest, f"sums of weight / ({fusion.rank_constant} + rank)")
