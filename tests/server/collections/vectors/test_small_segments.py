"""Segments of few rows, of odd vectors, and how they are built."""

import numpy as np
import pytest

from frostline.server.collections.config import IndexKind, Metric
from frostline.server.collections.vectors import tuning
from frostline.server.collections.vectors.building import list_count
from segments_made import DIMENSIONS, asked, clustered, made, nearest


def test_recall_out_of_reach_is_answered_exactly(tmp_path):
    vectors = np.random.default_rng(0).standard_normal((3_000, 16)).astype(np.float32)
    segment = made(tmp_path, vectors, Metric.EUCLIDEAN, IndexKind.HNSW, min_recall=1.0)
    found = segment.search(vectors[:1], 10)
    assert found.plan == ("exact_scan", 3_000, 0, 1.0)
    assert segment.recall == 1.0


def test_a_few_newer_outliers_do_not_make_all_searches_slower(tmp_path):
    """They are too few to stand for the queries to expect."""
    middle = 0.01 * np.random.default_rng(7).standard_normal((3, DIMENSIONS), np.float32)
    vectors = np.append(clustered(3_000)[0], middle, axis=0)
    plans = []
    for older in (None, 3_000):
        segment = made(tmp_path, vectors, Metric.EUCLIDEAN, IndexKind.IVF_PQ, older=older)
        plans.append(segment.search(vectors[:1], 10).plan)
    assert plans[0].name == "ivf_pq"
    assert plans[0] == plans[1]


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


def test_lists_grow_with_the_root_of_the_rows():
    assert [list_count(rows) for rows in (2_000, 200_000, 1_000_000)] == [32, 2048, 4096]
    assert [tuning.code_count(each) for each in (8, 40, 96, 104, 384, 512)] == [8, 40, 96, 52, 96, 128]
