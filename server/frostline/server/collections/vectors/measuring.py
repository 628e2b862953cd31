"""Measures an index: how rows spread over its lists, what comparing takes, and what share of the nearest it finds."""

import time
from collections.abc import Callable, Iterable, Iterator
from itertools import groupby

import numpy as np
from numpy.typing import NDArray

from frostline.server.collections.vectors import exact
from frostline.server.collections.vectors.segment import SegmentVectors
from frostline.server.collections.vectors.selection import Selection
from frostline.server.collections.vectors.truth import FORMS, NEIGHBORS, Case, Ranking
from frostline.server.collections.vectors.tuning import Measured, Tuning
from frostline.server.collections.vectors.vector_index import IvfIndex

_TIMED_ROWS = 4_000
_TOGETHER = 128


class Spread:
    """Collects how the nearest rows of queries spread over the lists.

    Args:
        index: of all rows.
        tuning: what is known of it.
    """

    def __init__(self, index: IvfIndex, tuning: Tuning) -> None:
        self._index = index
        self._balls = ascending(10, tuning.rows, (1, 2, 5))
        self._ranks = np.array(ascending(1, tuning.lists, (1, 1.5, 2, 3, 4, 6, 8)))
        self._sums = np.zeros((len(self._balls), len(self._ranks)))
        self._count = 0

    def add(self, ranking: Ranking) -> None:
        """Takes one more query into account."""
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
        """The fields of the tuning table."""
        coverage = np.clip(self._sums / self._count, 0, 1)
        return {"ball_sizes": self._balls, "list_ranks": self._ranks.tolist(), "coverage": coverage.tolist()}


def plain_recall(segment: SegmentVectors, plain: list[Case], k: int) -> Measured:
    """Recall of the k nearest without a filter, of a segment that takes k + 1 neighbors for k.

    Of newer rows as queries and of others, the lower one.
    """
    hits, wanted, plan = [0, 0], [0, 0], ""
    for start in range(0, len(plain), _TOGETHER):
        cases = plain[start : start + _TOGETHER]
        # One more than k: each query is itself a row.
        found = segment.search(np.concatenate([case.query for case in cases]), k + 1)
        plan = found.plan.name
        for case, rows in zip(cases, found.rows, strict=True):
            answer = case.answer[:k]
            hits[case.newer] += int(among(rows[rows != case.row][:k], answer).sum())
            wanted[case.newer] += len(answer)
    recall = min(found / of for found, of in zip(hits, wanted, strict=True) if of)
    return Measured(selectivity=1.0, correlated=False, recall=recall, plan=plan)


def filtered_recall(segment: SegmentVectors, filtered: list[Case]) -> dict[tuple[float, str], list[tuple[float, str]]]:
    """Recall of the 10 nearest, and the plan, of each question by selectivity and form of its filter."""

    def sort(case: Case) -> tuple[float, str]:
        return case.selectivity, case.form

    answered: dict[tuple[float, str], list[tuple[float, str]]] = {}
    for key, group in groupby(sorted(filtered, key=sort, reverse=True), sort):
        for selection, cases in sharing(group):
            found = segment.search(np.concatenate([case.query for case in cases]), NEIGHBORS, selection)
            for case, rows in zip(cases, found.rows, strict=True):
                recall = float(among(rows, case.answer).sum()) / len(case.answer)
                answered.setdefault(key, []).append((recall, found.plan.name))
    return answered


def sharing(filtered: Iterable[Case]) -> Iterator[tuple[Selection, list[Case]]]:
    """Questions under a filter, those with the same one together where they follow each other."""
    for _, group in groupby(filtered, lambda case: id(case.selection)):
        cases = list(group)
        selection = cases[0].selection
        assert selection is not None  # each has a filter
        yield selection, cases


def published(answered: dict[tuple[float, str], list[tuple[float, str]]]) -> list[Measured]:
    """Recall by sort of filter, the widest first, of those that were mostly answered in one way."""
    measured: list[Measured] = []
    for selectivity in sorted({selectivity for selectivity, _ in answered}, reverse=True):
        for correlated in (False, True):
            forms = [form for form in FORMS if (form != FORMS[0]) == correlated]
            pairs = [pair for form in forms for pair in answered.get((selectivity, form), [])]
            plans = [plan for _, plan in pairs]
            if plans:
                plan = max(set(plans), key=plans.count)
                recall = float(np.mean([each for each, name in pairs if name == plan]))
                measured.append(Measured(selectivity=selectivity, correlated=correlated, recall=recall, plan=plan))
    return measured


def row_seconds(vectors: NDArray[np.float32], tuning: Tuning) -> float:
    """What comparing a query with one row takes, of rows all over the file."""
    rows = np.random.default_rng(2).choice(len(vectors), min(_TIMED_ROWS, len(vectors) // 2), replace=False)
    selection = Selection.of(rows, len(vectors))
    query = np.ascontiguousarray(vectors[:1])
    return _seconds(lambda: exact.nearest(vectors, query, NEIGHBORS, tuning.metric, selection)) / len(rows)


def code_seconds(tuning: Tuning, index: IvfIndex, query: NDArray[np.float32]) -> float:
    """What comparing a query with one compressed row takes."""
    exact.use_threads(1)
    few, many, count = 1, max(2, tuning.lists // 4), tuning.candidates[0]
    more = _seconds(lambda: index.candidates(query, count, many, None))
    less = _seconds(lambda: index.candidates(query, count, few, None))
    return max(0.0, more - less) / (tuning.rows * (many - few) / tuning.lists)


def _seconds(work: Callable[[], object]) -> float:
    """The shortest of some runs: what else the machine did is not of interest."""
    taken: list[float] = []
    for _ in range(7):
        start = time.perf_counter()
        work()
        taken.append(time.perf_counter() - start)
    return min(taken)


def among(rows: NDArray[np.int64], answer: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Which of the rows are in the answer, which is not empty."""
    ordered = np.sort(answer)
    inside: NDArray[np.bool_] = ordered[np.minimum(np.searchsorted(ordered, rows), len(ordered) - 1)] == rows
    return inside


def ascending(first: int, last: int, steps: tuple[float, ...]) -> list[int]:
    """Ascending numbers, evenly by ratio."""
    numbers = {int(first * 10**power * step) for power in range(12) for step in steps}
    return [*sorted(each for each in numbers if each < last), last]
