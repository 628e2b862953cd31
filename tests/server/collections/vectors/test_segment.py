"""One slot of one segment against comparing with all rows, with all metrics, kinds and sorts of filters."""

import functools

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from frostline.server.collections.config import IndexKind, Metric
from frostline.server.collections.vectors import tuning
from frostline.server.collections.vectors.segment import SegmentVectors
from frostline.server.collections.vectors.selection import Selection
from segments_made import DIMENSIONS, ROWS, asked, clustered, nearest, nearest_of_each

ANN = [
    (IndexKind.IVF_PQ, Metric.COSINE),
    (IndexKind.IVF_PQ, Metric.DOT),
    (IndexKind.IVF_PQ, Metric.EUCLIDEAN),
    (IndexKind.RABITQ, Metric.COSINE),
    (IndexKind.HNSW, Metric.DOT),
]


@pytest.fixture(scope="module")
def segments(segment_folder):
    @functools.cache
    def get(kind, metric):
        return SegmentVectors.open(segment_folder(kind, metric), 0, metric, DIMENSIONS, ROWS)

    return get


@functools.cache
def filters():
    """Matching rows by name: independent of the vectors, and whole clusters far and near."""
    random = np.random.default_rng(3)
    labels = clustered(ROWS)[1]
    return {
        "most": random.random(ROWS) < 0.9,
        "half": random.random(ROWS) < 0.5,
        "quarter": random.random(ROWS) < 0.25,
        "half of the clusters": labels < 100,
        "a quarter of the clusters": labels < 50,
        "clusters and strays": (labels < 40) | (random.random(ROWS) < 0.02),
    }


def recall(segment, queries, metric, selection=None, matching=None, k=10):
    shares, published = [], []
    truths = nearest_of_each(segment.vectors, queries, metric, k, matching)
    for query, truth in zip(queries, truths, strict=True):
        found = segment.search(query[None], k, selection)
        shares.append(len(set(found.rows[0].tolist()) & set(truth.tolist())) / k)
        published.append(found.plan.recall)
    return float(np.mean(shares)), found.plan._replace(recall=float(np.mean(published)))


@pytest.mark.parametrize(("kind", "metric"), ANN)
def test_recall_is_what_was_asked_for_and_what_is_published(segments, kind, metric):
    segment = segments(kind, metric)
    true, plan = recall(segment, asked(metric), metric)
    assert plan.name == kind
    assert true >= 0.95 - 0.01  # of a sample
    assert plan.recall == pytest.approx(segment.recall)
    assert segment.recall == pytest.approx(true, abs=0.025)
    assert plan.candidates < ROWS / 10


@pytest.mark.parametrize(("kind", "metric"), ANN)
def test_recall_of_more_neighbors_than_a_list_has_rows(segments, kind, metric):
    """Lists that hold too few rows for most queries must not look good because those are then answered exactly."""
    true, plan = recall(segments(kind, metric), asked(metric), metric, k=100)
    assert plan.name == kind
    assert true >= 0.95 - 0.01
    assert plan.recall == pytest.approx(true, abs=0.025)


@pytest.mark.parametrize("name", filters())
@pytest.mark.parametrize(("kind", "metric"), ANN)
def test_recall_holds_under_filters(segments, kind, metric, name):
    segment = segments(kind, metric)
    matching = filters()[name]
    selection = Selection.of(np.flatnonzero(matching), ROWS)
    true, plan = recall(segment, asked(metric), metric, selection, matching)
    assert true >= 0.95 - 0.01
    if kind is not IndexKind.HNSW:  # which publishes the lower of two sorts of filters
        assert plan.recall == pytest.approx(true, abs=0.03)


def test_filters_are_answered_by_the_index(segments):
    segment = segments(IndexKind.IVF_PQ, Metric.COSINE)
    plans = {
        name: segment.search(asked(Metric.COSINE), 10, Selection.of(np.flatnonzero(matching), ROWS)).plan.name
        for name, matching in filters().items()
    }
    assert plans["most"] == plans["half"] == plans["half of the clusters"] == "ivf_pq"


