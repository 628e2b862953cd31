import numpy as np
import pytest

from frostline.server.recommendations.strategies import kriging


def _dense(anchors: np.ndarray, targets: np.ndarray, unit: float, width: float) -> np.ndarray:
    """Weights of all anchors: float64 of shape (n, a)."""

    def kernel(left: np.ndarray, right: np.ndarray) -> np.ndarray:
        return np.exp(-((left[:, np.newaxis] - right) ** 2).sum(axis=2) / (2 * width**2 * unit))

    anchors, targets = anchors.astype(np.float64), targets.astype(np.float64)
    return np.linalg.solve(kernel(anchors, anchors) + kriging.NOISE * np.eye(len(anchors)), kernel(anchors, targets)).T


@pytest.mark.parametrize("count", [1, 2, 40, 64])
def test_weights_are_those_of_all_anchors_where_all_are_neighbors(count) -> None:
    rng = np.random.default_rng(0)
    anchors, targets = rng.normal(size=(count, 3)).astype(np.float32), rng.normal(size=(300, 3)).astype(np.float32)
    targets[0] = anchors[0]
    unit = kriging.median_square(anchors)
    found, by = kriging.weights(anchors, targets, count, unit, 0.7)
    assert found.shape == by.shape == (300, count)
    matrix = kriging.operator(found, by, count)
    np.testing.assert_allclose(matrix.toarray(), _dense(anchors, targets, unit, 0.7), atol=2e-5)


@pytest.mark.parametrize("neighbors", [1, 64, 199])
def test_of_many_anchors_the_nearest_count(neighbors) -> None:
    rng = np.random.default_rng(1)
    anchors, targets = rng.normal(size=(200, 3)).astype(np.float32), rng.normal(size=(20, 3)).astype(np.float32)
    found, by = kriging.weights(anchors, targets, neighbors, 1.0, 0.5)
    distances = ((targets[:, np.newaxis] - anchors) ** 2).sum(axis=2)
    for row in range(20):
        near = np.sort(np.argsort(distances[row])[:neighbors])
        assert np.sort(found[row]).tolist() == near.tolist()
        np.testing.assert_allclose(by[row], _dense(anchors[found[row]], targets[row : row + 1], 1.0, 0.5)[0], atol=2e-5)


def test_an_item_far_from_all_gets_the_mean_and_a_near_one_what_is_around_it() -> None:
    anchors = np.array([[0, 0], [0, 0.1], [5, 5], [5, 5.1]], np.float32)
    targets = np.array([[0, 0.05], [1_000, 0], [5, 5.05]], np.float32)
    scores = np.array([[3, 3, 1, 1], [0, 0, 8, 8]], np.float32)
    matrix = kriging.operator(*kriging.weights(anchors, targets, 4, 1.0), 4)
    carried = kriging.carried(matrix, scores)
    assert carried[:, 1].tolist() == [2, 4]
    assert carried[0, 0] > 2.7
    assert carried[1, 2] > 7.4
    assert (carried[0] == kriging.carried(matrix, scores[0])).all()


@pytest.mark.parametrize("neighbors", [64, 100])
def test_equal_anchors_share_their_weight(neighbors) -> None:
    anchors = np.ones((100, 4), np.float32)
    _, by = kriging.weights(anchors, anchors[:1], neighbors, kriging.median_square(anchors))
    np.testing.assert_allclose(by, 1 / (neighbors + kriging.NOISE), rtol=1e-4)


@pytest.mark.parametrize(
    ("items", "anchors", "wanted"),
    [
        *[(0, 0, 0), (10, 0, 0), (10, 10, 10), (2_500, 2_500, 2_500), (3_000, 3_000, 256)],
        *[(50_000, 5_000, 128), (100_000, 5_000, 64), (1_000_000, 5_000, 64), (1_000_000, 50, 50)],
    ],
)
def test_few_items_are_estimated_from_all_anchors_and_many_from_those_around(items, anchors, wanted) -> None:
    assert kriging.neighbor_count(items, anchors) == wanted


def test_no_anchors_carry_nothing() -> None:
    targets = np.ones((3, 4), np.float32)
    found, by = kriging.weights(targets[:0], targets, 0, 1.0)
    assert found.shape == by.shape == (3, 0)
    assert kriging.carried(kriging.operator(found, by, 0), np.zeros(0, np.float32)).tolist() == [0, 0, 0]
    assert kriging.weights(targets, targets[:0], 3, 1.0)[0].shape == (0, 3)


@pytest.mark.parametrize(
    ("features", "wanted"), [([], 1), ([[1, 1]], 1), ([[1, 1], [1, 1]], 1), ([[0, 0], [3, 4]], 25)]
)
def test_unit_of_few_or_equal_items(features, wanted) -> None:
    assert kriging.median_square(np.array(features, np.float32).reshape(-1, 2)) == wanted
