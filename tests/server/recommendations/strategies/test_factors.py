import numpy as np
import pytest
from scipy.sparse import csr_array

from frostline.server.recommendations.strategies import factors
from frostline.server.recommendations.strategies.factors import CONFIDENCE, REGULARIZATION, Factors


@pytest.fixture
def dense() -> np.ndarray:
    """Most rows and columns are shorter than the factors, some are longer."""
    rng = np.random.default_rng(2)
    chance = np.where(np.arange(90) < 15, 0.6, 0.08)[:, np.newaxis]
    return ((rng.random((90, 70)) < chance) * rng.uniform(0.2, 4, (90, 70))).astype(np.float32)


def _solutions(preferred: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Solves the normal equations of each row, with the confidence of every entry."""
    found = []
    for row in preferred.astype(np.float64):
        confidence = 1 + CONFIDENCE * row
        system = (others.T * confidence) @ others + REGULARIZATION * np.eye(others.shape[1])
        found.append(np.linalg.solve(system, others.T @ (confidence * (row > 0))))
    return np.array(found)


def _objective(preferred: np.ndarray, items: np.ndarray) -> float:
    users = _solutions(preferred, items)
    errors = (1 + CONFIDENCE * preferred) * ((preferred > 0) - users @ items.T) ** 2
    return float(errors.sum() + REGULARIZATION * ((users**2).sum() + (items**2).sum()))


def test_history_is_folded_in_by_least_squares() -> None:
    rng = np.random.default_rng(3)
    items = rng.normal(0, 1, (50, 8)).astype(np.float32)
    history, liked = np.array([1, 5, 30, 31]), np.array([1, 2.5, -3, 0.3], np.float32)
    row = np.zeros((1, 50))
    row[0, history] = np.maximum(liked, 0)
    user = _solutions(row, items.astype(np.float64))[0]
    np.testing.assert_allclose(Factors(items).score(history, liked), items @ user, atol=1e-4)


@pytest.mark.parametrize("rows_at_once", [3, 128])
@pytest.mark.parametrize("count", [4, 32])
def test_a_sweep_solves_for_every_user_and_item(dense, count, rows_at_once, monkeypatch) -> None:
    monkeypatch.setattr(factors, "SWEEPS", 1)
    monkeypatch.setattr(factors, "_ROWS_AT_ONCE", rows_at_once)
    start = np.random.default_rng(5).normal(0, 0.1, (70, count)).astype(np.float32).astype(np.float64)
    wanted = _solutions(dense.T, _solutions(dense, start))
    np.testing.assert_allclose(factors.fit(csr_array(dense), seed=5, factors=count).items, wanted, atol=1e-4)


def test_objective_falls_from_sweep_to_sweep(dense, monkeypatch) -> None:
    objectives = []
    for sweeps in range(1, 7):
        monkeypatch.setattr(factors, "SWEEPS", sweeps)
        objectives.append(_objective(dense, factors.fit(csr_array(dense), factors=16).items.astype(np.float64)))
    assert (np.diff(objectives) < 0).all(), objectives


def test_same_seed_same_factors(dense) -> None:
    first = factors.fit(csr_array(dense), seed=1).items
    assert (first == factors.fit(csr_array(dense), seed=1).items).all()
    assert (first != factors.fit(csr_array(dense), seed=2).items).any()


@pytest.mark.parametrize("shape", [(0, 0), (3, 0), (0, 3), (1, 1)])
def test_little_to_learn_from(shape) -> None:
    found = factors.fit(csr_array(np.ones(shape, np.float32)))
    assert found.items.shape == (shape[1], factors.FACTORS)
    assert found.items.any() == (shape == (1, 1))
    assert np.isfinite(found.score(np.arange(shape[1]), np.ones(shape[1], np.float32))).all()


def test_dislikes_alone_say_nothing(dense) -> None:
    found = factors.fit(csr_array(dense))
    assert not found.score(np.array([1, 2]), np.array([-1, 0], np.float32)).any()
