"""What is asked for in recommendations, as it comes; and the answer."""

import math
from collections.abc import Sequence

import numpy as np

from frostline.server.api import convert, filters, given_vectors
from frostline.server.api.content_vectors import ContentVectors, Wanted
from frostline.server.api.inputs import Waiting
from frostline.server.api.search_options import grouping_of
from frostline.server.collections import validation
from frostline.server.collections.collection import Collection
from frostline.server.collections.interactions import MAX_WEIGHT
from frostline.server.errors import FrostlineError, InvalidInput
from frostline.server.recommendations.asking import Answer, Ask, Example, Reason, Strategy
from frostline.v1 import recommendation_service_pb2 as pb
from frostline.v1.embedding_pb2 import Timings
from frostline.v1.search_service_pb2 import QueryPart

DEFAULT_LIMIT = 10
MOST = 1_000
MOST_DEEP = 10_000
MOST_EXAMPLES = 1_000
MOST_EXCLUDED = 10_000
MOST_KINDS = 100
MOST_PATHS = 1_000

_NUMBERS = {each: pb.Strategy.Value(f"STRATEGY_{each.name}") for each in Strategy}
_STRATEGIES: dict[int, Strategy] = {number: each for each, number in _NUMBERS.items()}
_STRATEGIES[pb.STRATEGY_UNSPECIFIED] = Strategy.AUTO


def check(request: pb.RecommendRequest) -> None:
    """Checks what can be checked without the collection.

    Raises:
        InvalidInput: something is out of range.
    """
    if not 0 <= request.limit <= MOST:
        raise InvalidInput(f"limit {request.limit} is out of range; ask for 1 to {MOST} records")
    if request.offset < 0 or (request.limit or DEFAULT_LIMIT) + request.offset > MOST_DEEP:
        raise InvalidInput(f"offset {request.offset} is out of range; with the limit it may come to {MOST_DEEP}")
    if not math.isfinite(request.min_score):
        raise InvalidInput(f"min_score {request.min_score} is no score; give a number, or leave it out")
    if not 0 <= request.diversity <= 1:
        raise InvalidInput(f"diversity {request.diversity:g} is out of range; take 0 to 1")
    if not (math.isfinite(request.half_life_seconds) and request.half_life_seconds >= 0):
        raise InvalidInput(
            f"half_life_seconds {request.half_life_seconds:g} is out of range; take 0, for none, or more"
        )
    if request.payload_fields and not request.include_payloads:
        raise InvalidInput("payload_fields needs include_payloads; set it, or leave payload_fields out")
    if request.user:
        validation.check_id(request.user, "user id")
    for kind in request.kinds:
        validation.check_kind(kind)
    convert.at_most(len(request.payload_fields), MOST_PATHS, "payload_fields")
    convert.at_most(len(request.examples), MOST_EXAMPLES, "examples")
    convert.at_most(len(request.excluded_ids), MOST_EXCLUDED, "excluded_ids")
    convert.at_most(len(request.kinds), MOST_KINDS, "kinds")


async def asked(
    request: pb.RecommendRequest, collection: Collection, contents: ContentVectors, waiting: Waiting
) -> tuple[Ask, Timings]:
    """Reads what is asked for, once it is checked; texts and images are embedded.

    Raises:
        InvalidInput: something is out of range, or an example holds nothing that can be used.
        NotFound: there is no such vector.
        SpaceMismatch: the encoder has changed.
    """
    slot = collection.config.slot(request.vector_name)
    parts = list(request.examples)
    if request.profile:
        parts.append(QueryPart(text=request.profile))
    examples, timings = await _examples(parts, slot, collection, contents, waiting)
    ask = Ask(
        user=request.user,
        examples=examples,
        limit=request.limit or DEFAULT_LIMIT,
        offset=request.offset,
        expression=filters.expression(request.filter) if request.HasField("filter") else None,
        include_seen=request.include_seen,
        excluded=request.excluded_ids,
        min_score=request.min_score if request.HasField("min_score") else None,
        strategy=convert.known(_STRATEGIES, request.strategy, "strategy"),
        diversity=request.diversity,
        grouping=grouping_of(request.grouping) if request.HasField("grouping") else None,
        half_life_seconds=request.half_life_seconds,
        kinds=frozenset(request.kinds) if request.kinds else None,
        payloads=request.include_payloads,
        payload_fields=[filters.path(each, "payload field") for each in request.payload_fields],
        slot=slot if request.vector_name else None,
        explain=request.explain,
    )
    return ask, timings


def response(answer: Answer, timings: Timings) -> pb.RecommendResponse:
    """The answer as a message."""
    return pb.RecommendResponse(
        ids=answer.ids,
        scores=answer.scores.astype("<f4").tobytes(),
        payloads=answer.payloads,
        groups=answer.groups,
        reasons=[_reason(each) for each in answer.reasons],
        strategy=_NUMBERS[answer.strategy],
        known_count=answer.known_count,
        notes=answer.notes,
        sequence=answer.sequence,
        learned_sequence=answer.learned_sequence,
        timings=timings,
    )


async def _examples(
    parts: Sequence[QueryPart], slot: int, collection: Collection, contents: ContentVectors, waiting: Waiting
) -> tuple[list[Example], Timings]:
    examples: list[Example] = []
    embedded: list[tuple[int, Wanted]] = []
    for place, part in enumerate(parts):
        weight = _weight(part, place)
        own = collection.config.slot(part.vector_name) if part.vector_name else slot
        match part.WhichOneof("kind"):
            case "record_id":
                examples.append(Example(weight, record=part.record_id))
            case "vector":
                examples.append(Example(weight, vector=given_vectors.one(part.vector, collection, own), slot=own))
            case "text" | "image" as kind:
                prefix = collection.config.vectors[own].query_prompt if kind == "text" else ""
                embedded.append((place, Wanted(own, part.text if kind == "text" else part.image, prefix)))
                examples.append(Example(weight, vector=np.zeros(0, np.float32), slot=own))
            case _:
                raise InvalidInput(f"example {place} holds neither record id, text, image nor vector")
    if not embedded:
        return examples, Timings()
    vectors = await contents.make(collection, [wanted for _, wanted in embedded], waiting)
    for (place, _), made in zip(embedded, vectors.made, strict=True):
        if isinstance(made, FrostlineError):
            raise made
        examples[place] = Example(examples[place].weight, vector=made, slot=examples[place].slot)
    return examples, vectors.timings


def _weight(part: QueryPart, place: int) -> float:
    weight = part.weight if part.HasField("weight") else 1.0
    if not (math.isfinite(weight) and 0 < abs(weight) <= MAX_WEIGHT):
        raise InvalidInput(f"example {place} has the weight {weight:g}; give a number above 0, or below to stay away")
    return weight


def _reason(reason: Reason) -> pb.RecommendationReason:
    return pb.RecommendationReason(
        strategies=[
            pb.StrategyShare(strategy=_NUMBERS[strategy], score=score) for strategy, score in reason.strategies.items()
        ],
        examples=[pb.ExampleShare(record=record, score=score) for record, score in reason.examples.items()],
    )
