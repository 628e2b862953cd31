"""One slot of one segment against comparing with all rows, with all metrics, kinds and sorts of filters."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from frostline.server.collections.config import IndexKind, Metric
from frostline.server.collections.vectors import calibration, exact, tuning
from frostline.server.collections.vectors.building import build, list_count
from frostline.server.collections.vectors.segment import SegmentVectors
from frostline.server.collections.vectors.selection import Selection
from frostline.server.errors import InvalidInput

ROWS, DIMENSIONS, QUERIES = 12_000, 32, 200
ANN = [
    (IndexKind.IVF_PQ, Metric.COSINE),
    (IndexKind.IVF_PQ, Metric.DOT),
    (IndexKind.IVF_PQ, Metric.EUCLIDEAN),
    (IndexKind.RABITQ, Metric.COSINE),
    (IndexKind.HNSW, Metric.DOT),
]


def clustered(rows, seed=0):
    """Vectors around centers, of lengths that differ."""
    random = np.random.default_rng(seed)
    centers = np.random.default_rng(99).standard_normal((200, DIMENSIONS))
    labels = random.integers(0, len(centers), rows)
    vectors = centers[labels] + 0.5 * random.standard_normal((rows, DIMENSIONS))
    vectors *= random.uniform(0.7, 1.3, (rows, 1))
    return vectors.astype(np.float32), labels


def nearest(vectors, query, metric, k, matching=None):
    """The rows of the best scores, in double precision."""
    rows = np.arange(len(vectors)) if matching is None else np.flatnonzero(matching)
    vectors, query = vectors[rows].astype(np.float64), query.astype(np.float64)
    scores = -np.linalg.norm(vectors - query, axis=1) if metric is Metric.EUCLIDEAN else vectors @ query
    return rows[np.argsort(-scores, kind="stable")[:k]]


def made(folder, vectors, metric, kind, min_recall=0.95):
    stored = exact.normalized(vectors, metric)
    (folder / "0.f32").write_bytes(stored.tobytes())
    with pytest.MonkeyPatch.context() as patch:  # the plans must not depend on what else the machine does
        patch.setattr(calibration, "row_seconds", lambda *_: 2e-7)
        patch.setattr(calibration, "code_seconds", lambda *_: 1e-8)
        build(stored, folder, 0, metric, kind, min_recall, 1, lambda _stage, _done: None)
    return SegmentVectors.open(folder, 0, metric, stored.shape[1], len(stored))


@pytest.fixture(scope="module")
def segments(tmp_path_factory):
    cache = {}

    def get(kind, metric):
        if (kind, metric) not in cache:
            cache[kind, metric] = made(tmp_path_factory.mktemp("segment"), clustered(ROWS)[0], metric, kind)
        return cache[kind, metric]

    return get


def asked(metric, count=QUERIES):
    return exact.normalized(clustered(count, seed=1)[0], metric)


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


def recall(segment, queries, metric, selection=None, matching=None):
    shares, published = [], []
    for query in queries:
        found = segment.search(query[None], 10, selection)
        truth = nearest(segment.vectors, query, metric, 10, matching)
        shares.append(len(set(found.rows[0].tolist()) & set(truth.tolist())) / 10)
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
        for query, rows in zip(asked(metric, queries), found.rows, strict=True):
            assert set(rows.tolist()) == set(nearest(segment.vectors, query, metric, 10, matching).tolist())
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


def test_recall_out_of_reach_is_answered_exactly(tmp_path):
    vectors = np.random.default_rng(0).standard_normal((3_000, 16)).astype(np.float32)
    segment = made(tmp_path, vectors, Metric.EUCLIDEAN, IndexKind.HNSW, min_recall=1.0)
    found = segment.search(vectors[:1], 10)
    assert found.plan == ("exact_scan", 3_000, 0, 1.0)
    assert segment.recall == 1.0


def test_long_distant_vectors_are_compared_exactly(tmp_path):
    """Where a difference of large numbers would leave nothing of a Euclidean distance."""
    vectors = (1e4 + 1e-2 * np.random.default_rng(0).standard_normal((6_000, 16))).astype(np.float32)
    segment = made(tmp_path, vectors, Metric.EUCLIDEAN, IndexKind.AUTO)
    for count in (1, 20):
        found = segment.search(vectors[:count], 5)
        for row, rows in enumerate(found.rows):
            assert rows[0] == row
            assert rows.tolist() == nearest(vectors, vectors[row], Metric.EUCLIDEAN, 5).tolist()


@pytest.mark.parametrize("rows", [0, 1, 10, 1_999])
def test_few_rows_are_compared_one_by_one_whatever_was_asked_for(tmp_path, rows):
    segment = made(tmp_path, clustered(rows)[0], Metric.COSINE, IndexKind.IVF_PQ)
    assert not (tmp_path / "0.faiss").exists()
    found = segment.search(asked(Metric.COSINE, 2), 10)
    assert found.rows.shape == (2, min(10, rows))
    assert found.plan.recall == 1.0


@pytest.mark.parametrize("dimensions", [1, 2, 7, 30])
def test_any_number_of_dimensions_can_be_indexed(tmp_path, dimensions):
    vectors = np.random.default_rng(0).standard_normal((2_500, dimensions)).astype(np.float32)
    segment = made(tmp_path, vectors, Metric.EUCLIDEAN, IndexKind.IVF_PQ)
    assert segment.search(vectors[:1], 3).rows[0][0] == 0


def test_equal_vectors_come_in_the_order_they_were_written(tmp_path):
    vectors = np.ones((2_000, 8), np.float32)
    segment = made(tmp_path, vectors, Metric.EUCLIDEAN, IndexKind.IVF_PQ)
    found = segment.search(vectors[:1], 5)
    assert sorted(set(found.rows[0].tolist())) == found.rows[0].tolist()
    assert (found.scores == 0).all()


def test_reopened_answers_the_same(tmp_path):
    segment = made(tmp_path, clustered(3_000)[0], Metric.COSINE, IndexKind.IVF_PQ)
    again = SegmentVectors.open(tmp_path, 0, Metric.COSINE, DIMENSIONS, 3_000)
    selection = Selection.of(np.arange(0, 3_000, 3), 3_000)
    for chosen in (None, selection):
        first, second = (each.search(asked(Metric.COSINE), 10, chosen) for each in (segment, again))
        assert first.rows.tolist() == second.rows.tolist()
        assert first.plan == second.plan


def test_a_missing_gpu_is_refused(tmp_path):
    made(tmp_path, clustered(100)[0], Metric.DOT, IndexKind.FLAT)
    for device in ("cuda:99", "cuda", "tpu:0"):
        with pytest.raises(InvalidInput, match="take cpu"):
            SegmentVectors.open(tmp_path, 0, Metric.DOT, DIMENSIONS, 100, device)


def test_lists_grow_with_the_root_of_the_rows():
    assert [list_count(rows) for rows in (2_000, 200_000, 1_000_000)] == [32, 2048, 4096]
    assert [tuning.code_count(each) for each in (8, 40, 96, 104, 384, 512)] == [8, 40, 96, 52, 96, 128]
