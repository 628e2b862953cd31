"""The newest rows, in memory."""

import numpy as np
import pytest

from frostline.server.collections.config import Metric
from frostline.server.collections.vectors import exact
from frostline.server.collections.vectors.selection import Selection
from frostline.server.collections.vectors.tail import Tail


@pytest.mark.parametrize("metric", Metric)
def test_finds_what_was_added_whole_or_selected(metric):
    random = np.random.default_rng(0)
    vectors = random.standard_normal((3_000, 16)).astype(np.float32)
    tail = Tail.empty(16, metric)
    for start in range(0, 3_000, 170):
        tail = tail.added(vectors[start : start + 170])
    stored = exact.normalized(vectors, metric)
    queries = exact.normalized(random.standard_normal((12, 16)).astype(np.float32), metric)
    matching = random.random(3_000) < 0.3
    for selection, allowed in (
        (None, np.ones(3_000, np.bool_)),
        (Selection.of(np.flatnonzero(matching), 3_000), matching),
    ):
        for count in (1, 12):
            found = tail.search(queries[:count], 10, selection)
            for query, rows in zip(queries, found.rows, strict=False):
                scores = -np.linalg.norm(stored - query, axis=1) if metric is Metric.EUCLIDEAN else stored @ query
                scores[~allowed] = -np.inf
                assert rows.tolist() == np.argsort(-scores)[:10].tolist()


def test_an_older_tail_goes_on_answering_as_before():
    first = Tail.empty(4, Metric.DOT).added(np.eye(4, dtype=np.float32))
    second = first.added(np.full((2_000, 4), 9, np.float32))
    query = np.ones((1, 4), np.float32)
    assert first.search(query, 10).rows.tolist() == [[0, 1, 2, 3]]
    assert second.search(query, 3).rows.tolist() == [[4, 5, 6]]
    assert (first.count, second.count) == (4, 2_004)


def test_an_empty_tail_and_an_empty_selection_find_nothing():
    tail = Tail.empty(4, Metric.DOT)
    query = np.ones((1, 4), np.float32)
    assert tail.search(query, 5).rows.shape == (1, 0)
    tail = tail.added(np.eye(4, dtype=np.float32))
    assert tail.search(query, 5, Selection.of(np.array([], np.int64), 4)).rows.shape == (1, 0)


def test_cosine_of_tiny_and_huge_vectors_is_one_with_themselves():
    tail = Tail.empty(2, Metric.COSINE).added(np.array([[1e-38, 1e-38], [1e18, 0]], np.float32))
    found = tail.search(exact.normalized(np.array([[1, 1]], np.float32), Metric.COSINE), 2)
    assert found.rows.tolist() == [[0, 1]]
    assert found.scores[0] == pytest.approx([1, 0.5**0.5])
    assert found.scores.max() <= 1
