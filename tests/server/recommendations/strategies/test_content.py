import numpy as np
import pytest

from frostline.server.recommendations.strategies.content import REGULARIZATION, ContentHeads


@pytest.fixture
def features() -> np.ndarray:
    return np.random.default_rng(0).normal(0.3, 1, (50, 6)).astype(np.float32)


def _ridge(features: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    exact = features.astype(np.float64)
    return np.linalg.solve(exact.T @ exact + REGULARIZATION * np.eye(exact.shape[1]), exact.T @ wanted)


def test_head_is_a_ridge_regression_over_all_items_with_interactions(features) -> None:
    heads = ContentHeads(6)
    heads.add(features[:30])
    heads.add(features[30:40])
    wanted = np.zeros(40)
    wanted[[2, 5, 33]] = 1, 2, -1
    head = heads.head(features[[2, 5, 33]], np.array([1, 2, -1], np.float32))
    assert head.dtype == np.float32
    np.testing.assert_allclose(head, _ridge(features[:40], wanted), atol=1e-6)


def test_added_items_count_at_once_and_removed_ones_leave_no_trace(features) -> None:
    heads, never = ContentHeads(6), ContentHeads(6)
    heads.add(features[:30])
    never.add(features[:30])
    history = features[:3], np.ones(3, np.float32)
    before = heads.head(*history)
    heads.add(features[30:] * 100)
    assert np.abs(heads.head(*history) - before).max() > 1e-4
    heads.remove(features[30:] * 100)
    np.testing.assert_allclose(heads.head(*history), before, rtol=1e-6)
    np.testing.assert_allclose(heads._gram, never._gram, atol=1e-8)


def test_nothing_known_gives_no_scores(features) -> None:
    heads = ContentHeads(6)
    assert heads.head(features[:0], np.zeros(0, np.float32)).tolist() == [0] * 6
    heads.add(features[:0])
    np.testing.assert_allclose(
        heads.head(features[:1], np.ones(1, np.float32)), features[0] / REGULARIZATION, rtol=1e-6
    )


def test_equal_items_are_solved_for() -> None:
    heads, same = ContentHeads(3), np.ones((4, 3), np.float32)
    heads.add(same)
    np.testing.assert_allclose(heads.head(same[:1], np.ones(1, np.float32)), [1 / 13] * 3, rtol=1e-6)
