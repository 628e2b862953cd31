"""Searches a view: from queries to hits.

    filter -> rankings, without what is left out -> fusion -> min_score -> grouping -> diversity -> offset -> reading

Grouping comes before diversity, so that the hits differ among what groups let through, and the best of each group stay.
Scores stay those of the ranking or fusion; diversity changes only the order. Offset counts last, so pages of the same
query do not overlap; where rankings are fused, made diverse or grouped, give their depth, because the usual one grows
with what is asked for, and the order may change with it.
"""

import math
from collections.abc import Sequence
from time import perf_counter

import numpy as np
from numpy.typing import NDArray

from frostline.server.collections.search.answering import answer
from frostline.server.collections.search.candidates import MAX_DEPTH, CandidateSearch
from frostline.server.collections.search.query import Explanation, Fusion, Hits, Leg, SearchOptions, SearchQuery
from frostline.server.collections.search.scores import check_reachable_by_fusion, check_reachable_by_vector
from frostline.server.collections.search.search_port import Matching, View
from frostline.server.errors import InvalidInput

MAX_HITS = 1_000_000
"""The most hits of one call."""
MAX_ANSWER_BYTES = 64 << 20


def search(view: View, queries: Sequence[SearchQuery], options: SearchOptions, max_answer_bytes: int) -> Hits:
    """Finds the records that each query asks for, as of one commit.

    Args:
        view: what is searched.
        queries: q queries with checked vectors. Keywords beside vectors, and several vectors, are fused.
        options: of all queries.
        max_answer_bytes: the most bytes of ids and payloads, each as often as it was found.

    Returns:
        The hits; fewer than asked for only if fewer match. A record whose payload is read and damaged is logged and
        left out.

    Raises:
        InvalidInput: an option or a weight is out of range, a query asks for nothing, nothing can have the lowest
            score, too many hits are asked for, or what was found is larger than an answer may be.
    """
    if not queries:
        return search_vectors(view, np.empty((0, 0), np.float32), 0, options, max_answer_bytes)
    slot = _one_slot(queries)
    if slot is not None and _is_plain(options):
        if len(queries) == 1:
            vectors = queries[0].legs[0].vector[np.newaxis]
        else:
            vectors = np.stack([query.legs[0].vector for query in queries])
        return search_vectors(view, vectors, slot, options, max_answer_bytes)
    wanted = _check(view, len(queries), options)
    _check_queries(view, queries, options)
    explanation = Explanation()
    matching = _matching(view, options, explanation)
    best = CandidateSearch(view, options, wanted, matching, explanation).best(queries)
    passed = options.offset
    groups = [each.groups[passed:] if each.groups else [] for each in best] if options.grouping else None
    internal_ids = [each.internal_ids[passed:] for each in best]
    scores = [each.scores[passed:] for each in best]
    return answer(view, internal_ids, scores, groups, options, explanation, max_answer_bytes)


def search_vectors(
    view: View,
    vectors: NDArray[np.float32],
    slot: int,
    options: SearchOptions,
    max_answer_bytes: int = MAX_ANSWER_BYTES,
) -> Hits:
    """Finds the records closest to each vector: `search` without detours.

    Args:
        view: what is searched.
        vectors: float32 of shape (q, d), checked.
        slot: of the vector name they are compared with.
        options: of all queries.
        max_answer_bytes: as for `search`.

    Raises:
        InvalidInput: as for `search`.
    """
    if not _is_plain(options) and len(vectors):
        return search(view, [SearchQuery((Leg(slot, vector),)) for vector in vectors], options, max_answer_bytes)
    wanted = _check(view, len(vectors), options)
    explanation = Explanation()
    if not len(vectors):
        payloads: list[list[bytes]] | None = [] if options.payloads else None
        groups: list[list[bytes]] | None = [] if options.grouping else None
        return Hits([], [], payloads, groups, view.sequence, 1.0, explanation)
    if options.min_score is not None:
        check_reachable_by_vector(options.min_score, view.config.vectors[slot].metric)
    matching = _matching(view, options, explanation)
    started = perf_counter()
    ranking = view.nearest(slot, vectors, wanted, matching, exact=options.exact)
    explanation.vector_seconds = perf_counter() - started
    explanation.steps += ranking.steps
    internal_ids, scores = ranking.internal_ids, ranking.scores
    if options.min_score is not None:
        kept = [int(np.count_nonzero(each >= options.min_score)) for each in scores]
        internal_ids = [each[:end] for each, end in zip(internal_ids, kept, strict=True)]
        scores = [each[:end] for each, end in zip(scores, kept, strict=True)]
    if options.offset:
        internal_ids = [each[options.offset :] for each in internal_ids]
        scores = [each[options.offset :] for each in scores]
    return answer(view, internal_ids, scores, None, options, explanation, max_answer_bytes)


