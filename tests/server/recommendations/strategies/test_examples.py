import numpy as np
import pytest

from frostline.server.recommendations.strategies import examples

VECTORS = np.array([[1, 0], [0, 1], [-1, 0], [0, 0]], np.float32)
GIVEN = np.array([[1, 0], [0, 1]], np.float32)


def test_average_is_the_cosine_with_the_weighted_mean() -> None:
    scores = examples.average(VECTORS, GIVEN, np.array([3, 4], np.float32))
    np.testing.assert_allclose(scores, [0.6, 0.8, -0.6, 0], atol=1e-6)


def test_examples_that_cancel_each_other_out_say_nothing() -> None:
    same = np.tile(np.array([[0.6, 0.8]], np.float32), (3, 1))
    for weights in ([0.1, 0.2, -0.3], [1, -1, 0], [1e-20, 2e-20, -3e-20]):
        assert examples.average(VECTORS, same, np.array(weights, np.float32)).tolist() == [0] * 4


def test_small_weights_count_in_relation_to_each_other() -> None:
    scores = examples.average(VECTORS, GIVEN, np.array([3e-15, 4e-15], np.float32))
    np.testing.assert_allclose(scores, [0.6, 0.8, -0.6, 0], atol=1e-6)


@pytest.mark.parametrize(
    ("weights", "wanted"),
    [
        ([1, 0.5], [1, 0.5, 0, 0]),
        ([1, -2], [1, -2, -1, 0]),  # less the highest with what to stay away from
        ([-1, -2], [-1, -2, 0, 0]),
        ([0, 0], [0, 0, 0, 0]),
    ],
)
def test_best_score_takes_the_closest_example(weights, wanted) -> None:
    assert examples.best_score(VECTORS, GIVEN, np.array(weights, np.float32)).tolist() == wanted


def test_sum_scores_adds_up() -> None:
    assert examples.sum_scores(VECTORS, GIVEN, np.array([1, -2], np.float32)).tolist() == [1, -2, -1, 0]


@pytest.mark.parametrize("strategy", [examples.average, examples.best_score, examples.sum_scores])
def test_no_examples_score_nothing(strategy) -> None:
    scores = strategy(VECTORS, GIVEN[:0], np.zeros(0, np.float32))
    assert scores.tolist() == [0] * 4
    assert strategy(VECTORS[:0], GIVEN, np.ones(2, np.float32)).shape == (0,)
