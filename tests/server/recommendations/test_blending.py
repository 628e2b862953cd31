import numpy as np
import pytest

from frostline.server.recommendations import blending
from frostline.server.recommendations.blending import LENGTHS, PRIOR, Blend


@pytest.mark.parametrize("place", range(len(LENGTHS)))
def test_weights_at_a_known_length_are_its_own(place) -> None:
    weights = Blend().at(LENGTHS[place])
    np.testing.assert_allclose(weights, np.array(PRIOR[place]) / sum(PRIOR[place]), rtol=1e-6)


def test_weights_between_lengths_lie_between_by_the_logarithm() -> None:
    wanted = (np.array(PRIOR[3]) + np.array(PRIOR[4])) / 2  # of 10 and 20
    np.testing.assert_allclose(Blend().at(np.sqrt(10 * 20)), wanted / wanted.sum(), rtol=1e-6)


def test_beyond_the_lengths_the_outermost_hold_and_for_nobody_popularity_alone() -> None:
    assert Blend().at(1_000).tolist() == Blend().at(LENGTHS[-1]).tolist()
    assert Blend().at(0.5).tolist() == Blend().at(1).tolist()
    assert Blend().at(0).tolist() == [1, 0, 0, 0]
    assert Blend().carried_at(0).tolist() == [1, 0, 0, 0]


def test_what_is_carried_counts_by_trust() -> None:
    weights = Blend(carried=(0, 1, 3, 0)).carried_at(blending.TRUST)
    np.testing.assert_allclose(weights, [0.5, 0.125, 0.375, 0])


def test_standardised_has_mean_0_and_deviation_1() -> None:
    scores = blending.standardised(np.array([1, 2, 3, 6], np.float32))
    assert scores.dtype == np.float32
    np.testing.assert_allclose([scores.mean(), scores.std()], [0, 1], atol=1e-6)
    assert blending.standardised(np.zeros(0, np.float32)).shape == (0,)


@pytest.mark.parametrize("value", [0, 0.1, 1e-30, -7.3, 1e18])
@pytest.mark.parametrize("count", [1, 3, 997])
def test_equal_scores_are_0_whatever_rounding_makes_of_their_mean(value, count) -> None:
    scores = np.full(count, value, np.float32)
    assert not blending.standardised(scores).any()
    scores[0] = np.nextafter(scores[0], np.float32(np.inf))
    assert not blending.standardised(scores).any() or abs(value) < 1e-40


@pytest.mark.parametrize("scale", [1e-30, 1e25])
def test_scores_of_any_scale_are_standardised(scale) -> None:
    """As sums with decay are, up to 60 halvings from their reference."""
    scores = np.random.default_rng(0).uniform(0, 1, 500)
    wanted = (scores - scores.mean()) / scores.std()
    np.testing.assert_allclose(blending.standardised((scores * scale).astype(np.float32)), wanted, atol=1e-5)


def test_where_a_shorter_component_knows_nothing_the_others_count_for_more() -> None:
    long, short = np.array([1, 2, 3, 4], np.float32), np.array([5, 1], np.float32)
    given = blending.weighted([long, short, np.zeros(0, np.float32)], np.array([0.5, 0.25, 0.25], np.float32))
    high = blending.standardised(long)
    np.testing.assert_allclose(given[0], [high[0] * 2 / 3, high[1] * 2 / 3, high[2], high[3]], rtol=1e-6)
    np.testing.assert_allclose(given[1], [1 / 3, -1 / 3, 0, 0], rtol=1e-6)
    assert not given[2].any()


def test_content_is_added_in_the_deviation_of_what_is_carried() -> None:
    carried, content = np.array([[0, 2, 4], [0, 20, 40]], np.float32), np.array([3, 1, 2], np.float32)
    both = blending.with_content(carried, content, 0.5)
    wanted = carried + 0.5 * carried.std(axis=1, keepdims=True) * blending.standardised(content)
    np.testing.assert_allclose(both, wanted, rtol=1e-6)
    several = blending.with_content(carried, content, np.array([[[0.0]], [[0.5]]], np.float32))
    np.testing.assert_allclose(several, [carried, wanted], rtol=1e-6)


def test_the_more_interactions_the_more_an_item_is_trusted() -> None:
    own, carried = np.ones(3, np.float32), np.zeros(3, np.float32)
    mixed = blending.trusted(own, carried, np.array([0, 2, 6]))
    assert mixed.dtype == np.float32
    np.testing.assert_allclose(mixed, [0, 0.5, 0.75])
