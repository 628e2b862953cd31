"""Every `VectorSearch` must answer like numpy that looks at everything."""

import sys
import threading

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collecting import brute_force
from frostline.server.collections.config import Metric
from frostline.server.collections.search_port import VectorSearch
from frostline.server.collections.vector_index import VectorIndex

NONE = np.empty(0, np.int64)
METRICS = pytest.mark.parametrize("metric", list(Metric))


def vectors_of(n, d, seed=0):
    return np.random.default_rng(seed).standard_normal((n, d), dtype=np.float32)


def filled(vectors, metric, block_rows=64, batch=50):
    index = VectorIndex(vectors.shape[1], metric, block_rows)
    for start in range(0, len(vectors), batch):
        ids = np.arange(start, min(start + batch, len(vectors)), dtype=np.int64)
        index = index.changed(ids, vectors[ids], NONE)
    return index


def removed(index, ids):
    return index.changed(NONE, np.empty((0, index.dimensions), np.float32), np.asarray(ids, np.int64))


def assert_like_brute_force(index: VectorSearch, vectors, alive, queries, k, metric):
    ids, scores = index.search(queries, k)
    alive = np.flatnonzero(alive)
    assert index.count == len(alive)
    assert ids.dtype == np.int64
    assert scores.dtype == np.float32
    assert ids.shape == scores.shape == (len(queries), min(k, len(alive)))
    for query, found, found_scores in zip(queries, ids, scores, strict=True):
        assert len(set(found)) == len(found)
        assert np.isin(found, alive).all()
        true = brute_force(vectors, query, metric)
        np.testing.assert_allclose(found_scores, true[found], rtol=1e-5, atol=1e-5)
        best = np.sort(true[alive])[::-1][: len(found)]
        np.testing.assert_allclose(found_scores, best, rtol=1e-5, atol=1e-5)


@METRICS
@pytest.mark.parametrize("queries", [1, 3, 5, 40])
@pytest.mark.parametrize("k", [1, 10, 150, 1000])
def test_answers_like_brute_force(metric, queries, k):
    vectors = vectors_of(500, 24)
    index = filled(vectors, metric)
    assert_like_brute_force(index, vectors, np.ones(500, bool), vectors_of(queries, 24, 1), k, metric)


@METRICS
@pytest.mark.parametrize("queries", [1, 40])
@pytest.mark.parametrize("share", [0.02, 0.2, 0.6, 0.99, 1])
def test_never_finds_what_was_deleted(metric, queries, share):
    vectors = vectors_of(500, 24)
    alive = np.random.default_rng(2).random(500) >= share
    index = removed(filled(vectors, metric), np.flatnonzero(~alive))
    assert_like_brute_force(index, vectors, alive, vectors_of(queries, 24, 1), 10, metric)


@settings(max_examples=50, deadline=None)
@given(
    st.sampled_from(list(Metric)),
    st.lists(st.tuples(st.integers(0, 40), st.lists(st.integers(0, 300), max_size=40)), max_size=12),
    st.integers(1, 50),
)
def test_answers_like_brute_force_after_any_additions_and_deletions(metric, steps, k):
    vectors, alive = vectors_of(500, 5), np.zeros(500, bool)
    index, end = VectorIndex(5, metric, block_rows=16), 0
    for added, deleted in steps:
        ids = np.arange(end, end + added, dtype=np.int64)
        index = index.changed(ids, vectors[ids], np.array(deleted, np.int64))
        end += added
        alive[ids] = True
        alive[[each for each in deleted if each < end]] = False
        assert index.dead_count * 4 <= index.count + index.dead_count
    for queries in (1, 8):
        assert_like_brute_force(index, vectors, alive, vectors_of(queries, 5, 1), k, metric)


def test_keeps_at_most_a_quarter_of_dead_rows_and_joins_blocks_that_shrank():
    index = filled(vectors_of(640, 8), Metric.DOT)
    assert len(index.blocks) == 10
    for each in np.random.default_rng(3).permutation(640)[:600]:
        index = removed(index, [each])
        assert all(block.dead_count * 4 <= block.count for block in index.blocks)
    assert index.count == 40
    assert len(index.blocks) <= 2


