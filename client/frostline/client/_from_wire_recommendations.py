"""Recommendations, from messages. What does not fit together is the server's fault: Internal."""

import json

import numpy as np

from frostline.client._from_wire import payload_of, timings_of
from frostline.client._names import STRATEGIES, name_of
from frostline.client.errors import Internal
from frostline.client.recommendations import (
    ExampleShare,
    Recommendation,
    RecommendationReasons,
    Recommendations,
    Strategy,
    StrategyShare,
)
from frostline.v1 import recommendation_service_pb2 as v1


def recommendations_of(answer: v1.RecommendResponse) -> Recommendations:
    """Recommendations, from columns.

    Raises:
        Internal: the columns do not fit each other.
    """
    ids, payloads, groups = list(answer.ids), list(answer.payloads), list(answer.groups)
    reasons, count = list(answer.reasons), len(ids)
    lengths = (len(answer.scores), len(payloads or ids), len(groups or ids), len(reasons or ids))
    if lengths != (4 * count, count, count, count):
        raise Internal(f"the server's answer of {lengths} does not fit {count} recommendations")
    scores: list[float] = np.frombuffer(answer.scores, "<f4").tolist()
    items = tuple(
        Recommendation(
            id,
            scores[place],
            payload_of(payloads[place]) if payloads else {},
            json.loads(groups[place]) if groups and groups[place] else None,
            _reasons_of(reasons[place]) if reasons else None,
        )
        for place, id in enumerate(ids)
    )
    return Recommendations(
        items=items,
        strategy=_strategy_of(answer.strategy),
        known_count=answer.known_count,
        notes=tuple(answer.notes),
        sequence=answer.sequence,
        learned_sequence=answer.learned_sequence,
        timings=timings_of(answer.timings),
    )


def _reasons_of(message: v1.RecommendationReason) -> RecommendationReasons:
    return RecommendationReasons(
        strategies=tuple(StrategyShare(_strategy_of(each.strategy), each.score) for each in message.strategies),
        examples=tuple(ExampleShare(each.record, each.score) for each in message.examples),
    )


def _strategy_of(number: int) -> Strategy | str:
    name = name_of(STRATEGIES, number)
    return Strategy(name) if name in STRATEGIES else name
