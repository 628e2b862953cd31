"""Chooses the parameters of a search so that the recall asked for is reached, and measures what is reached."""

import time
from collections.abc import Callable, Iterable
from itertools import groupby

import numpy as np
from numpy.typing import NDArray

from frostline.server.collections.vectors import exact
from frostline.server.collections.vectors.segment import SegmentVectors
from frostline.server.collections.vectors.selection import Selection
from frostline.server.collections.vectors.truth import NEIGHBORS, PLAIN_NEIGHBORS, Case, Ranking, questions
from frostline.server.collections.vectors.tuning import Measured, Tuning, chosen_lists
from frostline.server.collections.vectors.vector_index import HnswIndex, Index, IvfIndex

MARGIN = 0.01
"""Recall aimed for above what was asked for: a sample of queries does not say it more exactly."""
FILTERED_MARGIN = 0.02
"""The same under filters, of which some are harder than the mean."""
FILTERED_SHARE = 0.99
"""Where the search for a share under filters begins. Higher than needed without a filter: filters differ more."""
_ATTEMPTS = 12
_MOST_CANDIDATES = 64
"""Candidates per neighbor at most."""
_EF = (16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512, 768, 1024)
_TIMED_ROWS = 4_000


def calibrated(
    vectors: NDArray[np.float32], tuning: Tuning, index: Index, threads: int, report: Callable[[str, float], None]
) -> Tuning:
    """The tuning table of a new index.

    Args:
        vectors: float32 of shape (n, d), what was indexed.
        tuning: what is known so far.
        index: the index.
        threads: how many to use.
        report: is told the stage and its done share.
    """
    spread = _Spread(index, tuning) if isinstance(index, IvfIndex) else None
    cases = questions(
        vectors, tuning.metric, None if spread is None else spread.add, lambda done: report("measure", done)
    )
    if spread is not None:
        tuning = _checked(tuning, spread.result())
    plain = [case for case in cases if case.selection is None]
    filtered = [case for case in cases if case.selection is not None]
    tuning = _checked(tuning, {"row_seconds": _row_seconds(vectors, tuning)})
    if isinstance(index, HnswIndex):
        return _tuned_hnsw(vectors, tuning, index, plain, filtered, report)
    return _tuned_lists(vectors, tuning, index, plain, filtered, report)


class _Spread:
    """Collects how the nearest rows of queries spread over the lists."""

    def __init__(self, index: IvfIndex, tuning: Tuning) -> None:
        self._index = index
        self._balls = _grid(10, tuning.rows, (1, 2, 5))
        self._ranks = np.array(_grid(1, tuning.lists, (1, 1.5, 2, 3, 4, 6, 8)))
        self._sums = np.zeros((len(self._balls), len(self._ranks)))
        self._count = 0

    def add(self, ranking: Ranking) -> None:
        rank = np.empty(len(self._index.sizes), np.int64)
        rank[self._index.nearest_lists(ranking.query)[0]] = np.arange(len(rank))
        ranks = rank[self._index.list_of_row[ranking.rows]]
        held, start = np.zeros(len(rank), np.int64), 0
        for place, size in enumerate(self._balls):
            held += np.bincount(ranks[start:size], minlength=len(rank))
            start = size
            self._sums[place] += held.cumsum()[self._ranks - 1] / held.sum()
        self._count += 1

    def result(self) -> dict[str, object]:
        coverage = np.clip(self._sums / self._count, 0, 1)
        return {"ball_sizes": self._balls, "list_ranks": self._ranks.tolist(), "coverage": coverage.tolist()}


def _tuned_lists(
    vectors: NDArray[np.float32],
    tuning: Tuning,
    index: IvfIndex,
    plain: list[Case],
    filtered: list[Case],
    report: Callable[[str, float], None],
) -> Tuning:
    # Generous at first, so that candidates are chosen among neighbors that the lists do hold.
    tuning = _checked(tuning, {"share": 1 - (1 - tuning.min_recall) * 0.6, "filtered_share": FILTERED_SHARE})
    report("tune", 0.0)
    tuning = _checked(tuning, {"candidates": _plain_candidates(tuning, index, plain)})
    tuning = _checked(tuning, {"code_seconds": _code_seconds(tuning, index, plain)})
    tuning = _checked(tuning, {"exact_rows": _exact_rows(tuning)})
    at_10 = max(tuning.candidates[0], _filtered_candidates(tuning, index, filtered))
    ratio = at_10 / tuning.candidates[0]
    tuning = _checked(tuning, {"filtered_candidates": (at_10, round(tuning.candidates[1] * ratio))})
    tuning, measured = _raised(vectors, tuning, index, plain, "share", report)
    tuning, under_filters = _raised(vectors, tuning, index, filtered, "filtered_share", report)
    return _kept(vectors, _checked(tuning, {"measured": [*measured, *under_filters]}), index, plain)