@pytest.mark.parametrize("queries", [1, 6])
def test_an_index_goes_on_answering_as_before_while_later_ones_are_made(queries):
    vectors = vectors_of(300, 8)
    before = removed(filled(vectors[:101], Metric.DOT), [100])
    queries = vectors_of(queries, 8, 1)
    expected = before.search(queries, 20)
    after = before.changed(np.arange(101, 300), vectors[101:], np.arange(0, 10, 2))
    found = before.search(queries, 20)
    np.testing.assert_array_equal(found.ids, expected.ids)
    np.testing.assert_array_equal(found.scores, expected.scores)
    alive = np.ones(300, bool)
    alive[[0, 2, 4, 6, 8, 100]] = False
    assert_like_brute_force(after, vectors, alive, queries, 20, Metric.DOT)


def test_a_change_that_was_given_up_leaves_nothing():
    vectors = vectors_of(120, 8)
    index = filled(vectors[:100], Metric.DOT)
    index.changed(np.arange(100, 110), vectors_of(10, 8, 7) * 100, np.arange(50))
    index = index.changed(np.arange(110, 120), vectors[110:], NONE)
    alive = np.ones(120, bool)
    alive[100:110] = False
    assert_like_brute_force(index, vectors, alive, vectors_of(5, 8, 1), 10, Metric.DOT)


@METRICS
@pytest.mark.parametrize("queries", [1, 9])
def test_equal_vectors_score_equal_and_come_in_the_order_they_were_written(metric, queries):
    vectors = vectors_of(200, 37)
    vectors[13::7] = vectors[13]
    twins = np.arange(13, 200, 7)
    ids, scores = filled(vectors, metric).search(np.repeat(vectors[13:14], queries, axis=0), len(twins))
    if metric is Metric.DOT:  # another vector may be longer, and so closer
        ids, scores = ids[:, np.isin(ids[0], twins)], scores[:, np.isin(ids[0], twins)]
    for found, found_scores in zip(ids, scores, strict=True):
        np.testing.assert_array_equal(found, twins[: len(found)])
        assert len(set(found_scores.tolist())) == 1


@METRICS
def test_a_score_does_not_depend_on_the_queries_beside_it(metric):
    index = filled(vectors_of(500, 24), metric)
    queries = vectors_of(40, 24, 1)
    together = index.search(queries, 10)
    for place in range(40):
        alone = index.search(queries[place : place + 1], 10)
        np.testing.assert_array_equal(alone.ids[0], together.ids[place])
        np.testing.assert_array_equal(alone.scores[0], together.scores[place])


@pytest.mark.parametrize("queries", [1, 40])
def test_euclidean_distances_are_exact_far_from_the_origin(queries):
    vectors = vectors_of(300, 16) + np.float32(3000)
    index = filled(vectors, Metric.EUCLIDEAN)
    near = np.arange(queries)
    ids, scores = index.search(vectors[near], 1)
    np.testing.assert_array_equal(ids[:, 0], near)
    np.testing.assert_array_equal(scores[:, 0], 0)


def test_cosine_takes_the_shortest_and_the_longest_vectors():
    directions = vectors_of(8, 6)
    vectors = directions * np.array([1e-30, 1e-20, 1e-3, 1, 1e3, 1e10, 1e15, 1e17], np.float32)[:, None]
    index = filled(vectors, Metric.COSINE)
    assert_like_brute_force(index, vectors, np.ones(8, bool), directions * np.float32(1e-25), 8, Metric.COSINE)
    assert index.search(directions, 8).scores.max() <= 1


@METRICS
def test_an_empty_index_finds_nothing(metric):
    index = VectorIndex(3, metric)
    assert index.count == 0
    assert index.search(vectors_of(4, 3), 10).ids.shape == (4, 0)
    assert filled(vectors_of(5, 3), metric).search(np.empty((0, 3), np.float32), 10).ids.shape == (0, 5)


def test_may_be_searched_from_several_threads_while_it_grows():
    vectors = vectors_of(4000, 16)
    newest = [filled(vectors[:100], Metric.DOT)]
    failures = []

    def search():
        queries = vectors_of(8, 16, 1)
        while newest[0].count < 2000:
            index = newest[0]
            ids, scores = index.search(queries, 10)
            true = queries @ vectors.T
            if not np.allclose(np.take_along_axis(true, ids, axis=1), scores, atol=1e-4):
                failures.append((ids, scores))

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    threads = [threading.Thread(target=search) for _ in range(3)]
    try:
        for thread in threads:
            thread.start()
        for end in range(100, 4000, 10):
            newest[0] = newest[0].changed(np.arange(end, end + 10), vectors[end : end + 10], np.array([end // 2]))
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(interval)
    assert not failures
