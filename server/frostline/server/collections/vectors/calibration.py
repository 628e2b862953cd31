"""Chooses the parameters of a search so that the recall asked for is reached, and measures what is reached."""

import math
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from frostline.server.collections.vectors import exact
from frostline.server.collections.vectors.measuring import (
    Spread,
    among,
    ascending,
    code_seconds,
    filtered_recall,
    plain_recall,
    published,
    row_seconds,
    sharing,
)
from frostline.server.collections.vectors.segment import COUNTED_ROWS, SegmentVectors
from frostline.server.collections.vectors.truth import FORMS, NEIGHBORS, PLAIN_NEIGHBORS, Case, questions
from frostline.server.collections.vectors.tuning import Measured, Tuning, chosen_lists
from frostline.server.collections.vectors.vector_index import HnswIndex, Index, IvfIndex
from frostline.server.report import Report

PLAIN_MISS = 0.8
"""What may be missed, as a share of what was allowed to be: a sample of queries does not say it more exactly."""
FILTERED_MISS = 0.3
"""The same under filters. What is published is a mean over filters: near 1, each is near the mean."""
_PLAIN_DROPPED = 0.2
"""What compressed comparison may drop of it."""
_FILTERED_DROPPED = 0.12
_FILTERED_START = 0.6
"""Where the search for the shares under filters begins."""
_ATTEMPTS = 12
_FILLED = 2
"""Rows per neighbor that the lists of a query hold at least, on average."""
_MOST_CANDIDATES = 64
"""Candidates per neighbor at most."""
_EF = (16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512, 768, 1024)


def calibrated(
    vectors: NDArray[np.float32], tuning: Tuning, index: Index, report: Report, older: int | None = None
) -> Tuning:
    """The tuning table of a new index.

    Args:
        vectors: float32 of shape (n, d), what was indexed.
        tuning: what is known so far.
        index: the index.
        report: is told the stage and its done share.
        older: how many rows, from the first, are not newer: recall is reached for both sorts. None for one sort.
    """
    spread = Spread(index, tuning) if isinstance(index, IvfIndex) else None
    cases = questions(
        vectors, tuning.metric, None if spread is None else spread.add, lambda done: report("measure", done), older
    )
    if spread is not None:
        tuning = _checked(tuning, spread.result())
    plain = [case for case in cases if case.selection is None]
    filtered = [case for case in cases if case.selection is not None]
    tuning = _checked(tuning, {"row_seconds": row_seconds(vectors, tuning)})
    if isinstance(index, HnswIndex):
        return _tuned_hnsw(vectors, tuning, index, plain, filtered, report)
    return _tuned_lists(vectors, tuning, index, plain, filtered, report)


def _tuned_lists(
    vectors: NDArray[np.float32],
    tuning: Tuning,
    index: IvfIndex,
    plain: list[Case],
    filtered: list[Case],
    report: Report,
) -> Tuning:
    # Generous at first, so that candidates are chosen among neighbors that the lists do hold.
    share = _allowed(tuning, _PLAIN_DROPPED)
    tuning = _checked(tuning, {"filtered_shares": (share, share)})
    report("tune", 0.0)
    tuning = _checked(tuning, {"candidates": _plain_candidates(tuning, index, plain)})
    tuning = _checked(tuning, {"code_seconds": code_seconds(tuning, index, plain[0].query)})
    tuning = _checked(tuning, {"exact_rows": _exact_rows(tuning)})
    report("tune", 0.2)
    tuning = _checked(tuning, {"nprobe": (tuning.lists, tuning.lists)})
    at_10, measured = _fewest_lists(vectors, tuning, index, plain, NEIGHBORS, 1)
    tuning = _checked(tuning, {"nprobe": (at_10, tuning.lists)})
    at_100, widest = _fewest_lists(vectors, tuning, index, plain, PLAIN_NEIGHBORS, at_10)
    changes: dict[str, object] = {
        "nprobe": (at_10, at_100),
        "measured": [measured],
        "recall_at_100": widest.recall,
    }
    tuning = _checked(tuning, changes)
    report("tune", 0.4)
    most = max(tuning.candidates[0], _filtered_candidates(tuning, index, filtered))
    ratio = most / tuning.candidates[0]
    tuning = _checked(tuning, {"filtered_candidates": (most, round(tuning.candidates[1] * ratio))})
    return _kept(vectors, _raised(vectors, tuning, index, filtered, report), index, plain)