def _raised(
    vectors: NDArray[np.float32],
    tuning: Tuning,
    index: Index,
    cases: list[Case],
    parameter: str,
    report: Callable[[str, float], None],
) -> tuple[Tuning, list[Measured]]:
    """Raises a share until the recall is reached with all sorts of filters."""
    measured = _measured(SegmentVectors(vectors, tuning, index), cases)
    for attempt in range(_ATTEMPTS):
        if _reached(tuning, measured):
            return tuning, measured
        report("tune", attempt / _ATTEMPTS)
        share = getattr(tuning, parameter)
        tuning = _checked(tuning, {parameter: share + (1 - share) / 4})
        measured = _measured(SegmentVectors(vectors, tuning, index), cases)
    return tuning, measured


def _reached(tuning: Tuning, measured: list[Measured]) -> bool:
    def aim(each: Measured) -> float:
        return min(1.0, tuning.min_recall + (FILTERED_MARGIN if each.selectivity < 1 else MARGIN))

    return all(each.recall >= aim(each) for each in measured)


def _kept(vectors: NDArray[np.float32], tuning: Tuning, index: Index, cases: list[Case]) -> Tuning:
    """The finished table; what the index cannot do as was asked for is compared exactly."""
    short = [each for each in tuning.measured if each.recall < tuning.min_recall or tuning.min_recall == 1]
    if any(each.selectivity == 1 for each in short):
        tuning = _checked(tuning, {"exact_rows": tuning.rows})
        return _checked(tuning, {"measured": _measured(SegmentVectors(vectors, tuning, index), cases[:1])})
    return _checked(tuning, {"exact_rows": tuning.rows - 1}) if short else tuning


def _tuned_hnsw(
    vectors: NDArray[np.float32],
    tuning: Tuning,
    index: HnswIndex,
    plain: list[Case],
    filtered: list[Case],
    report: Callable[[str, float], None],
) -> Tuning:
    tuning = _checked(tuning, {"candidates": (30, 150), "filtered_candidates": (40, 200), "exact_rows": 4_000})
    measured: list[Measured] = []
    for place, ef in enumerate(_EF):
        report("tune", place / len(_EF))
        tuning = _checked(tuning, {"ef": ef})
        measured = _measured(SegmentVectors(vectors, tuning, index), plain)
        if _reached(tuning, measured):
            break
    tuning = _kept(vectors, _checked(tuning, {"measured": measured}), index, plain)
    measured += _measured(SegmentVectors(vectors, tuning, index), filtered)
    return _checked(tuning, {"measured": measured})


def _measured(segment: SegmentVectors, cases: list[Case]) -> list[Measured]:
    """Recall of the 10 nearest by sort of filter."""

    def sort(case: Case) -> tuple[float, bool]:
        return -case.selectivity, case.correlated

    measured: list[Measured] = []
    for (selectivity, correlated), group in groupby(sorted(cases, key=sort), sort):
        recalls: list[float] = []
        plans: list[str] = []
        for case in group:
            found = segment.search(case.query, NEIGHBORS + (case.selection is None), case.selection)
            rows = [row for row in found.rows[0].tolist() if row != case.row][:NEIGHBORS]
            answer = case.answer[:NEIGHBORS].tolist()
            recalls.append(len(set(rows) & set(answer)) / len(answer))
            plans.append(found.plan.name)
        recall, plan = float(np.mean(recalls)), max(set(plans), key=plans.count)
        measured.append(Measured(selectivity=-selectivity, correlated=correlated, recall=recall, plan=plan))
    return measured