def _is_plain(options: SearchOptions) -> bool:
    """Whether rankings by one vector need to be read once only, and keep their order."""
    return not (options.diversity or options.grouping or options.whole_range)


def _one_slot(queries: Sequence[SearchQuery]) -> int | None:
    """The slot of all queries, where each is one vector and nothing else."""
    slot = queries[0].legs[0].slot if queries[0].legs else None
    for query in queries:
        if len(query.legs) != 1 or query.keywords or query.exclude or query.legs[0].slot != slot:
            return None
    return slot


def _matching(view: View, options: SearchOptions, explanation: Explanation) -> Matching | None:
    if options.expression is None:
        return None
    started = perf_counter()
    matching = view.matching(options.expression)
    explanation.filter_seconds = perf_counter() - started
    explanation.selectivity = matching.count / (view.count or 1)
    explanation.filter_indexed = matching.indexed
    explanation.unindexed_fields = matching.unindexed_fields
    return matching


def _check(view: View, queries: int, options: SearchOptions) -> int:
    """Checks options; returns how many candidates of each query are wanted, those to pass over among them."""
    limit, offset = options.limit, options.offset
    if options.whole_range and not limit:
        limit = MAX_DEPTH - offset
    if limit < 1:
        raise InvalidInput(f"limit {options.limit} is out of range; ask for at least 1 hit")
    if offset < 0 or limit + offset > MAX_DEPTH:
        raise InvalidInput(
            f"offset {offset} with limit {limit} is out of range; take an offset of at least 0, and at most "
            f"{MAX_DEPTH} for both together"
        )
    deep = limit + offset
    if queries * deep > MAX_HITS and (hits := queries * min(deep, view.count)) > MAX_HITS:
        raise InvalidInput(
            f"{queries} queries with {deep} hits each ask for {hits} hits, those passed over counted; at most "
            f"{MAX_HITS} are found at once, send fewer queries or a lower limit"
        )
    if options.min_score is not None and math.isnan(options.min_score):
        raise InvalidInput("min_score is not a number; give the lowest score of a hit, or leave it out")
    if () in options.payload_fields:
        raise InvalidInput("payload_fields holds an empty path; name a field, or leave payload_fields out for all")
    if not _is_plain(options):
        _check_detours(options)
    return limit + offset


def _check_detours(options: SearchOptions) -> None:
    if not 0 <= options.diversity <= 1:
        raise InvalidInput(f"diversity {options.diversity:g} is out of range; take 0 to 1")
    if options.grouping and not options.grouping.path:
        raise InvalidInput("grouping has an empty path; name the payload field whose values make the groups")
    if options.grouping and options.grouping.max_per_group < 1:
        raise InvalidInput(f"max_per_group {options.grouping.max_per_group} is out of range; take at least 1")
    if options.whole_range and options.min_score is None:
        raise InvalidInput("a range search needs min_score, the lowest score of a hit")


def _check_queries(view: View, queries: Sequence[SearchQuery], options: SearchOptions) -> None:
    _check_fusion(options.fusion)
    for place, query in enumerate(queries):
        if not query.legs and not query.keywords:
            raise InvalidInput(f"query {place} has neither a vector nor keywords; give one of them")
        if options.whole_range and (len(query.legs) != 1 or query.keywords):
            raise InvalidInput(
                f"query {place} has {len(query.legs)} vectors{' and keywords' if query.keywords else ''}; a range "
                "search takes exactly one vector and no keywords"
            )
        for leg in query.legs:
            if not math.isfinite(leg.weight):
                raise InvalidInput(f"query {place} has the weight {leg.weight}; it must be finite")
        if options.min_score is not None:
            _check_min_score(view, query, options.min_score, options.fusion)


def _check_min_score(view: View, query: SearchQuery, min_score: float, fusion: Fusion) -> None:
    if len(query.legs) + bool(query.keywords) > 1:
        check_reachable_by_fusion(min_score, query, fusion)
    elif query.legs:
        check_reachable_by_vector(min_score, view.config.vectors[query.legs[0].slot].metric)


def _check_fusion(fusion: Fusion) -> None:
    if not 0 <= fusion.depth <= MAX_DEPTH:
        raise InvalidInput(f"depth {fusion.depth} of fusion is out of range; take 0 to {MAX_DEPTH}")
    if fusion.rank_constant < 0:
        raise InvalidInput(f"rank_constant {fusion.rank_constant} is out of range; take at least 0")
    if not math.isfinite(fusion.keyword_weight):
        raise InvalidInput(f"keyword_weight {fusion.keyword_weight} is out of range; it must be finite")
