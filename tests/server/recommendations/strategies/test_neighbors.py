import numpy as np
import pytest
from scipy.sparse import csr_array

from frostline.server.recommendations.strategies import neighbors


def _brute_force(dense: np.ndarray, count: int) -> np.ndarray:
    exact = dense.astype(np.float64)
    lengths = np.linalg.norm(exact, axis=0)
    cosines = exact.T @ exact / (np.outer(lengths, lengths) + neighbors.SHRINKAGE)
    np.fill_diagonal(cosines, 0)
    for row in cosines:
        row[np.argsort(-row)[count:]] = 0
    return cosines


@pytest.fixture
def dense() -> np.ndarray:
    rng = np.random.default_rng(1)
    return ((rng.random((80, 40)) < 0.3) * rng.uniform(0.5, 3, (80, 40))).astype(np.float32)


@pytest.mark.parametrize("count", [1, 7, 1_000])
@pytest.mark.parametrize("rows_at_once", [7, 2_000])
def test_strongest_shrunk_cosines_are_kept(dense, count, rows_at_once, monkeypatch) -> None:
    monkeypatch.setattr(neighbors, "_ROWS_AT_ONCE", rows_at_once)
    near = neighbors.fit(csr_array(dense), count)
    assert near.dtype == np.float32
    np.testing.assert_allclose(near.toarray(), _brute_force(dense, count), atol=1e-6)


def test_history_is_scored_by_the_rows_of_its_items(dense) -> None:
    near = neighbors.fit(csr_array(dense), 7)
    items, liked = np.array([4, 9, 11]), np.array([1, -2, 0.5], np.float32)
    np.testing.assert_allclose(neighbors.score(near, items, liked), liked @ near.toarray()[items], atol=1e-6)


def test_so_many_of_a_long_history_count(monkeypatch) -> None:
    monkeypatch.setattr(neighbors, "MAX_HISTORY", 10)
    dense = np.ones((1, 30), np.float32)
    near = neighbors.fit(csr_array(dense), 100, seed=3)
    together = (near.toarray() > 0).sum(axis=1)
    assert sorted(together) == [0] * 20 + [9] * 10
    assert (near.toarray() == neighbors.fit(csr_array(dense), 100, seed=3).toarray()).all()
    assert (near.toarray() != neighbors.fit(csr_array(dense), 100, seed=4).toarray()).any()


@pytest.mark.parametrize("shape", [(0, 0), (3, 0), (0, 3), (1, 1), (4, 1)])
def test_little_to_learn_from(shape) -> None:
    near = neighbors.fit(csr_array(np.ones(shape, np.float32)), 5)
    assert near.shape == (shape[1], shape[1])
    assert near.nnz == 0
    assert not neighbors.score(near, np.zeros(0, np.int64), np.zeros(0, np.float32)).any()