class Spy:
    """An index that remembers where it was asked to look."""

    def __init__(self, index):
        self.index, self.asked = index, []

    def __getattr__(self, name):
        return getattr(self.index, name)

    def candidates(self, queries, count, nprobe, selection):
        self.asked.append((count, nprobe))
        return self.index.candidates(queries, count, nprobe, selection)

    def candidates_in(self, queries, count, lists, selection):
        self.asked.append((count, lists.tolist()))
        return self.index.candidates_in(queries, count, lists, selection)


def test_as_many_lists_and_candidates_are_taken_as_were_measured(segments):
    segment = segments(IndexKind.IVF_PQ, Metric.COSINE)
    spy = Spy(segment._index)
    spied, table = SegmentVectors(segment.vectors, segment.tuning, spy), segment.tuning
    query = asked(Metric.COSINE, 1)
    for k, place in ((10, 0), (100, 1)):
        assert spied.search(query, k).plan.nprobe == table.nprobe[place]
        assert spy.asked.pop() == (table.candidates[place], table.nprobe[place])
    wider = table.model_copy(update={"nprobe": (4, 30)})
    assert [wider.nprobe_for(k) for k in (1, 10, 30, 100)] == [4, 4, 11, 30]
    assert 30 < wider.nprobe_for(1_000) <= table.lists
    selection = Selection.of(np.flatnonzero(filters()["half of the clusters"]), ROWS)
    spied.search(query, 10, selection)
    matches = np.bincount(spy.list_of_row[selection.positions()], minlength=table.lists).astype(np.float32)
    share = table.filtered_shares[1]
    wanted = tuning.chosen_lists(table, spy.nearest_lists(query), spy.sizes, matches, 10, share)
    assert spy.asked.pop() == (table.filtered_candidates[0], wanted.ids.tolist())
    held = np.cumsum((matches / np.maximum(spy.sizes, 1))[spy.nearest_lists(query)[0]])
    assert len(wanted.ids[0]) > np.count_nonzero(held == 0)


@pytest.mark.parametrize("kind", [IndexKind.IVF_PQ, IndexKind.RABITQ])
def test_all_rows_of_the_lists_searched_are_compared_and_no_others(segments, kind):
    index = segments(kind, Metric.COSINE)._index
    queries = asked(Metric.COSINE, 12)
    for count in (1, 12):  # centroids are compared in two ways
        order = index.nearest_lists(queries[:count])
        everything = Selection.of(np.arange(ROWS), ROWS)
        strewn = np.ascontiguousarray(order[:, 1:14:2])
        nearest_7 = index.candidates(queries[:count], ROWS, 7, None)
        chosen_7 = index.candidates_in(queries[:count], ROWS, strewn, everything)
        for found, lists in ((nearest_7, order[:, :7]), (chosen_7, strewn)):
            for rows, searched in zip(found, lists, strict=True):
                assert sorted(rows[rows >= 0].tolist()) == np.flatnonzero(np.isin(index.list_of_row, searched)).tolist()


@pytest.mark.parametrize(("kind", "metric"), [*ANN, *((IndexKind.FLAT, metric) for metric in Metric)])
def test_scores_are_exact_and_do_not_depend_on_the_batch(segments, kind, metric):
    segment = segments(kind, metric)
    queries = asked(metric, 40)
    together = segment.search(queries, 7)
    for i, query in enumerate(queries):
        alone = segment.search(query[None], 7)
        assert alone.rows[0].tolist() == together.rows[i].tolist()
        assert alone.scores[0].tobytes() == together.scores[i].tobytes()
        chosen = segment.vectors[alone.rows[0]].astype(np.float64)
        truth = -np.linalg.norm(chosen - query, axis=1) if metric is Metric.EUCLIDEAN else chosen @ query
        np.testing.assert_allclose(alone.scores[0], truth, rtol=1e-4, atol=1e-5)
        assert (np.diff(alone.scores[0]) <= 0).all()


