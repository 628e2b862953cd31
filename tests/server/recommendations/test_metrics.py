import numpy as np
import pytest
from sklearn.metrics import ndcg_score

from frostline.server.recommendations.metrics import DEPTH, ideal, ndcg


@pytest.mark.parametrize("items", [2, 9, 10, 11, 300])
def test_ndcg_is_that_of_scikit_learn(items) -> None:
    rng = np.random.default_rng(items)
    scores = rng.normal(size=(20, items)).astype(np.float32)
    for chance in (0.05, 0.5, 1.0):
        relevant = rng.random(items) < chance
        relevant[rng.integers(items)] = True
        wanted = [ndcg_score(relevant[np.newaxis], each[np.newaxis], k=DEPTH, ignore_ties=True) for each in scores]
        np.testing.assert_allclose(ndcg(scores, relevant), wanted, atol=1e-12)


def test_what_has_no_score_gains_nothing_and_moves_nobody() -> None:
    scores = np.array([[-np.inf, 1, 2, -np.inf, 0]], np.float32)
    relevant = np.array([True, True, False, True, False])
    wanted = 1 / np.log2(3) / ideal(3)
    np.testing.assert_allclose(ndcg(scores, relevant), wanted)
    assert ndcg(np.full((1, 5), -np.inf, np.float32), relevant).tolist() == [0]


def test_among_many_items_those_without_a_score_are_as_if_they_were_worst() -> None:
    rng = np.random.default_rng(0)
    scores, relevant = rng.normal(size=(5, 60)).astype(np.float32), rng.random(60) < 0.3
    scores[:, rng.integers(0, 60, 20)] = -np.inf
    finite = np.maximum(scores, -1e6)
    wanted = [ndcg_score(relevant[np.newaxis], each[np.newaxis], k=DEPTH, ignore_ties=True) for each in finite]
    np.testing.assert_allclose(ndcg(scores, relevant), wanted, atol=1e-12)


def test_equal_scores_keep_their_order_and_scores_are_not_touched() -> None:
    scores, relevant = np.zeros((1, 30), np.float32), np.arange(30) == 1
    np.testing.assert_allclose(ndcg(scores, relevant), 1 / np.log2(3))
    assert not scores.any()


def test_ideal_is_that_of_the_first_ten() -> None:
    assert ideal(1) == 1
    assert ideal(2) == pytest.approx(1 + 1 / np.log2(3))
    assert ideal(10) == ideal(500) == pytest.approx(sum(1 / np.log2(np.arange(2, 12))))