def _plain_candidates(tuning: Tuning, index: IvfIndex, plain: list[Case]) -> tuple[int, int]:
    queries = np.concatenate([case.query for case in plain])
    wanted: list[int] = []
    for k in (NEIGHBORS, PLAIN_NEIGHBORS):
        most = min(k * _MOST_CANDIDATES // (1 if k == NEIGHBORS else 4), tuning.rows // 4)
        nprobe = tuning.lists_for(k, tuning.share)
        exact.use_threads(len(queries))
        found = index.candidates(queries, most, nprobe, None)
        places = _places(zip(found, (case.answer[:k] for case in plain), strict=True))
        # One more for the query's own row.
        wanted.append(_enough(tuning, places, k, most) + 1)
    return wanted[0], max(wanted)


def _filtered_candidates(tuning: Tuning, index: IvfIndex, filtered: list[Case]) -> int:
    """Enough for every sort of filter that is not answered exactly."""
    wanted = NEIGHBORS
    most = min(NEIGHBORS * _MOST_CANDIDATES, tuning.rows // 4)
    for selectivity, correlated in {(case.selectivity, case.correlated) for case in filtered}:
        pairs: list[tuple[NDArray[np.int64], NDArray[np.int64]]] = []
        for case in filtered:
            if (case.selectivity, case.correlated) != (selectivity, correlated) or case.selection is None:
                continue
            if case.selection.count <= tuning.exact_rows:
                continue
            matches = np.bincount(index.list_of_row[case.selection.positions()], minlength=tuning.lists)
            order = index.nearest_lists(case.query)
            lists = chosen_lists(tuning, order, index.sizes, matches.astype(np.float32), NEIGHBORS)
            pairs.append((index.candidates_in(case.query, most, lists.ids, case.selection)[0], case.answer))
        if pairs:
            wanted = max(wanted, _enough(tuning, _places(pairs), NEIGHBORS, most))
    return wanted


def _places(pairs: Iterable[tuple[NDArray[np.int64], NDArray[np.int64]]]) -> NDArray[np.int64]:
    """At which places of what was found the answers are; answers not found are passed over."""
    return np.concatenate([np.flatnonzero(np.isin(found, answer)) for found, answer in pairs])


def _enough(tuning: Tuning, places: NDArray[np.int64], k: int, most: int) -> int:
    """How many candidates hold nearly all answers: they may cost a fifth of what recall may be short of 1."""
    found = 1 - (1 - tuning.min_recall) / 5
    if not len(places):  # as when all rows are equal
        return most
    return min(most, max(2 * k, int(np.quantile(places, found)) + 1))


def _row_seconds(vectors: NDArray[np.float32], tuning: Tuning) -> float:
    rows = np.random.default_rng(2).choice(len(vectors), min(_TIMED_ROWS, len(vectors) // 2), replace=False)
    selection = Selection.of(rows, len(vectors))
    query = np.ascontiguousarray(vectors[:1])
    seconds = _seconds(lambda: exact.nearest(vectors, query, NEIGHBORS, tuning.metric, selection))
    return seconds / len(rows)


def _code_seconds(tuning: Tuning, index: IvfIndex, plain: list[Case]) -> float:
    exact.use_threads(1)
    query, count = plain[0].query, tuning.candidates[0]
    few, many = 1, max(2, tuning.lists // 4)
    more = _seconds(lambda: index.candidates(query, count, many, None))
    less = _seconds(lambda: index.candidates(query, count, few, None))
    return max(0.0, more - less) / (tuning.rows * (many - few) / tuning.lists)


def _exact_rows(tuning: Tuning) -> int:
    """Up to how many matching rows comparing them is the faster plan; for a filter independent of the vectors."""
    best = 0
    for count in _grid(1_000, max(1_000, min(tuning.rows // 2, 50_000)), (1, 1.5, 2, 3, 4, 6, 8)):
        ball = min(tuning.rows, NEIGHBORS * tuning.rows / count)
        searched = tuning.lists_for(ball, tuning.filtered_share) / tuning.lists * tuning.rows
        if count * tuning.row_seconds <= searched * tuning.code_seconds + 2 * tuning.lists * tuning.code_seconds:
            best = count
    return best


def _seconds(work: Callable[[], object]) -> float:
    """The shortest of some runs: what else the machine did is not of interest."""
    taken: list[float] = []
    for _ in range(7):
        start = time.perf_counter()
        work()
        taken.append(time.perf_counter() - start)
    return min(taken)


def _grid(first: int, last: int, steps: tuple[float, ...]) -> list[int]:
    """Ascending numbers, evenly by ratio."""
    numbers = {int(first * 10**power * step) for power in range(12) for step in steps}
    return [*sorted(each for each in numbers if each < last), last]


def _checked(tuning: Tuning, changes: dict[str, object]) -> Tuning:
    """A changed tuning table, validated again."""
    return Tuning.model_validate({**tuning.model_dump(), **changes})
