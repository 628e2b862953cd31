import numpy as np
import pytest

from frostline.server.recommendations import blend_fitting, carry_fitting
from frostline.server.recommendations.blending import Component
from frostline.server.recommendations.collaborative import Limits
from frostline.server.recommendations.histories import Liked

ITEMS, GROUPS, USERS = 120, 4, 60
LIMITS = Limits(ease_items=80)


@pytest.fixture(scope="module")
def liked() -> Liked:
    """Each user likes all items of one group but two."""
    rng = np.random.default_rng(0)
    pairs = [
        (user, item)
        for user in range(USERS)
        for item in rng.choice(np.arange(user % GROUPS, ITEMS, GROUPS), ITEMS // GROUPS - 2, replace=False).tolist()
    ]
    users, items = np.array(pairs, np.int64).T
    found = Liked(users, items, np.ones(len(users), np.float32), np.arange(len(users), dtype=float), USERS, ITEMS)
    assert found.counts().min() > 0
    return found


def _gains(liked: Liked, features: np.ndarray) -> np.ndarray:
    rng = np.random.default_rng(1)
    return carry_fitting.gains(liked, features, (60.0, 600.0), blend_fitting.WEIGHTS, LIMITS, rng)


def test_new_items_are_found_by_what_they_have_in_common_with_those_liked(liked) -> None:
    groups = np.eye(GROUPS, dtype=np.float32)[np.arange(ITEMS) % GROUPS]
    gains = _gains(liked, groups)
    popular = [weights[1:].max() == 0 for weights in blend_fitting.WEIGHTS]
    judged = carry_fitting.SPLITS * USERS
    assert gains.shape == (2, len(carry_fitting.WIDTHS), len(carry_fitting.CONTENT), len(blend_fitting.WEIGHTS))
    assert gains.max() > 0.9 * judged
    without = carry_fitting.CONTENT.index(0.0)
    assert gains[:, :, without, popular].max() < 0.5 * judged
    assert blend_fitting.WEIGHTS[gains.reshape(-1, len(blend_fitting.WEIGHTS)).max(axis=0).argmax()][
        [Component.NEIGHBORS, Component.EASE, Component.FACTORS]
    ].any()


def test_features_that_say_nothing_find_nothing(liked) -> None:
    noise = np.random.default_rng(2).normal(size=(ITEMS, GROUPS)).astype(np.float32)
    assert _gains(liked, noise).max() < 0.5 * carry_fitting.SPLITS * USERS


def test_few_items_are_not_split(liked) -> None:
    few = liked.of_items(np.arange(carry_fitting.FEWEST_ITEMS - 1))
    assert not _gains(few, np.ones((few.item_count, 2), np.float32)).any()
