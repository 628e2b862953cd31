import itertools

import numpy as np
import pytest

from frostline.server.recommendations import blend_fitting, carry_fitting
from frostline.server.recommendations.blending import LENGTHS, PRIOR, Blend, Component
from frostline.server.recommendations.collaborative import Limits
from frostline.server.recommendations.histories import Liked
from frostline.server.recommendations.metrics import ideal

ITEMS, POPULAR, GROUPS = 150, 30, 4
LIMITS = Limits(ease_items=120, seed=3)


def _liked(users: int, length: int) -> Liked:
    """Users begin with what is popular, whoever they are; then each stays within a group of items."""
    rng = np.random.default_rng(0)
    rows: list[tuple[int, int, int]] = []
    for user in range(users):
        chance = 1 / np.arange(1, POPULAR + 1)
        first = rng.choice(POPULAR, min(12, length), replace=False, p=chance / chance.sum())
        own = POPULAR + np.arange(user % GROUPS, ITEMS - POPULAR, GROUPS)
        later = rng.choice(own, max(length - 12, 0), replace=False)
        rows += [(user, item, time) for time, item in enumerate([*first.tolist(), *later.tolist()])]
    table = np.array(rows, np.int64).reshape(-1, 3)
    liked = Liked(
        table[:, 0], table[:, 1], np.ones(len(table), np.float32), table[:, 2].astype(float), max(users, 1), ITEMS
    )
    return liked.of_items(np.argsort(-liked.counts(), kind="stable"))


@pytest.fixture(autouse=True)
def _quick(monkeypatch) -> None:
    monkeypatch.setattr(carry_fitting, "SPLITS", 1)
    monkeypatch.setattr(carry_fitting, "MOST_USERS", 20)


@pytest.fixture(scope="module")
def features() -> np.ndarray:
    return np.random.default_rng(1).normal(size=(ITEMS, 4)).astype(np.float32)


def _untold(step: str, done: float) -> None:
    pass


def test_popularity_counts_for_short_histories_and_what_is_learned_for_long_ones(features) -> None:
    blend = blend_fitting.fitted(_liked(120, 35), features, LIMITS, _untold)
    assert blend.at(1)[Component.POPULARITY] >= 0.5
    assert blend.at(20)[Component.POPULARITY] < 0.2
    assert not set(blend.weights) & set(PRIOR)
    assert blend == blend_fitting.fitted(_liked(120, 35), features, LIMITS, _untold)


@pytest.mark.parametrize(("users", "length"), [(0, 0), (1, 35), (99, 10), (200, 3)])
def test_the_prior_holds_where_there_is_too_little_to_learn_from(users, length, features) -> None:
    assert blend_fitting.fitted(_liked(users, length), features, LIMITS, _untold) == Blend()


def test_lengths_that_nobody_has_go_on_from_those_there_are(features) -> None:
    blend = blend_fitting.fitted(_liked(110, 6), features, LIMITS, _untold)
    assert blend.weights[-1] == blend.weights[-2] != PRIOR[-1]
    assert blend.at(LENGTHS[-1])[Component.POPULARITY] > 0.5


def test_weights_of_nothing_to_find_are_the_prior_ones(features, monkeypatch) -> None:
    for module in (blend_fitting, carry_fitting):
        monkeypatch.setattr(module, "ndcg", lambda scores, relevant: np.zeros(len(scores)))
    blend = blend_fitting.fitted(_liked(110, 6), features, LIMITS, _untold)
    assert blend == Blend(regularization=blend_fitting.REGULARIZATIONS[0])


@pytest.mark.parametrize(("items", "step"), [(12, 3), (60, 3), (100, 3), (400, 60)])
def test_gains_are_those_of_ranking_all_items(items, step) -> None:
    rng = np.random.default_rng(items)
    tables = rng.normal(size=(2, len(Component), items)).astype(np.float32)
    tables[1, [Component.POPULARITY, Component.NEIGHBORS, Component.FACTORS]] = tables[
        0, [Component.POPULARITY, Component.NEIGHBORS, Component.FACTORS]
    ]
    given, later = np.array([0, 5]), np.arange(6, items)[::step]
    gains = blend_fitting._gain(tables, given, later)
    for table, weights in itertools.product(range(2), range(0, len(blend_fitting.WEIGHTS), 7)):
        scores = blend_fitting.WEIGHTS[weights] @ tables[table]
        scores[given] = -np.inf
        order = np.argsort(-scores, kind="stable")[:10]
        wanted = sum(np.isin(item, later) / np.log2(place + 2) for place, item in enumerate(order))
        assert gains[table, weights] == pytest.approx(wanted / ideal(len(later)))


def test_choices_of_weights_are_all_there_are_and_none_twice() -> None:
    grid = [
        each for each in itertools.product((0, 0.25, 0.5, 1, 2, 4), (0, 0.5, 1, 2), (0, 1), (0, 0.5, 1)) if any(each)
    ]
    shares = {tuple(np.round(np.array(each) / sum(each), 9)) for each in grid}
    found = [tuple(np.round(each / each.sum(), 9)) for each in blend_fitting.WEIGHTS.astype(np.float64)]
    assert len(found) == len(set(found))
    assert set(found) == shares


def test_lengths_beside_each_other_are_mixed() -> None:
    gains = np.array([[4.0, 0], [0, 2], [0, 0]])
    wanted = [[4 / 1.5, 1 / 1.5], [2 / 2, 2 / 2], [0, 1 / 1.5]]
    np.testing.assert_allclose(blend_fitting._smoothed(gains), wanted)