@pytest.mark.parametrize("metric", Metric)
@pytest.mark.parametrize("queries", [1, 40])
def test_flat_finds_exactly_the_nearest(segments, metric, queries):
    segment = segments(IndexKind.FLAT, metric)
    for name, matching in {"all": np.ones(ROWS, np.bool_), **filters()}.items():
        selection = None if name == "all" else Selection.of(np.flatnonzero(matching), ROWS)
        found = segment.search(asked(metric, queries), 10, selection)
        truths = nearest_of_each(segment.vectors, asked(metric, queries), metric, 10, matching)
        for rows, truth in zip(found.rows, truths, strict=True):
            assert set(rows.tolist()) == set(truth.tolist())
        assert found.plan.name == ("exact_scan" if name == "all" else "exact_rows")


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    index=st.sampled_from(
        [(IndexKind.IVF_PQ, Metric.COSINE), (IndexKind.HNSW, Metric.DOT), (IndexKind.FLAT, Metric.DOT)]
    ),
    seed=st.integers(0, 2**32 - 1),
    matching=st.sampled_from([0, 1, 7, 8, 100, 2_000, 6_000, ROWS - 1, ROWS]),
    together=st.booleans(),
    k=st.sampled_from([1, 10, 100, 1_000, 30_000]),
    queries=st.sampled_from([1, 3, 9]),
)
def test_always_min_of_k_and_matching_and_nothing_else(segments, index, seed, matching, together, k, queries):
    segment = segments(*index)
    random = np.random.default_rng(seed)
    order = np.argsort(segment.vectors @ random.standard_normal(DIMENSIONS)) if together else random.permutation(ROWS)
    selection = Selection.of(order[:matching], ROWS)
    found = segment.search(asked(index[1], queries), k, selection)
    assert found.rows.shape == found.scores.shape == (queries, min(k, matching))
    assert found.rows.dtype == np.int64
    assert found.scores.dtype == np.float32
    assert np.isin(found.rows, order[:matching]).all()
    assert all(len(set(rows.tolist())) == min(k, matching) for rows in found.rows)


def test_more_neighbors_than_the_lists_searched_hold_are_found_all_the_same(segments):
    segment = segments(IndexKind.IVF_PQ, Metric.COSINE)
    index = segment._index

    class Blind:
        sizes, list_of_row, nearest_lists = index.sizes, index.list_of_row, index.nearest_lists

        def candidates(self, queries, count, _nprobe, _selection):
            return np.full((len(queries), count), -1, np.int64)

    blind = SegmentVectors(segment.vectors, segment.tuning, Blind())
    query = asked(Metric.COSINE, 1)
    assert blind.search(query, 10).rows[0].tolist() == nearest(segment.vectors, query[0], Metric.COSINE, 10).tolist()


@pytest.mark.parametrize("kind", [IndexKind.IVF_PQ, IndexKind.RABITQ, IndexKind.HNSW])
def test_the_index_itself_respects_the_selection(segments, kind):
    """Else nearly all candidates would be thrown away afterwards."""
    metric = Metric.DOT if kind is IndexKind.HNSW else Metric.COSINE
    segment = segments(kind, metric)
    selection = Selection.of(np.arange(0, ROWS, 5), ROWS)
    found = segment._index.candidates(asked(metric, 20), 50, 100, selection)
    assert (found >= 0).all()
    assert selection.contains(found.ravel()).all()


def test_reopened_answers_the_same(segments, segment_folder):
    segment = segments(IndexKind.IVF_PQ, Metric.COSINE)
    folder = segment_folder(IndexKind.IVF_PQ, Metric.COSINE)
    again = SegmentVectors.open(folder, 0, Metric.COSINE, DIMENSIONS, ROWS)
    selection = Selection.of(np.arange(0, ROWS, 3), ROWS)
    for chosen in (None, selection):
        first, second = (each.search(asked(Metric.COSINE), 10, chosen) for each in (segment, again))
        assert first.rows.tolist() == second.rows.tolist()
        assert first.plan == second.plan
