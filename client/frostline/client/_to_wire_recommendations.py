"""What recommendations are asked for by, as messages."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypedDict, cast

from frostline.client._interaction_messages import listed_kinds
from frostline.client._names import STRATEGIES, number_of
from frostline.client._to_wire import LARGEST_SEQUENCE, collection_path, not_alone, number, unicode, whole
from frostline.client._to_wire_filters import filter_message
from frostline.client._to_wire_queries import grouping_message, part_message
from frostline.client.errors import InvalidInput
from frostline.client.queries import Part
from frostline.client.recommendations import Strategy, Weighted
from frostline.v1 import recommendation_service_pb2 as v1
from frostline.v1.search_service_pb2 import QueryPart


class RecommendOptions(TypedDict, total=False):
    """How recommendations are made; described where they are asked for, in `Client.recommend`."""

    user: str | None
    profile: str | None
    positives: Sequence[str | Weighted]
    negatives: Sequence[str | Weighted]
    limit: int | None
    filter: str
    parameters: Mapping[str, Any] | None
    offset: int
    include_seen: bool
    excluded_ids: Sequence[str]
    min_score: float | None
    strategy: Strategy | str
    diversity: float
    group_by: str
    max_per_group: int
    half_life_seconds: float | None
    kinds: Sequence[str] | None
    include_payloads: bool
    payload_fields: Sequence[str]
    vector_name: str
    explain: bool
    min_sequence: int
    min_learned_sequence: int


def recommend_request(
    collection: str,
    *,
    user: str | None = None,
    profile: str | None = None,
    positives: Sequence[str | Weighted] = (),
    negatives: Sequence[str | Weighted] = (),
    limit: int | None = None,
    filter: str = "",
    parameters: Mapping[str, Any] | None = None,
    offset: int = 0,
    include_seen: bool = False,
    excluded_ids: Sequence[str] = (),
    min_score: float | None = None,
    strategy: Strategy | str = Strategy.AUTO,
    diversity: float = 0.0,
    group_by: str = "",
    max_per_group: int = 1,
    half_life_seconds: float | None = None,
    kinds: Sequence[str] | None = None,
    include_payloads: bool = True,
    payload_fields: Sequence[str] = (),
    vector_name: str = "",
    explain: bool = False,
    min_sequence: int = 0,
    min_learned_sequence: int = 0,
) -> v1.RecommendRequest:
    """A request for recommendations.

    Raises:
        InvalidInput: an option is unknown, out of range, or contradicts another; names it.
    """
    for listed in (positives, negatives, excluded_ids, kinds, payload_fields):
        not_alone(listed)
    return v1.RecommendRequest(
        collection=collection_path(collection),
        user=_user(user),
        profile="" if profile is None else unicode(profile),
        examples=[*_examples(positives, "positives", 1), *_examples(negatives, "negatives", -1)],
        limit=0 if limit is None else whole(limit, "limit", least=1),
        offset=whole(offset, "offset"),
        filter=filter_message(filter, parameters),
        include_seen=include_seen,
        excluded_ids=[unicode(id) for id in excluded_ids],
        min_score=None if min_score is None else number(min_score, "min_score"),
        strategy=number_of(STRATEGIES, strategy, "strategy"),
        diversity=number(diversity, "diversity"),
        grouping=grouping_message(group_by, max_per_group),
        half_life_seconds=0 if half_life_seconds is None else _above_0(half_life_seconds, "half_life_seconds"),
        kinds=listed_kinds(kinds),
        include_payloads=include_payloads,
        payload_fields=[unicode(path) for path in payload_fields],
        vector_name=unicode(vector_name),
        explain=explain,
        min_sequence=whole(min_sequence, "min_sequence", most=LARGEST_SEQUENCE),
        min_learned_sequence=whole(min_learned_sequence, "min_learned_sequence", most=LARGEST_SEQUENCE),
    )


def _user(user: str | None) -> str:
    if user == "":
        raise InvalidInput("user is empty; give the user's id, or None for nobody in particular")
    return "" if user is None else unicode(user)


def _examples(examples: Sequence[str | Weighted], argument: str, sign: int) -> Iterator[QueryPart]:
    for index, each in enumerate(examples):
        what = f"{argument}[{index}]"
        example = Weighted(each) if isinstance(each, str) else each
        if not isinstance(cast(object, example), Weighted):
            kind = type(example).__name__
            raise InvalidInput(
                f"{what} must be a record's id or a Weighted, not a {kind}; Weighted(text=...) is a text"
            )
        weight = sign * _above_0(example.weight, f"weight of {what}")
        part = Part(example.text, example.image, example.vector, example.record, weight, example.vector_name)
        yield part_message(part, what)


def _above_0(value: float, what: str) -> float:
    if number(value, what) <= 0:
        raise InvalidInput(f"{what} {value!r} is not above 0")
    return value
