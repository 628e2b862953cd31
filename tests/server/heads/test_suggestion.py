import numpy as np
import pytest

from frostline.server.heads import suggestion as room
from frostline.server.heads.calibration import probabilities
from frostline.server.heads.suggestion import Strategy, covering, suggest
from made_heads import fitted, unit

NOTHING = np.empty((0, 16), np.float32)


def groups(sizes, spread=0.05):
    """Directions of their own, each with so many rows around it."""
    rng = np.random.default_rng(0)
    rows = np.repeat(np.eye(16)[: len(sizes)], sizes, axis=0)
    return (rows + spread * rng.standard_normal(rows.shape)).astype(np.float32), np.repeat(np.arange(len(sizes)), sizes)


def positions(found):
    return [each.position for each in found.suggestions]


def test_the_largest_groups_are_covered_first_and_none_twice():
    rows, group = groups([30, 5, 20, 10])
    found = suggest(rows, NOTHING, None, Strategy.COVERAGE, 4)
    assert group[positions(found)].tolist() == [0, 2, 3, 1]
    scores = [each.score for each in found.suggestions]
    assert scores == sorted(scores, reverse=True)
    assert (found.input_count, found.suggestions[0].label, found.suggestions[0].probability) == (65, None, None)


def test_what_is_known_is_not_covered_again():
    rows, group = groups([30, 5, 20, 10])
    found = suggest(rows, np.eye(16, dtype=np.float32)[[0, 2]], None, Strategy.COVERAGE, 2)
    assert group[positions(found)].tolist() == [3, 1]


def test_each_row_is_the_best_there_is():
    """The lazy search gives what looking at every row each time gives."""
    rows = unit(80)
    found, gains = covering(rows, unit(5, seed=1), np.arange(80), 10)
    cosines = np.maximum(rows @ rows.T, 0)
    nearest = np.maximum((rows @ unit(5, seed=1).T).max(axis=1), 0)
    for row, gain in zip(found, gains, strict=True):
        all_gains = np.maximum(cosines - nearest, 0).mean(axis=1)
        assert gain == pytest.approx(all_gains.max(), abs=1e-6)
        nearest = np.maximum(nearest, cosines[row])


@pytest.mark.parametrize("strategy", [Strategy.MARGIN, Strategy.UNCERTAINTY])
def test_the_least_sure_inputs_are_chosen_from(strategy):
    head, rows = fitted(), unit(400, seed=5)
    shares = np.sort(probabilities(head, rows), axis=1)
    doubts = 1 - shares[:, -1] + (shares[:, -2] if strategy is Strategy.MARGIN else 0)
    found = suggest(rows, NOTHING, head, strategy, 6)
    least_sure = set(np.argsort(-doubts)[: 6 * room.UNSURE_FOR_EACH].tolist())
    assert set(positions(found)) < least_sure
    for each in found.suggestions:
        assert each.score == pytest.approx(doubts[each.position])
        assert each.probability == pytest.approx(shares[each.position, -1])
        assert each.label == head.classes[probabilities(head, rows)[each.position].argmax()]


def test_the_same_input_many_times_is_suggested_once():
    head = fitted()
    rows = unit(300, seed=5)
    shares = np.sort(probabilities(head, rows), axis=1)
    unsure = rows[(1 - shares[:, -1] + shares[:, -2]).argmax()]
    found = suggest(np.concatenate([rows, np.tile(unsure, (20, 1))]), NOTHING, head, Strategy.MARGIN, 5)
    chosen = np.concatenate([rows, np.tile(unsure, (20, 1))])[positions(found)]
    assert len(np.unique(chosen, axis=0)) == 5


def test_a_large_pool_is_drawn_from_and_a_small_one_runs_out(monkeypatch):
    monkeypatch.setattr(room, "MOST_CANDIDATES", 30)
    monkeypatch.setattr(room, "MOST_COVERED", 20)
    rows, group = groups([300, 200])
    found = suggest(rows, NOTHING, None, Strategy.COVERAGE, 2)
    assert group[positions(found)].tolist() == [0, 1]
    assert len(suggest(rows[:3], NOTHING, None, Strategy.COVERAGE, 10).suggestions) == 3
