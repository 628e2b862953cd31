import numpy as np
import pytest
from scipy.sparse import csr_array

from frostline.server.recommendations.strategies import ease


@pytest.fixture
def dense() -> np.ndarray:
    rng = np.random.default_rng(0)
    return ((rng.random((60, 25)) < 0.2) * rng.uniform(0.5, 3, (60, 25))).astype(np.float32)


def _closed_form(dense: np.ndarray, regularization: float) -> np.ndarray:
    exact = dense.astype(np.float64)
    inverse = np.linalg.inv(exact.T @ exact + regularization * np.eye(exact.shape[1]))
    weights = np.eye(len(inverse)) - inverse / np.diag(inverse)[np.newaxis, :]
    return weights - np.diag(np.diag(weights))


@pytest.mark.parametrize("regularization", [1.0, 300.0])
def test_weights_are_those_of_the_closed_form(dense, regularization) -> None:
    weights = ease.fit(csr_array(dense), regularization)
    assert weights.dtype == np.float32
    np.testing.assert_allclose(weights, _closed_form(dense, regularization), atol=1e-6)


def test_no_item_speaks_for_itself_and_each_column_is_the_best_that_does_not(dense) -> None:
    weights = ease.fit(csr_array(dense), 5.0)
    assert not weights.diagonal().any()
    exact = dense.astype(np.float64)
    for item in range(5):  # ridge regression on all other items
        others = np.delete(np.arange(25), item)
        left = exact[:, others]
        best = np.linalg.solve(left.T @ left + 5 * np.eye(24), left.T @ exact[:, item])
        np.testing.assert_allclose(weights[others, item], best, atol=1e-6)


def test_history_is_scored_by_the_rows_of_its_items(dense) -> None:
    weights = ease.fit(csr_array(dense), 5.0)
    scores = ease.score(weights, np.array([3, 7]), np.array([2, -1], np.float32))
    np.testing.assert_allclose(scores, 2 * weights[3] - weights[7], atol=1e-6)


@pytest.mark.parametrize("shape", [(0, 0), (5, 0), (0, 3), (1, 1)])
def test_little_to_learn_from(shape) -> None:
    weights = ease.fit(csr_array(np.ones(shape, np.float32)), 10.0)
    assert weights.shape == (shape[1], shape[1])
    assert not weights.any()
    assert not ease.score(weights, np.zeros(0, np.int64), np.zeros(0, np.float32)).any()


def test_same_users_for_two_items_without_regularization_are_refused() -> None:
    with pytest.raises(FloatingPointError, match="2 items"):
        ease.fit(csr_array(np.ones((3, 2), np.float32)), 0.0)
