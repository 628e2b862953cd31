"""How searches shall be done, as callers ask for it."""

import math
from dataclasses import replace
from functools import lru_cache

from frostline.server.api import convert, filters
from frostline.server.collections.search.query import Fusion, FusionMethod, Grouping, SearchMode, SearchOptions
from frostline.server.errors import InvalidInput
from frostline.v1 import search_service_pb2 as pb

DEFAULT_LIMIT = 10
MOST_DEEP = 10_000
"""The most of `limit` and `offset` together."""

_DEFAULT_RANK_CONSTANT = 60
_MOST_PATHS = 1_000

_MODES: dict[int, SearchMode] = {
    pb.SEARCH_MODE_UNSPECIFIED: SearchMode.VECTOR,
    pb.SEARCH_MODE_VECTOR: SearchMode.VECTOR,
    pb.SEARCH_MODE_KEYWORD: SearchMode.KEYWORD,
    pb.SEARCH_MODE_HYBRID: SearchMode.HYBRID,
}
_METHODS: dict[int, FusionMethod] = {
    pb.FUSION_METHOD_UNSPECIFIED: FusionMethod.RECIPROCAL_RANK,
    pb.FUSION_METHOD_RECIPROCAL_RANK: FusionMethod.RECIPROCAL_RANK,
    pb.FUSION_METHOD_WEIGHTED_SCORE: FusionMethod.WEIGHTED_SCORE,
}


def search_mode(request: pb.SearchRecordsRequest) -> SearchMode:
    """Reads how records are found."""
    return convert.known(_MODES, request.mode, "mode")


def search_options(request: pb.SearchRecordsRequest, mode: SearchMode) -> SearchOptions:
    """Reads how all queries of a call are answered.

    Args:
        request: of the call.
        mode: how records are found.

    Raises:
        InvalidInput: an option is out of range, or does not go together with another.
    """
    _check_depth(request)
    _check_scores(request, mode)
    if request.exact and mode is SearchMode.KEYWORD:
        raise InvalidInput(
            "exact is of no use with the mode keyword: it is about vectors, which keywords do not look at, and all "
            "records with the words are found anyway (with any of them: phrases are not searched for); leave exact out"
        )
    if request.payload_fields and not request.include_payloads:
        raise InvalidInput("payload_fields needs include_payloads; set it, or leave payload_fields out")
    convert.at_most(len(request.payload_fields), _MOST_PATHS, "payload_fields")
    plain = _plain(
        request.limit if request.range else request.limit or DEFAULT_LIMIT,
        request.offset,
        request.min_score if request.HasField("min_score") else None,
        request.diversity,
        request.exact,
        request.range,
        request.include_payloads,
        request.explain,
    )
    filtered, fused = request.HasField("filter"), request.HasField("fusion")
    grouped = request.HasField("grouping")
    if not (filtered or fused or grouped or request.payload_fields):
        return plain
    return replace(
        plain,
        expression=filters.expression(request.filter) if filtered else None,
        fusion=_fusion(request.fusion) if fused else _FUSION,
        grouping=grouping_of(request.grouping) if grouped else None,
        payload_fields=tuple(filters.path(each, "payload field") for each in request.payload_fields),
    )


_FUSION = Fusion()


@lru_cache(1024)
def _plain(
    limit: int,
    offset: int,
    min_score: float | None,
    diversity: float,
    exact: bool,
    whole_range: bool,
    payloads: bool,
    explain: bool,
) -> SearchOptions:
    """Options without parts of their own; callers ask with the same ones again and again."""
    return SearchOptions(
        limit=limit,
        offset=offset,
        min_score=min_score,
        fusion=_FUSION,
        diversity=diversity,
        exact=exact,
        whole_range=whole_range,
        payloads=payloads,
        explain=explain,
    )


def _check_depth(request: pb.SearchRecordsRequest) -> None:
    if not 0 <= request.limit <= MOST_DEEP:
        raise InvalidInput(f"limit {request.limit} is out of range; ask for 1 to {MOST_DEEP} hits")
    if request.offset < 0 or (request.limit or DEFAULT_LIMIT) + request.offset > MOST_DEEP:
        raise InvalidInput(
            f"offset {request.offset} is out of range; with the limit it may come to {MOST_DEEP}. Use a min_score or a "
            "filter to look deeper"
        )


def _check_scores(request: pb.SearchRecordsRequest, mode: SearchMode) -> None:
    if not math.isfinite(request.min_score):
        raise InvalidInput(f"min_score {request.min_score} is no score; give a number, or leave it out")
    if not 0 <= request.diversity <= 1:
        raise InvalidInput(f"diversity {request.diversity:g} is out of range; take 0 to 1")
    if not request.range:
        return
    if not request.HasField("min_score"):
        raise InvalidInput("range needs min_score, the lowest score of what is wanted")
    if mode is not SearchMode.VECTOR:
        raise InvalidInput("range is a search by vectors; take the mode VECTOR, or a min_score without range")


def _fusion(asked: pb.Fusion) -> Fusion:
    weight = asked.keyword_weight if asked.HasField("keyword_weight") else _FUSION.keyword_weight
    if not (math.isfinite(weight) and weight >= 0):
        raise InvalidInput(f"keyword_weight {weight:g} is out of range; take 0 or more")
    if asked.rank_constant < 0:
        raise InvalidInput(f"rank_constant {asked.rank_constant} is out of range; take 1 or more, or 0 for 60")
    if not 0 <= asked.depth <= MOST_DEEP:
        raise InvalidInput(f"depth {asked.depth} is out of range; take 1 to {MOST_DEEP}, or 0 for the server's choice")
    return Fusion(
        method=convert.known(_METHODS, asked.method, "fusion method"),
        keyword_weight=weight,
        rank_constant=asked.rank_constant or _DEFAULT_RANK_CONSTANT,
        depth=asked.depth,
    )


def grouping_of(asked: pb.Grouping) -> Grouping:
    """Reads how many of a group are let through.

    Raises:
        InvalidInput: it is out of range, or its path is none.
    """
    if not 0 <= asked.max_per_group <= MOST_DEEP:
        raise InvalidInput(f"max_per_group {asked.max_per_group} is out of range; take 1 to {MOST_DEEP}, or 0 for 1")
    return Grouping(filters.path(asked.path, "grouping path"), asked.max_per_group or 1)
