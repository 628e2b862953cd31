import numpy as np
import pytest

from frostline.server.recommendations.popularity import DAY_SECONDS, HALF_LIVES, Popularity, nearest

START = 1.7e9
ITEMS = 12


def _brute_force(kept: list[tuple[int, float, float]], half_life: float, reference: float) -> np.ndarray:
    sums = np.zeros(ITEMS)
    for item, weight, time in kept:
        sums[item] += max(weight, 0) * 2 ** ((time - reference) / half_life)
    return sums


@pytest.mark.parametrize("days", [20, 400])
def test_sums_after_random_changes_are_those_of_what_is_left(days) -> None:
    """Over 400 days the reference moves several times."""
    rng = np.random.default_rng(days)
    popularity, kept = Popularity(1, START), []
    for time in np.sort(rng.uniform(START, START + days * DAY_SECONDS, 3_000)).tolist():
        if kept and rng.random() < 0.4:  # what is taken away is recent mostly, as when it is replaced
            popularity.change(*kept.pop(int(len(kept) * rng.random() ** 0.1)), -1)
        else:
            kept.append((int(rng.integers(ITEMS - 1)), float(rng.normal(1, 1)), time))
            popularity.change(*kept[-1], 1)
    moved = popularity._reference
    assert (moved > START) == (days > 60)
    counts = np.bincount([item for item, weight, _ in kept if weight > 0], minlength=ITEMS)
    assert popularity.counts(ITEMS).tolist() == counts.tolist()
    for place, half_life in enumerate(HALF_LIVES):
        wanted = _brute_force(kept, half_life, moved)
        popularity.sums(ITEMS, place)
        np.testing.assert_allclose(popularity._sums[place, :ITEMS], wanted, rtol=1e-8)
        np.testing.assert_allclose(popularity.sums(ITEMS, place), wanted, rtol=1e-6)


def test_the_last_that_is_taken_away_leaves_exactly_nothing() -> None:
    popularity = Popularity(2, START)
    for weight in (0.1, 0.2, 0.7):
        popularity.change(0, weight, START + 50 * DAY_SECONDS, 1)
    for weight in (0.7, 0.1, 0.2):
        popularity.change(0, weight, START + 50 * DAY_SECONDS, -1)
    assert not popularity._sums.any()


def test_it_goes_on_from_sums_that_were_counted_elsewhere() -> None:
    popularity = Popularity(0, START)
    popularity.start(5, 2, [3.0, 2.5, 2.0, 1.5, 1.0, 0.5])
    popularity.change(5, 1.0, START + DAY_SECONDS, 1)
    assert popularity.counts(7).tolist() == [0, 0, 0, 0, 0, 3, 0]
    assert popularity.sums(6, 0)[5] == 4
    assert popularity.sums(6, len(HALF_LIVES) - 1)[5] == 2.5


def test_dislikes_and_weights_of_0_do_not_count() -> None:
    popularity = Popularity(1, START)
    popularity.change(0, -2.0, START, 1)
    popularity.change(0, 0.0, START, 1)
    assert popularity.counts(1).tolist() == [0]
    assert popularity.sums(1, 0).tolist() == [0]


def test_counts_that_were_given_do_not_change() -> None:
    popularity = Popularity(1, START)
    given = popularity.counts(1)
    popularity.change(0, 1.0, START, 1)
    assert given.tolist() == [0]


def test_interactions_long_before_the_reference_are_forgotten() -> None:
    popularity = Popularity(1, START)
    popularity.change(0, 1.0, 0.0, 1)
    assert popularity.sums(1, 0).tolist() == [1]
    assert popularity.sums(1, len(HALF_LIVES) - 1).tolist() == [0]


@pytest.mark.parametrize(
    ("days", "place"), [(0, 0), (np.inf, 0), (365, 1), (1e4, 1), (100, 2), (29, 3), (8, 4), (0.1, 5)]
)
def test_nearest_half_life(days, place) -> None:
    assert nearest(days * DAY_SECONDS) == place
