"""The best are the best, and what is chosen of them differs as it should."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from frostline.server.collections.search.query import Grouping
from frostline.server.recommendations import ranking


@given(st.lists(st.tuples(st.integers(-3, 3), st.booleans()), max_size=40), st.integers(1, 45))
def test_the_best_are_those_of_a_plain_sort(items, count):
    scores = np.array([score for score, _ in items], np.float32)
    candidates = np.array([candidate for _, candidate in items], np.bool_)
    found = ranking.best(scores, candidates, count).tolist()
    wanted = sorted((place for place in range(len(items)) if items[place][1]), key=lambda place: -items[place][0])
    assert found == wanted[:count]  # sorted keeps the order of equal ones


def by_thousands(places):
    """The first thousand are one group, the others each one of their own, but every seventh damaged."""
    return [b"0" if each < 1000 else None if each % 7 == 0 else b"%d" % each for each in places.tolist()]


def test_groups_are_found_behind_the_first_depth():
    scores = -np.arange(1_500, dtype=np.float32)
    everything = np.ones(1_500, np.bool_)
    asked = []

    def groups(places):
        asked.append(len(places))
        return by_thousands(places)

    places, found = ranking.arranged(
        scores, everything, 10, 0, np.zeros((1500, 2), np.float32), Grouping(("g",), 2), groups
    )
    wanted = [0, 1, *(each for each in range(1000, 1500) if each % 7)][:10]
    assert (places.tolist(), list(found)) == (wanted, by_thousands(np.array(wanted)))
    assert sum(asked) > 1_000 > ranking._FEWEST_DEEP


def test_fewer_groups_than_wanted_end_the_search():
    scores, candidates = np.arange(300, dtype=np.float32), np.arange(300) % 2 == 0
    places, found = ranking.arranged(
        scores,
        candidates,
        10,
        0,
        np.zeros((300, 2), np.float32),
        Grouping(("g",), 3),
        lambda places: [b"1"] * len(places),
    )
    assert (places.tolist(), found) == ([298, 296, 294], [b"1"] * 3)
    nothing = ranking.arranged(
        scores, candidates & False, 10, 0, np.zeros((300, 2), np.float32), Grouping(("g",)), lambda places: []
    )
    assert (len(nothing[0]), list(nothing[1])) == (0, [])


@pytest.mark.parametrize("grouping", [None, Grouping(("g",), 1)])
def test_diversity_puts_what_differs_before_what_is_alike(grouping):
    vectors = np.array([[1, 0], [1, 0.01], [0, 1], [0, 0]], np.float32)
    scores = np.array([1, 0.99, 0.5, 0], np.float32)

    def order(diversity):
        return ranking.arranged(
            scores, np.ones(4, np.bool_), 4, diversity, vectors, grouping, lambda places: [b"%d" % n for n in places]
        )[0].tolist()

    assert order(0) == [0, 1, 2, 3]
    assert order(0.6)[:2] == [0, 2]


@pytest.mark.parametrize("grouping", [None, Grouping(("g",), 2)])
def test_more_that_are_wanted_begin_with_those_of_fewer(grouping):
    rng = np.random.default_rng(0)
    scores, vectors = rng.normal(size=2_000).astype(np.float32), rng.normal(size=(2_000, 4)).astype(np.float32)

    def chosen(count):
        return ranking.arranged(
            scores,
            np.ones(2_000, np.bool_),
            count,
            0.5,
            vectors,
            grouping,
            lambda places: [b"%d" % (n % 50) for n in places],
        )[0].tolist()

    assert chosen(40)[:10] == chosen(10)
    assert chosen(450)[:40] == chosen(40)
    everything = chosen(2_000)
    assert len(set(everything)) == len(everything) == (100 if grouping else 2_000)