def _fewest_lists(
    vectors: NDArray[np.float32], tuning: Tuning, index: IvfIndex, plain: list[Case], k: int, least: int
) -> tuple[int, Measured]:
    """The fewest lists, `least` or more, that reach the recall for k neighbors, or all, and what is reached."""

    def measured(nprobe: int) -> Measured:
        # The same for any number of neighbors: the query's own row makes them k + 1.
        wanted = tuning.candidates_for(k, filtered=False)
        tried = _checked(tuning, {"nprobe": (nprobe, nprobe), "candidates": (wanted, wanted)})
        return plain_recall(SegmentVectors(vectors, tried, index), plain, k)

    # Queries whose lists hold too few rows are answered exactly: fewer lists would seem to find more.
    high = min(tuning.lists, max(least, math.ceil(_FILLED * k * tuning.lists / tuning.rows)))
    low, reached = high - 1, measured(high)
    while high < tuning.lists and reached.recall < _allowed(tuning, PLAIN_MISS):
        low, high = high, min(2 * high, tuning.lists)
        reached = measured(high)
    while high - low > max(1, low // 32):
        middle = (low + high) // 2
        there = measured(middle)
        if there.recall < _allowed(tuning, PLAIN_MISS):
            low = middle
        else:
            high, reached = middle, there
    return high, reached


def _raised(
    vectors: NDArray[np.float32], tuning: Tuning, index: IvfIndex, filtered: list[Case], report: Report
) -> Tuning:
    """Raises the shares searched under filters until the recall is reached with all forms of them."""
    plain, aim = tuning.measured, _allowed(tuning, FILTERED_MISS)
    shares = [_allowed(tuning, _FILTERED_START)] * 2
    answered: dict[tuple[float, str], list[tuple[float, str]]] = {}
    short = {False, True}
    for attempt in range(_ATTEMPTS):
        report("tune", 0.4 + 0.6 * attempt / _ATTEMPTS)
        tuning = _checked(tuning, {"filtered_shares": tuple(shares)})
        asked = [case for case in filtered if (case.form != FORMS[0]) in short]
        answered |= filtered_recall(SegmentVectors(vectors, tuning, index), asked)
        tuning = _checked(tuning, {"measured": [*plain, *published(answered)]})
        means = {key: float(np.mean([recall for recall, _ in pairs])) for key, pairs in answered.items()}
        short = {form != FORMS[0] for (_, form), mean in means.items() if mean < aim}
        if not short:
            break
        shares = [each + (1 - each) / 3 * (place in short) for place, each in enumerate(shares)]
    return tuning


def _allowed(tuning: Tuning, miss: float) -> float:
    """The recall at which this share of what may be missed is missed."""
    return 1 - (1 - tuning.min_recall) * miss


def _kept(vectors: NDArray[np.float32], tuning: Tuning, index: Index, plain: list[Case]) -> Tuning:
    """The finished table; what the index cannot do as was asked for is compared exactly."""
    short = [each for each in tuning.measured if each.recall < tuning.min_recall or tuning.min_recall == 1]
    if any(each.selectivity == 1 for each in short) or tuning.recall_at_100 < tuning.min_recall:
        tuning = _checked(tuning, {"exact_rows": tuning.rows, "recall_at_100": 1.0})
        return _checked(
            tuning, {"measured": [plain_recall(SegmentVectors(vectors, tuning, index), plain[:1], NEIGHBORS)]}
        )
    return _checked(tuning, {"exact_rows": tuning.rows - 1}) if short else tuning


def _tuned_hnsw(
    vectors: NDArray[np.float32],
    tuning: Tuning,
    index: HnswIndex,
    plain: list[Case],
    filtered: list[Case],
    report: Report,
) -> Tuning:
    tuning = _checked(tuning, {"candidates": (30, 150), "filtered_candidates": (40, 200), "exact_rows": 4_000})
    for place, ef in enumerate(_EF):
        report("tune", place / len(_EF))
        tuning = _checked(tuning, {"ef": ef})
        segment = SegmentVectors(vectors, tuning, index)
        at_10, at_100 = (plain_recall(segment, plain, k) for k in (NEIGHBORS, PLAIN_NEIGHBORS))
        tuning = _checked(tuning, {"measured": [at_10], "recall_at_100": at_100.recall})
        if min(at_10.recall, at_100.recall) >= _allowed(tuning, PLAIN_MISS):
            break
    tuning = _kept(vectors, tuning, index, plain)
    answered = filtered_recall(SegmentVectors(vectors, tuning, index), filtered)
    return _checked(tuning, {"measured": [*tuning.measured, *published(answered)]})


def _plain_candidates(tuning: Tuning, index: IvfIndex, plain: list[Case]) -> tuple[int, int]:
    queries = np.concatenate([case.query for case in plain])
    wanted: list[int] = []
    for k in (NEIGHBORS, PLAIN_NEIGHBORS):
        most = min(k * _MOST_CANDIDATES // (1 if k == NEIGHBORS else 4), tuning.rows // 4)
        exact.use_threads(len(queries))
        found = index.candidates(queries, most, tuning.lists_for(k, tuning.filtered_shares[0]), None)
        places = _places(zip(found, (case.answer[:k] for case in plain), strict=True))
        # One more for the query's own row.
        wanted.append(_enough(_allowed(tuning, _PLAIN_DROPPED), places, k, most) + 1)
    return wanted[0], max(wanted)


def _filtered_candidates(tuning: Tuning, index: IvfIndex, filtered: list[Case]) -> int:
    """Enough for every sort of filter that is not answered exactly."""
    wanted = NEIGHBORS
    most = min(NEIGHBORS * _MOST_CANDIDATES, tuning.rows // 4)
    for sort in {(case.selectivity, case.form) for case in filtered}:
        pairs: list[tuple[NDArray[np.int64], NDArray[np.int64]]] = []
        for selection, cases in sharing(case for case in filtered if (case.selectivity, case.form) == sort):
            if selection.count <= tuning.exact_rows:
                continue
            matches = selection.counts(index, index.list_of_row, tuning.lists, COUNTED_ROWS)
            queries = np.concatenate([case.query for case in cases])
            order, share = index.nearest_lists(queries), tuning.filtered_shares[0]
            lists = chosen_lists(tuning, order, index.sizes, matches, NEIGHBORS, share)
            exact.use_threads(len(queries))
            found = index.candidates_in(queries, most, lists.ids, selection)
            pairs += zip(found, (case.answer for case in cases), strict=True)
        if pairs:
            places = _places(pairs)
            wanted = max(wanted, _enough(_allowed(tuning, _FILTERED_DROPPED), places, NEIGHBORS, most))
    return wanted


def _places(pairs: Iterable[tuple[NDArray[np.int64], NDArray[np.int64]]]) -> NDArray[np.int64]:
    """At which places of what was found the answers are; answers not found are passed over."""
    return np.concatenate([np.flatnonzero(among(found, answer)) for found, answer in pairs])


def _enough(share: float, places: NDArray[np.int64], k: int, most: int) -> int:
    """How many candidates hold this share of the answers."""
    if not len(places):  # as when all rows are equal
        return most
    return min(most, max(2 * k, int(np.quantile(places, share)) + 1))


def _exact_rows(tuning: Tuning) -> int:
    """Up to how many matching rows comparing them is the faster plan; for a filter independent of the vectors."""
    best = 0
    for count in ascending(1_000, max(1_000, min(tuning.rows // 2, 50_000)), (1, 1.5, 2, 3, 4, 6, 8)):
        ball = min(tuning.rows, NEIGHBORS * tuning.rows / count)
        searched = tuning.lists_for(ball, tuning.filtered_shares[0]) / tuning.lists * tuning.rows
        if count * tuning.row_seconds <= searched * tuning.code_seconds + 2 * tuning.lists * tuning.code_seconds:
            best = count
    return best


def _checked(tuning: Tuning, changes: dict[str, object]) -> Tuning:
    """A changed tuning table, validated again."""
    return Tuning.model_validate({**tuning.model_dump(), **changes})
