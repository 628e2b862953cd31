"""Comparisons of encoders, from messages."""

from frostline.client import comparisons
from frostline.client._from_wire import short, space_of
from frostline.client._from_wire_intervals import interval_of
from frostline.client._names import TRANSFER_DISTANCES, name_of
from frostline.v1 import comparison_pb2 as v1


def cost_of(message: v1.ComparisonCost) -> comparisons.ComparisonCost:
    """What a comparison takes, from the wire."""
    return comparisons.ComparisonCost(
        example_count=message.example_count,
        seen_count=message.seen_count,
        candidates=tuple(
            comparisons.CandidateCost(
                short(each.encoder), space_of(each.space), each.embed_seconds, each.compare_seconds
            )
            for each in message.candidates
        ),
        seconds=message.seconds,
    )


def comparison_of(message: v1.Comparison) -> comparisons.Comparison:
    """What was found, from the wire."""
    return comparisons.Comparison(
        example_count=message.example_count,
        class_count=message.class_count,
        encoders=tuple(map(_compared_of, message.encoders)),
    )


def _compared_of(message: v1.ComparedEncoder) -> comparisons.ComparedEncoder:
    return comparisons.ComparedEncoder(
        encoder=short(message.encoder),
        space=space_of(message.space),
        accuracy=interval_of(message.accuracy),
        behind=interval_of(message.behind),
        tied=message.tied,
        penalty=message.penalty,
        log_evidence=message.log_evidence,
        h_score=message.h_score,
        neighbor_accuracy=message.neighbor_accuracy,
        separability=interval_of(message.separability) if message.HasField("separability") else None,
        distance=name_of(TRANSFER_DISTANCES, message.distance),
        embed_seconds=message.embed_seconds,
    )
