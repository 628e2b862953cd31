"""Questions whose exact answers are known: rows of the data as queries, with and without filters.

A query's own row is never part of an answer. Filters are independent of the vectors, or follow them in one of three
ways: the surroundings of another query, one side of a plane, or patches all over.
"""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from frostline.server.collections.config import Metric
from frostline.server.collections.vectors.selection import Selection

SELECTIVITIES = (0.5, 0.1, 0.01, 0.001)
FORMS = ("independent", "surroundings", "plane", "patches")
PLAIN_NEIGHBORS = 100
"""Neighbors known of a query without a filter."""
NEIGHBORS = 10
"""Neighbors known of a query with one."""
_QUERIES = 1_536
"""Of 128, the recall was off by 0.02: what is missed is mostly missed all at once, with the list it lies in."""
_RANKED = 128
"""So many of them are also asked with filters that follow the vectors, and ranked against all rows."""
_TOGETHER = 32
FEWEST = 200
"""Filters that leave fewer rows are not asked."""
FEWEST_QUERIES = 100
"""A sort of queries that fewer rows stand for says nothing."""
_BLOCK_ROWS = 1 << 16
_SAMPLED = 1 << 14


class Case(NamedTuple):
    """A question and its answer.

    Attributes:
        query: float32 of shape (1, d).
        row: the query's own, to be left out of what is found.
        selectivity: share of the rows that match; 1 without a filter.
        form: of the set of matching rows: independent, surroundings, plane or patches.
        selection: the matching rows, the query's own not among them; None for all, with it.
        answer: int64 of shape (10,) or, without a filter, (100,), closest first.
        newer: whether the query is one of the newer rows.
    """

    query: NDArray[np.float32]
    row: int
    selectivity: float
    form: str
    selection: Selection | None
    answer: NDArray[np.int64]
    newer: bool = False


class Ranking(NamedTuple):
    """All rows but its own, by closeness to a query: int64 of shape (n - 1,)."""

    query: NDArray[np.float32]
    rows: NDArray[np.int64]


def questions(
    vectors: NDArray[np.float32],
    metric: Metric,
    ranking: Callable[[Ranking], None] | None,
    report: Callable[[float], None],
    older: int | None = None,
) -> list[Case]:
    """Asks and answers.

    Args:
        vectors: float32 of shape (n, d).
        metric: how close two vectors are.
        ranking: is given the ranking of each of some of the queries; None for no one.
        report: is told the done share.
        older: how many rows, from the first, are not newer; the others are half of the queries. None for one sort,
            which is also what fewer than 100 on either side come to.
    """
    random = np.random.default_rng(1)
    if older is not None and min(older, len(vectors) - older) < FEWEST_QUERIES:
        older = None
    rows = _asked(len(vectors), older, random)
    center = vectors[rows].mean(axis=0)
    cases: list[Case] = []
    for start in range(0, len(rows), _TOGETHER):
        report(start / len(rows))
        asked = rows[start : start + _TOGETHER]
        queries = np.ascontiguousarray(vectors[asked])
        ranked = start < _RANKED
        planes = random.standard_normal((len(asked) if ranked else 0, vectors.shape[1]), np.float32)
        near, sides = _closeness(vectors, queries, planes, metric, center)
        near[np.arange(len(asked)), asked] = -np.inf
        for i, row in enumerate(asked):
            answer = _best(near[i], PLAIN_NEIGHBORS)
            newer = older is not None and int(row) >= older
            cases.append(Case(queries[i : i + 1], int(row), 1.0, FORMS[0], None, answer, newer))
        cases += _independent(near, queries, asked, random)
        if ranked:
            if ranking is not None:
                for i in range(len(asked)):
                    ranking(Ranking(queries[i : i + 1], np.argsort(-near[i])[:-1]))
            cases += _correlated(near, sides, queries, asked, random)
    return cases


