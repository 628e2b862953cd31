"""The best candidates of queries: rankings are read, put together and, where too few are left, read deeper.

Rule 1. A query gets fewer than are wanted only if fewer match: as long as a ranking goes on and what comes next may
        still count, it is read again twice as deep.
Rule 1a. Grouped by a declared field, a query of one ranking goes on without the groups that are full: the index knows
        their rows, so that what is read depends on how many groups are wanted, not on how large they are. Grouped by
        another field, or fused, where scores need the whole of each ranking, none is read deeper than
        `MAX_GROUPED_DEPTH`, and the explanation says where that was too little.
Rule 2. Records that are left out leave no gap: ranks, scales and depths are as if they did not exist.
Rule 3. What is found is that of the last depth read: fusion, diversity and grouping see nothing of earlier rounds, but
        for a ranking that went on without full groups, which is one with what was read of it before.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from time import perf_counter

import numpy as np
from numpy.typing import NDArray

from frostline.server.collections.config import Metric
from frostline.server.collections.search.diversity import diverse
from frostline.server.collections.search.fusion import Ranked, fuse
from frostline.server.collections.search.grouping import GroupValues, full_groups, grouped
from frostline.server.collections.search.query import Explanation, Leg, SearchOptions, SearchQuery, Step
from frostline.server.collections.search.search_port import Matching, Ranking, View
from frostline.server.errors import InvalidInput

MAX_DEPTH = 10_000
"""The deepest a ranking is first read, and the most hits of a query with those passed over."""
MIN_FUSED_DEPTH = 100
DEPTH_FACTOR = 5
MAX_GROUPED_DEPTH = 20_000
"""The deepest a ranking is read for groups that it cannot go on without."""
MAX_ROWS_AT_ONCE = 1_000_000
"""About how many rows of rankings are held at once."""
MAX_COMPARISONS = 50_000_000
"""The most candidates that are compared with a chosen one, for diversity, in all queries of a call."""


@dataclass(frozen=True, slots=True, eq=False)
class Candidates:
    """The best of a query, in the order of its hits, those to pass over among them.

    Attributes:
        internal_ids: int64 of shape (k,).
        scores: float32 of shape (k,).
        groups: k group values as JSON, with grouping only.
    """

    internal_ids: NDArray[np.int64]
    scores: NDArray[np.float32]
    groups: list[bytes] | None


@dataclass(slots=True, eq=False)
class _Round:
    """A query, and what of its rankings is read this time: `depth` rows of what matches, behind `read`."""

    place: int
    query: SearchQuery
    left_out: NDArray[np.int64]
    depth: int
    matching: Matching | None
    read: list[Ranked] = field(default_factory=list[Ranked])
    full: frozenset[bytes] = frozenset()

    @property
    def is_fused(self) -> bool:
        return len(self.query.legs) + bool(self.query.keywords) > 1

    def passed_over(self, ranking: int) -> NDArray[np.int64]:
        """Rows of one of the rankings that are not taken from it this time."""
        return np.concatenate([self.left_out, self.read[ranking].internal_ids]) if self.read else self.left_out


class CandidateSearch:
    """Finds the candidates of the queries of one call.

    Args:
        view: what is searched.
        options: of the call, checked.
        wanted: the most candidates of a query, at least 1.
        matching: which rows may be found; None for all.
        explanation: gets steps and seconds.
    """

    def __init__(
        self, view: View, options: SearchOptions, wanted: int, matching: Matching | None, explanation: Explanation
    ) -> None:
        self._view = view
        self._options = options
        self._wanted = wanted
        self._matching = matching
        self._explanation = explanation
        self._comparisons = 0
        path = options.grouping.path if options.grouping else ()
        self._group_values = GroupValues(view, path, explanation)

    def best(self, queries: Sequence[SearchQuery]) -> list[Candidates]:
        """Finds at most `wanted` candidates of each query.

        Raises:
            InvalidInput: diversity among so many takes too long, or the collection keeps no texts for keywords.
        """
        best: dict[int, Candidates] = {}
        pending = [self._first_round(place, query) for place, query in enumerate(queries)]
        while pending:
            deeper: list[_Round] = []
            for batch in _batches(pending):
                for each, rankings in zip(batch, self._read(batch), strict=True):
                    candidates = self._settled(each, rankings)
                    if candidates:
                        best[each.place] = candidates
                    else:
                        deeper.append(each)
            pending = deeper
        return [best[place] for place in range(len(queries))]

    def _first_round(self, place: int, query: SearchQuery) -> _Round:
        started = perf_counter()
        left_out = self._view.internal_ids(query.exclude) if query.exclude else np.empty(0, np.int64)
        self._explanation.read_seconds += perf_counter() - started
        first = _Round(place, query, left_out, self._wanted, self._matching)
        if first.is_fused or self._options.diversity or self._options.grouping:
            usual = min(max(MIN_FUSED_DEPTH, DEPTH_FACTOR * self._wanted), MAX_DEPTH)
            first.depth = max(self._wanted, self._options.fusion.depth or usual)
        return first

    def _read(self, batch: Sequence[_Round]) -> list[list[Ranked]]:
        """Reads all rankings of queries, those of the same vector name, depth and rows together."""
        rankings: list[dict[int, Ranked]] = [{} for _ in batch]
        together: dict[tuple[int, int, int], list[tuple[int, int, Leg]]] = defaultdict(list)
        for place, each in enumerate(batch):
            for number, leg in enumerate(each.query.legs):
                together[leg.slot, each.depth, id(each.matching)].append((place, number, leg))
        for (slot, depth, _), asked in together.items():
            most = depth + max(len(batch[place].passed_over(number)) for place, number, _ in asked)
            ranking = self._nearest(slot, [leg for _, _, leg in asked], most, batch[asked[0][0]].matching)
            for row, (place, number, leg) in enumerate(asked):
                rankings[place][number] = _continued(ranking, row, most, batch[place], number, leg.weight)
        for place, each in enumerate(batch):
            if each.query.keywords:
                number = len(each.query.legs)
                most = each.depth + len(each.passed_over(number))
                ranking = self._keywords(each.query.keywords, most, each.matching)
                weight = self._options.fusion.keyword_weight
                rankings[place][number] = _continued(ranking, 0, most, each, number, weight)
        return [[each[number] for number in sorted(each)] for each in rankings]

    def _nearest(self, slot: int, legs: Sequence[Leg], most: int, matching: Matching | None) -> Ranking:
        started = perf_counter()
        if self._options.whole_range:
            ranking = self._within(slot, legs, most, matching)
        else:
            vectors = np.stack([leg.vector for leg in legs])
            ranking = self._view.nearest(slot, vectors, most, matching, exact=self._options.exact)
        self._explanation.vector_seconds += perf_counter() - started
        self._explanation.steps += ranking.steps
        return ranking

    def _within(self, slot: int, legs: Sequence[Leg], most: int, matching: Matching | None) -> Ranking:
        min_score = self._options.min_score
        assert min_score is not None  # checked with the options
        found = [self._view.within(slot, leg.vector, min_score, most, matching) for leg in legs]
        steps = [step for each in found for step in each.steps]
        return Ranking([each.internal_ids[0] for each in found], [each.scores[0] for each in found], steps)

    def _keywords(self, text: str, most: int, matching: Matching | None) -> Ranking:
        started = perf_counter()
        ranking = self._view.keywords(text, most, matching)
        self._explanation.keyword_seconds += perf_counter() - started
        self._explanation.steps += ranking.steps
        return ranking

    def _settled(self, each: _Round, rankings: list[Ranked]) -> Candidates | None:
        """Puts rankings together; None where too few are left and reading deeper, as the round then says, may help."""
        started, read_before = perf_counter(), self._explanation.read_seconds
        internal_ids, scores, may_grow = self._pool(rankings)
        groups: list[bytes] | None = None
        if self._options.grouping:
            most = len(internal_ids) if self._options.diversity else self._wanted
            places, groups = grouped(internal_ids, self._group_values, self._options.grouping.max_per_group, most)
            internal_ids, scores = internal_ids[places], scores[places]
        candidates = None
        if len(internal_ids) >= self._wanted or not may_grow or not self._deepened(each, rankings, groups):
            candidates = self._chosen(each, internal_ids, scores, groups)
        reading = self._explanation.read_seconds - read_before
        self._explanation.rank_seconds += perf_counter() - started - reading
        return candidates

    def _deepened(self, each: _Round, rankings: list[Ranked], groups: list[bytes] | None) -> bool:
        """Says what to read next; False where it may not be more."""
        if groups is None or not self._options.grouping:
            each.depth *= 2
            return True
        full = full_groups(groups, self._options.grouping.max_per_group)
        path = self._options.grouping.path
        rest = None if each.is_fused else self._view.outside_groups(path, full, self._matching)
        if rest is None:
            return self._deepened_to_cap(each)
        # As long as groups fill up, others come into sight.
        each.depth = max(each.depth, min(2 * each.depth, MAX_DEPTH)) if full > each.full else 2 * each.depth
        each.matching, each.read, each.full = rest, rankings, full
        return True

    def _deepened_to_cap(self, each: _Round) -> bool:
        if each.depth < MAX_GROUPED_DEPTH:
            each.depth = min(2 * each.depth, MAX_GROUPED_DEPTH)
            return True
        matching = self._view.count if self._matching is None else self._matching.count
        self._explanation.steps.append(Step("groups", "capped", matching, each.depth))
        return False

    def _pool(self, rankings: Sequence[Ranked]) -> tuple[NDArray[np.int64], NDArray[np.float32], bool]:
        """Rows and scores, best first, and whether reading deeper may bring more."""
        may_grow = not all(each.complete for each in rankings)
        min_score = self._options.min_score
        if len(rankings) == 1:
            (only,) = rankings
            kept = len(only.scores) if min_score is None else int(np.count_nonzero(only.scores >= min_score))
            return only.internal_ids[:kept], only.scores[:kept], may_grow and kept == len(only.scores)
        fused = fuse(rankings, self._options.fusion)
        kept = len(fused.scores)
        if min_score is not None:
            kept = int(np.count_nonzero(fused.scores >= min_score))
            may_rise = fused.highest_unseen >= min_score or bool((fused.highest[kept:] >= min_score).any())
            may_grow = may_grow and may_rise
        return fused.internal_ids[:kept], fused.scores[:kept], may_grow

    def _chosen(
        self, each: _Round, internal_ids: NDArray[np.int64], scores: NDArray[np.float32], groups: list[bytes] | None
    ) -> Candidates:
        if not self._options.diversity:
            return Candidates(internal_ids[: self._wanted], scores[: self._wanted], groups)
        self._check_comparisons(len(internal_ids))
        slot = each.query.legs[0].slot if each.query.legs else 0
        metric = self._view.config.vectors[slot].metric
        cosines = metric is Metric.COSINE and not each.is_fused and bool(each.query.legs)
        vectors = self._view.vectors(slot, internal_ids)
        order = diverse(scores, vectors, metric, self._options.diversity, self._wanted, cosines=cosines)
        groups = groups and [groups[place] for place in order.tolist()]
        return Candidates(internal_ids[order], scores[order], groups)

    def _check_comparisons(self, candidates: int) -> None:
        self._comparisons += candidates * min(candidates, self._wanted)
        if self._comparisons > MAX_COMPARISONS:
            raise InvalidInput(
                f"diversity among {candidates} candidates for {self._wanted} hits takes more than {MAX_COMPARISONS} "
                "comparisons over all queries; lower limit, offset or the depth of fusion, or send fewer queries"
            )


def _continued(ranking: Ranking, row: int, most: int, each: _Round, number: int, weight: float) -> Ranked:
    """One ranking, without the records left out, cut to the depth, together with what was read of it before."""
    internal_ids, scores = ranking.internal_ids[row], ranking.scores[row]
    complete = len(internal_ids) < most
    passed_over = each.passed_over(number)
    if len(passed_over):
        kept = np.isin(internal_ids, passed_over, invert=True)
        internal_ids, scores = internal_ids[kept], scores[kept]
    complete = complete and len(internal_ids) <= each.depth
    internal_ids, scores = internal_ids[: each.depth], scores[: each.depth]
    if each.read:
        before = each.read[number]
        internal_ids = np.concatenate([before.internal_ids, internal_ids])
        scores = np.concatenate([before.scores, scores])
        order = np.lexsort((internal_ids, -scores))  # an index may find closer rows in its second reading
        internal_ids, scores = internal_ids[order], scores[order]
    return Ranked(internal_ids, scores, complete, weight)


def _batches(rounds: Sequence[_Round]) -> Iterator[list[_Round]]:
    """Splits queries so that their rankings fit into memory."""
    batch: list[_Round] = []
    rows = 0
    for each in rounds:
        rankings = len(each.query.legs) + bool(each.query.keywords)
        own = sum(each.depth + len(each.passed_over(number)) for number in range(rankings))
        if batch and rows + own > MAX_ROWS_AT_ONCE:
            yield batch
            batch, rows = [], 0
        batch.append(each)
        rows += own
    if batch:
        yield batch