def _asked(total: int, older: int | None, random: np.random.Generator) -> NDArray[np.int64]:
    """Rows as queries."""
    count = min(_QUERIES, total // 32)
    if older is None:
        return random.choice(total, count, replace=False)
    newer = min(total - older, count // 2)
    chosen = random.choice(older, min(older, count - newer), replace=False)
    others = older + random.choice(total - older, newer, replace=False)
    return random.permutation(np.concatenate([chosen, others]))


def _independent(
    near: NDArray[np.float32], queries: NDArray[np.float32], asked: NDArray[np.int64], random: np.random.Generator
) -> Iterator[Case]:
    """One filter of each selectivity for all the queries."""
    total = near.shape[1]
    free = np.ones(total, np.bool_)
    free[asked] = False
    others = np.flatnonzero(free)
    for selectivity, count in _filter_sizes(total):
        matching = random.choice(others, count, replace=False, shuffle=False)
        selection = Selection.of(matching, total)
        for i, row in enumerate(asked):
            answer = matching[_best(near[i][matching], NEIGHBORS)]
            yield Case(queries[i : i + 1], int(row), selectivity, FORMS[0], selection, answer)


def _correlated(
    near: NDArray[np.float32],
    sides: NDArray[np.float32],
    queries: NDArray[np.float32],
    asked: NDArray[np.int64],
    random: np.random.Generator,
) -> Iterator[Case]:
    """A filter of each selectivity for each of the queries."""
    total = near.shape[1]
    patches = near.argmax(axis=0)  # the query each row is nearest to
    for selectivity, count in _filter_sizes(total):
        for i, row in enumerate(asked):
            together = _together(i, near, sides, patches, count, random)
            matching = together[together != row]
            answer = matching[_best(near[i][matching], NEIGHBORS)]
            selection = Selection.of(matching, total)
            yield Case(queries[i : i + 1], int(row), selectivity, FORMS[1 + i % 3], selection, answer)


def _filter_sizes(total: int) -> list[tuple[float, int]]:
    """Selectivities that are asked for, and how many rows they leave."""
    sizes = [(selectivity, int(selectivity * total)) for selectivity in SELECTIVITIES]
    return [(selectivity, count) for selectivity, count in sizes if count >= FEWEST]


def _together(
    i: int,
    near: NDArray[np.float32],
    sides: NDArray[np.float32],
    patches: NDArray[np.int64],
    count: int,
    random: np.random.Generator,
) -> NDArray[np.int64]:
    """Rows that lie together, in the form whose turn it is."""
    if i % 3 == 0:
        return _best(near[(i + 1) % len(near)], count)
    if i % 3 == 1:
        return _best(sides[i], count)
    order = random.permutation(len(near)).astype(np.int64)
    chosen = np.argsort(order[patches], kind="stable")[:count]
    return chosen.astype(np.int64)


def _closeness(
    vectors: NDArray[np.float32],
    queries: NDArray[np.float32],
    planes: NDArray[np.float32],
    metric: Metric,
    center: NDArray[np.float32],
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """How close all rows are to queries, (q, n), and on which side of planes they lie, (p, n); higher is more."""
    near = np.empty((len(queries), len(vectors)), np.float32)
    sides = np.empty((len(planes), len(vectors)), np.float32)
    for start in range(0, len(vectors), _BLOCK_ROWS):
        part = slice(start, start + _BLOCK_ROWS)
        block = np.asarray(vectors[part])
        np.matmul(planes, block.T, out=sides[:, part])
        if metric is Metric.EUCLIDEAN:  # about the center, so that no large numbers cancel out
            block = block - center
            np.matmul(2 * (queries - center), block.T, out=near[:, part])
            near[:, part] -= np.einsum("nd,nd->n", block, block)
        else:
            np.matmul(queries, block.T, out=near[:, part])
    return near, sides


def _best(values: NDArray[np.float32], count: int) -> NDArray[np.int64]:
    """Places of the largest values, the largest first."""
    count = min(count, len(values))
    kept = np.arange(len(values))
    # Where few are wanted of many, the best of a sample say which can be left out.
    sample = values[:: max(1, len(values) // _SAMPLED)]
    above = 2 * count * len(sample) // len(values) + 8
    if above < len(sample) // 2:
        kept = np.flatnonzero(values >= np.partition(sample, -above)[-above])
        if len(kept) < count:
            kept = np.arange(len(values))
    near = values[kept]
    places = np.argpartition(-near, count - 1)[:count]
    return kept[places[np.argsort(-near[places], kind="stable")]]
